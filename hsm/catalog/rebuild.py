"""Catalog rows made again from what lies on volumes and in the online pool.

Everything may be told any number of times and in any order; what the catalog knows better is never overwritten.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from hsm.catalog.copy_steps import locked_copy, step_copy
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import VolumeRefused
from hsm.catalog.events import add
from hsm.catalog.found import FoundPack, FoundVolume
from hsm.catalog.hierarchy import Place, count_in, place_of
from hsm.catalog.intake import find_instance, instance_values, record_in
from hsm.catalog.packs import place_members, pressed_values
from hsm.catalog.records import OutcomeKind
from hsm.catalog.rows import insert_new, insert_row
from hsm.catalog.volume_steps import locked_volume, step_volume
from hsm.facts import Arrival, Member, PoolFile, StoredInstance
from hsm.format.study_json import PackedInstance, parse
from hsm.models import Copy, Instance, Pack, SupersededMember, Volume
from hsm.states import COPY_TABLE, ONLINE_TABLE, VOLUME_TABLE, CopyState, OnlineState, VolumeState, step

_NO_FILE = PoolFile(Path(), "")


class Rebuild:
    """What was found is entered where it is missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def volume(self, found: FoundVolume, now: datetime) -> None:
        """A volume told who it is and how far it is filled.

        Raises: VolumeRefused when the catalog knows another volume by that barcode or uuid.
        """
        self._database.write(lambda connection: _volume(connection, found, now))

    def pack(self, found: FoundPack, now: datetime) -> None:
        """A pack was found on a volume that is catalogued (see `volume`).

        Instances nobody knew become RELEASED ones. Where several packs hold versions of one instance, the one received
        last is the instance and the others are superseded members; one that is online is never replaced.

        Raises: NotCatalogued for an unknown volume, FormatError for a description that cannot be read, VolumeRefused
        when description and members contradict each other.
        """
        packed = parse(found.study_json)
        listed = [(item.header.sop_instance_uid, item.member_sha256) for item in packed]
        if not packed or listed != [(member.sop_instance_uid, member.sha256) for member in found.members]:
            raise VolumeRefused(
                f"pack {found.digest[:12]} on {found.barcode} says two things about its members: it is not taken over"
            )
        self._database.write(lambda connection: _pack(connection, found, packed, now))

    def file(self, arrival: Arrival, now: datetime) -> bool:
        """A file was found in the online pool; whether an instance lies in it now (else it is left over).

        Unknown instances are catalogued, released ones of the same content are online again. A file of other content
        than its instance is left over, with an event: keep it in quarantine.
        """
        return self._database.write(lambda connection: _file(connection, arrival, now))


def _volume(connection: Connection, found: FoundVolume, now: datetime) -> None:
    other = connection.execute(
        select(Volume.barcode).where(Volume.uuid == found.uuid, Volume.barcode != found.barcode)
    ).scalar()
    if other is not None:
        raise VolumeRefused(f"volume {found.barcode} says it is {found.uuid}, but that is {other}: one is a duplicate")
    facts: dict[str, Any] = {
        "uuid": found.uuid,
        "generation": found.generation,
        "pool": found.pool,
        "labelled_at": found.labelled_at,
        "former_uuid": None,
    }
    blank = {
        "barcode": found.barcode,
        "kind": found.kind.value,
        "library": found.library,
        "place": found.place.value,
        "state": VolumeState.BLANK.value,
    }
    insert_new(connection, Volume, blank)
    row = locked_volume(connection, found.barcode)
    if row.uuid is None and (VolumeState(row.state), "label") in VOLUME_TABLE:
        end = {"capacity_bytes": found.capacity_bytes, "end_address": found.end_address}
        step_volume(connection, row, "label", **end, **facts)
        add(connection, "info", "volume_found", found.barcode, {"uuid": found.uuid, "pool": found.pool}, now)
        row = locked_volume(connection, found.barcode)
    elif row.uuid != found.uuid:
        raise VolumeRefused(
            f"volume {found.barcode} says it is {found.uuid}, the catalog knows it as {row.uuid}: look at the cartridge"
        )
    if found.last_sequence > row.last_sequence:
        _fill(connection, row, found, now)
        row = locked_volume(connection, found.barcode)
    if found.closed and (VolumeState(row.state), "close") in VOLUME_TABLE:
        step_volume(connection, row, "close")


def _fill(connection: Connection, row: AnyRow, found: FoundVolume, now: datetime) -> None:
    end = {
        "used_bytes": max(found.used_bytes, row.used_bytes),
        "end_address": found.end_address,
        "last_sequence": found.last_sequence,
        "last_address": found.last_address,
        "last_digest": found.last_digest,
        "last_stream_sha256": found.last_stream_sha256,
        "first_filled_at": row.first_filled_at or now,
        "image_sha256": found.image_sha256 or row.image_sha256,
        "image_bytes": found.image_bytes or row.image_bytes,
    }
    if (VolumeState(row.state), "fill") in VOLUME_TABLE:
        step_volume(connection, row, "fill", **end)
    else:  # full, suspect ...: what is on it is known better now, what it is has not changed
        connection.execute(update(Volume).where(Volume.id == row.id).values(**end))


def _pack(connection: Connection, found: FoundPack, packed: tuple[PackedInstance, ...], now: datetime) -> None:
    volume = locked_volume(connection, found.barcode)
    places: dict[str, Place] = {}
    first = place_of(connection, _as_arrival(packed[0]))
    places[packed[0].header.series_instance_uid] = first
    pack_id = insert_new(
        connection,
        Pack,
        {
            "digest": found.digest,
            "study_fk": first.study_id,
            "size_bytes": found.size_bytes,
            "instance_count": len(packed),
            "study_json": found.study_json.decode("ascii"),
            "created_at": found.written_at,
            **pressed_values(packed),
        },
    )
    if pack_id is None:
        pack_id = connection.execute(select(Pack.id).where(Pack.digest == found.digest)).scalar_one()
    else:
        for item, member in zip(packed, found.members, strict=True):
            _member(connection, pack_id, item, member, places, now)
        fields = {"pack": found.digest, "volume": found.barcode, "instances": len(packed)}
        add(connection, "info", "pack_found", first.study_uid, fields, now)
    count_in(connection, places)
    _copy(connection, pack_id, volume, found, now)


def _as_arrival(item: PackedInstance) -> Arrival:
    return Arrival(
        item.header,
        _NO_FILE,
        item.size_bytes,
        item.sha256,
        item.dataset_sha256,
        item.dataset_offset,
        item.received_at,
        item.source_aet,
    )


def _member(
    connection: Connection,
    pack_id: int,
    item: PackedInstance,
    member: Member,
    places: dict[str, Place],
    now: datetime,
) -> None:
    """Enter one member: as an instance, as the pack of a known instance, or as a version that was superseded."""
    member = replace(member, pressed=item.pressed is not None)
    existing = find_instance(connection, item.header.sop_instance_uid)
    arrival = _as_arrival(item)
    if existing is None:
        place = _place(connection, arrival, places)
        insert_row(connection, Instance, _released(arrival, place, pack_id, member))
        place.add(arrival)
    elif existing.sha256 == item.sha256 and existing.pack_id is None:
        place_members(connection, pack_id, [replace(member, instance_id=existing.id)])
    elif existing.sha256 != item.sha256 and _is_older(connection, existing, item):
        place = _place(connection, arrival, places)
        _supersede(connection, existing, now)
        insert_row(connection, Instance, _released(arrival, place, pack_id, member))
        place.replace(existing, arrival)
    else:
        values = {"pack_fk": pack_id, "replaced_at": now, "offset_bytes": member.offset_bytes}
        values |= {"sop_instance_uid": member.sop_instance_uid, "series_instance_uid": member.series_instance_uid}
        insert_row(
            connection, SupersededMember, values | {"size_bytes": item.member_bytes, "sha256": item.member_sha256}
        )


def _place(connection: Connection, arrival: Arrival, places: dict[str, Place]) -> Place:
    series = arrival.header.series_instance_uid
    if series not in places:
        places[series] = place_of(connection, arrival)
    return places[series]


def _released(arrival: Arrival, place: Place, pack_id: int, member: Member) -> dict[str, Any]:
    return {
        **instance_values(arrival, place),
        "online_state": OnlineState.RELEASED.value,
        "pool_directory": None,
        "pool_path": None,
        "pack_fk": pack_id,
        "pack_offset_bytes": member.offset_bytes,
        "pack_size_bytes": member.size_bytes if member.pressed else None,
        "pack_sha256": member.sha256 if member.pressed else None,
    }


def _is_older(connection: Connection, existing: StoredInstance, item: PackedInstance) -> bool:
    """Whether a known version must give way to one that was found: never one that is online."""
    if existing.online_state is not OnlineState.RELEASED:
        return False
    there = (existing.study_instance_uid, existing.series_instance_uid)
    if there != (item.header.study_instance_uid, item.header.series_instance_uid):
        return False
    received = connection.execute(select(Instance.received_at).where(Instance.id == existing.id)).scalar_one()
    return (received, existing.sha256) < (item.received_at, item.sha256)


def _supersede(connection: Connection, existing: StoredInstance, now: datetime) -> None:
    offset, size_bytes, sha256 = connection.execute(
        select(
            Instance.pack_offset_bytes,
            func.coalesce(Instance.pack_size_bytes, Instance.size_bytes),
            func.coalesce(Instance.pack_sha256, Instance.sha256),
        ).where(Instance.id == existing.id)
    ).one()
    insert_row(
        connection,
        SupersededMember,
        {
            "pack_fk": existing.pack_id,
            "sop_instance_uid": existing.sop_instance_uid,
            "series_instance_uid": existing.series_instance_uid,
            "offset_bytes": offset,
            "size_bytes": size_bytes,
            "sha256": sha256,
            "replaced_at": now,
        },
    )
    connection.execute(delete(Instance).where(Instance.id == existing.id))


def _copy(connection: Connection, pack_id: int, volume: AnyRow, found: FoundPack, now: datetime) -> None:
    """Enter where a copy lies, and whether it could be read."""
    on_volume = select(Copy.__table__).where(Copy.pack_fk == pack_id, Copy.state != CopyState.RECLAIMED)
    copies = connection.execute(on_volume.order_by(Copy.id).with_for_update(of=Copy)).all()
    here = {"volume_fk": volume.id, "sequence": found.sequence}
    row = next((copy for copy in copies if copy.volume_fk == volume.id), None)
    if row is None:
        row = next((c for c in copies if c.state == CopyState.PLANNED and c.pool == volume.pool), None)
        if row is not None:
            step_copy(connection, row, "begin", **here)
            row = locked_copy(connection, row.id)
    if row is None:
        state = step(COPY_TABLE, CopyState.PLANNED, "begin")
        values = {"pack_fk": pack_id, "pool": volume.pool or "", "kind": volume.kind, "state": state.value, **here}
        row = locked_copy(connection, insert_row(connection, Copy, values))
    if row.state == CopyState.WRITING:
        flushed = {"address": found.address, "stream_sha256": found.stream_sha256, "written_at": found.written_at}
        step_copy(connection, row, "flush", **here, **flushed)
        row = locked_copy(connection, row.id)
    if found.verified and (CopyState(row.state), "verify") in COPY_TABLE:
        proved = {"verified_at": now, "verified_by": found.drive_serial, "doubts": 0, "doubted_by": None}
        step_copy(connection, row, "verify", stream_sha256=row.stream_sha256 or found.stream_sha256, **proved)


def _file(connection: Connection, arrival: Arrival, now: datetime) -> bool:
    existing = find_instance(connection, arrival.header.sop_instance_uid)
    if existing is None:
        places: dict[str, Place] = {}
        outcome = record_in(connection, arrival, "refuse", places, None)
        count_in(connection, places)
        return outcome.kind is OutcomeKind.ACCEPTED
    if existing.sha256 != arrival.sha256:
        fields = {"path": arrival.file.path, "sha256": arrival.sha256, "catalogued_sha256": existing.sha256}
        add(connection, "warning", "file_contradicts_catalog", existing.sop_instance_uid, fields, now)
        return False
    if existing.online_state is not OnlineState.RELEASED:
        return existing.file == arrival.file
    online = step(ONLINE_TABLE, existing.online_state, "recall")
    connection.execute(
        update(Instance)
        .where(Instance.id == existing.id, Instance.online_state == OnlineState.RELEASED)
        .values(online_state=online.value, pool_directory=str(arrival.file.directory), pool_path=arrival.file.path)
    )
    return True
