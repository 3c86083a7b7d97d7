"""Volumes: what each cartridge and disc is, where it is and how far it is filled."""

from datetime import datetime
from operator import eq
from typing import Any

from sqlalchemy import Connection, select, update

from drivers.base import Barcode, MediumKind, VolumeStatistics
from hsm.catalog import inventory as inventories
from hsm.catalog.copy_steps import locked_copy, step_copy
from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.errors import VolumeRefused
from hsm.catalog.events import add
from hsm.catalog.repack_rows import end_with_volume, note_doubt, refuse_last, refuse_needed
from hsm.catalog.rows import narrowed, one, volume_record
from hsm.catalog.taking_away import TakingAway
from hsm.catalog.volume_steps import locked_volume, step_volume
from hsm.facts import VolumeRecord
from hsm.models import Copy, Drive, Volume
from hsm.states import VOLUME_TABLE, CopyState, DriveState, Place, VolumeState

WORM_SUFFIXES = frozenset({"LT", "LU", "LV", "LW", "LX", "LY", "LZ"})  # of the barcodes of write-once LTO cartridges


class Volumes(inventories.Inventories, TakingAway):
    """Volumes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        kind: MediumKind | None = None,
        pool: str | None = None,
        place: Place | None = None,
        state: VolumeState | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[VolumeRecord]:
        """The volumes that fit, by barcode; all of them, or so many behind so many."""
        statement: AnySelect = select(Volume.__table__).order_by(Volume.barcode)
        statement = narrowed(
            statement,
            (eq, Volume.kind, kind),
            (eq, Volume.pool, pool),
            (eq, Volume.place, place),
            (eq, Volume.state, state),
        )
        if limit is not None:
            statement = statement.limit(limit).offset(offset)
        return self._database.read(lambda connection: [volume_record(row) for row in connection.execute(statement)])

    def find(self, barcode: Barcode) -> VolumeRecord | None:
        """The volume with that barcode."""
        statement = select(Volume.__table__).where(Volume.barcode == barcode)

        def work(connection: Connection) -> VolumeRecord | None:
            row = connection.execute(statement).first()
            return None if row is None else volume_record(row)

        return self._database.read(work)

    def get(self, barcode: Barcode) -> VolumeRecord:
        """The volume with that barcode. Raises: NotCatalogued."""
        statement = select(Volume.__table__).where(Volume.barcode == barcode)
        return self._database.read(lambda connection: volume_record(one(connection, statement, f"volume {barcode}")))

    def bad_writers(self, barcode: Barcode | None = None) -> dict[Barcode, frozenset[str]]:
        """By volume, all or one: which drives wrote to it that failed, or whose last sessions ended with an error."""
        bad = select(Drive.serial).where((Drive.state == DriveState.FAILED) | (Drive.errors > 0)).scalar_subquery()
        statement: AnySelect = (
            select(Volume.barcode, Copy.written_by)
            .join(Copy, Copy.volume_fk == Volume.id)
            .where(Copy.written_by.in_(bad))
            .distinct()
        )
        statement = narrowed(statement, (eq, Volume.barcode, barcode))

        def work(connection: Connection) -> dict[Barcode, frozenset[str]]:
            found: dict[Barcode, set[str]] = {}
            for volume, serial in connection.execute(statement):
                found.setdefault(Barcode(volume), set()).add(serial)
            return {volume: frozenset(serials) for volume, serials in found.items()}

        return self._database.read(work)

    def labelled(
        self,
        barcode: Barcode,
        uuid: str,
        pool: str,
        generation: str,
        capacity_bytes: int,
        end_address: int | None,
        now: datetime,
    ) -> None:
        """The volume carries our label now and belongs to a pool; `end_address` is where the first pack goes.

        Raises: IllegalTransition unless it was blank or scratch; VolumeRefused when another volume has that uuid.
        """

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            other = connection.execute(
                select(Volume.barcode).where(Volume.uuid == uuid, Volume.barcode != barcode)
            ).scalar()
            if other is not None:
                raise VolumeRefused(
                    f"volume {barcode} says it is {uuid}, but that is {other}: one of them is a duplicate"
                )
            step_volume(
                connection,
                row,
                "label",
                uuid=uuid,
                pool=pool,
                generation=generation,
                capacity_bytes=capacity_bytes,
                used_bytes=0,
                end_address=end_address,
                last_sequence=0,
                last_address=None,
                last_digest=None,
                last_stream_sha256=None,
                image_sha256=None,
                image_bytes=None,
                labelled_at=now,
                first_filled_at=None,
                verified_at=None,
                reason="",
                former_uuid=None,
            )
            add(connection, "info", "volume_labelled", barcode, {"pool": pool, "uuid": uuid}, now)

        self._database.write(work)

    def close(self, barcode: Barcode, now: datetime) -> None:
        """Nothing more goes on it. Raises: IllegalTransition."""
        self._step(barcode, "close", "volume_closed", "", now)

    def doubt(self, barcode: Barcode, reason: str, now: datetime) -> None:
        """Set a volume aside: it may be read, and is never written again. Raises: IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            step_volume(connection, row, "doubt", reason=reason)
            note_doubt(connection, row.id)
            add(connection, "warning", "volume_doubted", barcode, {"reason": reason} if reason else {}, now)

        self._database.write(work)

    def clear(self, barcode: Barcode, now: datetime) -> None:
        """A suspect volume could be read; it counts again, as a full one.

        Raises: VolumeRefused when it never carried our label, IllegalTransition.
        """

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            if row.uuid is None:
                raise VolumeRefused(f"volume {barcode} carries no label of ours: there is nothing on it to be trusted")
            step_volume(connection, row, "clear", reason="")
            add(connection, "info", "volume_cleared", barcode, {}, now)

        self._database.write(work)

    def protect(self, barcode: Barcode, reason: str, now: datetime) -> None:
        """Its write-protect tab is set. Raises: IllegalTransition."""
        self._step(barcode, "protect", "volume_write_protected", reason, now, level="warning", keep_reason=True)

    def unprotect(self, barcode: Barcode, now: datetime) -> None:
        """A person took its write-protect tab back: it is filled on, or labelled first. Raises: IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            step_volume(connection, row, "unprotect_blank" if row.uuid is None else "unprotect", reason="")
            add(connection, "info", "volume_unprotected", barcode, {}, now)

        self._database.write(work)

    def retire(self, barcode: Barcode, reason: str, now: datetime) -> None:
        """It leaves for good. Raises: VolumeRefused while a copy on it is wanted, IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            refuse_needed(connection, row)
            refuse_last(connection, row)
            step_volume(connection, row, "retire", reason=reason)
            add(connection, "info", "volume_retired", barcode, {"reason": reason}, now)

        self._database.write(work)

    def erase(self, barcode: Barcode, by: str, now: datetime) -> None:
        """A drained tape may be labelled again: its old label, and nothing else, may be written over then.

        Until that was done its bytes are still on it; what it held is reclaimed.

        Raises: VolumeRefused for what can be written only once, and when something on it is needed after all;
        IllegalTransition unless it is drained.
        """

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            if row.kind == MediumKind.DISC or barcode[-2:] in WORM_SUFFIXES:
                raise VolumeRefused(f"volume {barcode} can be written only once: retire it instead")
            values = {"uuid": None, "former_uuid": row.uuid, "pool": None, "used_bytes": 0, "reason": ""}
            step_volume(connection, row, "erase", **values)
            refuse_needed(connection, row)
            refuse_last(connection, row)
            for copy in _copies_on(connection, row):
                if copy.state != CopyState.RECLAIMED:
                    step_copy(connection, copy, "reclaim")
            add(connection, "warning", "volume_erased", barcode, {"by": by, "uuid": row.uuid}, now)

        self._database.write(work)

    def lose(self, barcode: Barcode, reason: str, now: datetime) -> None:
        """A volume is gone for good, and with it every copy on it.

        Raises: IllegalTransition when it holds nothing that could be lost (blank, scratch, retired, lost before).
        """

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            if (VolumeState(row.state), "lose") not in VOLUME_TABLE:
                step_volume(connection, row, "doubt")
                row = locked_volume(connection, barcode)
            step_volume(connection, row, "lose", reason=reason)
            end_with_volume(connection, row.id, now)
            lost = 0
            for copy in _copies_on(connection, row):
                lost += _lose_copy(connection, copy)
            add(connection, "error", "volume_lost", barcode, {"reason": reason, "copies": lost}, now)

        self._database.write(work)

    def count_mount(self, barcode: Barcode) -> None:
        """It was put into a drive once more."""
        self._database.write(
            lambda connection: connection.execute(
                update(Volume).where(Volume.barcode == barcode).values(mounts=Volume.mounts + 1)
            )
        )

    def count_error(self, barcode: Barcode) -> int:
        """It was to blame for an error once more; how often by now. Raises: NotCatalogued."""

        def work(connection: Connection) -> int:
            errors = int(locked_volume(connection, barcode).errors) + 1
            connection.execute(update(Volume).where(Volume.barcode == barcode).values(errors=errors))
            return errors

        return self._database.write(work)

    def told(self, barcode: Barcode, statistics: VolumeStatistics, now: datetime) -> None:
        """What a cartridge remembers of its life; what it does not tell stays as it was. Nothing if it is not known."""
        values: dict[str, Any] = {
            "written_bytes": statistics.written_bytes,
            "read_bytes": statistics.read_bytes,
            "corrected_errors": _sum(statistics.corrected_write_errors, statistics.corrected_read_errors),
            "uncorrected_errors": _sum(statistics.uncorrected_write_errors, statistics.uncorrected_read_errors),
        }
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            statement = update(Volume).where(Volume.barcode == barcode).values(told_at=now, **known)
            self._database.write(lambda connection: connection.execute(statement))

    def move(self, barcode: Barcode, place: Place, location: str, now: datetime, *, leaving: bool = False) -> None:
        """Somebody carried it; `location` says where to, in words.

        `leaving`: the robot laid it into a mail slot for a person to take; until that was done, seeing it there does
        not bring it back. Raises: NotCatalogued.
        """

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            values = {"place": place.value, "location": location, "leaving": leaving}
            connection.execute(update(Volume).where(Volume.id == row.id).values(**values))
            fields = {"from": row.place, "to": place.value, "location": location}
            add(connection, "info", "volume_moved", barcode, fields, now)

        self._database.write(work)

    def verified(self, barcode: Barcode, now: datetime) -> None:
        """All of it was read and is right. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            row = locked_volume(connection, barcode)
            connection.execute(update(Volume).where(Volume.id == row.id).values(verified_at=now))

        self._database.write(work)

    def _step(
        self,
        barcode: Barcode,
        event: str,
        name: str,
        reason: str,
        now: datetime,
        level: str = "info",
        keep_reason: bool = False,
    ) -> None:
        def work(connection: Connection) -> None:
            values = {"reason": reason} if keep_reason else {}
            step_volume(connection, locked_volume(connection, barcode), event, **values)
            add(connection, level, name, barcode, {"reason": reason} if reason else {}, now)

        self._database.write(work)


def _sum(*parts: int | None) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _copies_on(connection: Connection, volume: AnyRow) -> list[AnyRow]:
    statement = select(Copy.__table__).where(Copy.volume_fk == volume.id).order_by(Copy.id).with_for_update(of=Copy)
    return list(connection.execute(statement).all())


def _lose_copy(connection: Connection, copy: AnyRow) -> bool:
    """Take a copy from whatever state to lost; whether there was anything to lose."""
    state = CopyState(copy.state)
    if state is CopyState.WRITING:
        step_copy(connection, copy, "unwrite", volume_fk=None, sequence=None)
        return False
    if state in (CopyState.LOST, CopyState.SUPERSEDED, CopyState.RECLAIMED):
        return False
    if state is not CopyState.SUSPECT:
        step_copy(connection, copy, "doubt", doubts=copy.doubts + 1)
        copy = locked_copy(connection, copy.id)
    step_copy(connection, copy, "lose")
    return True
