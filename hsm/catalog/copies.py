"""Copies: one pack on one volume, from the wish to the proof that it can be read back."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, or_, select, update

from drivers.base import Barcode, MediumKind
from hsm.catalog.availability import READABLE
from hsm.catalog.copy_steps import locked_copy, step_copy, supersede_copy
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import CopyRefused
from hsm.catalog.events import add
from hsm.catalog.records import VolumeEnd, WrittenCopy
from hsm.catalog.rows import copy_record, insert_row, one, select_copies
from hsm.catalog.volume_steps import locked_volume, step_volume
from hsm.facts import CopyRecord
from hsm.models import Copy, Pack, Study, Volume
from hsm.states import COPY_TABLE, WRITABLE_VOLUMES, CopyState, Place, VolumeState, step

_BLANK = frozenset({VolumeState.BLANK, VolumeState.SCRATCH})


class Copies:
    """Copies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, pack_id: int, pool: str, kind: MediumKind, barcode: Barcode, sequence: int, now: datetime) -> int:
        """Say that a pack is about to be written to a volume, before the first byte is; the copy's id.

        A copy that was planned or un-written for the same pool is used again. `sequence` is the pack's number on the
        volume, from 1. The volume must be in the library and writable; a disc may still be blank.

        Raises: CopyRefused (the volume cannot take it, or already has one of this pack), NotCatalogued.
        """

        def work(connection: Connection) -> int:
            digest = one(
                connection, select(Pack.digest).where(Pack.id == pack_id).with_for_update(), f"pack {pack_id}"
            )[0]
            volume = locked_volume(connection, barcode)
            _check_volume(volume, kind, digest)
            copies = connection.execute(
                select(Copy.__table__).where(Copy.pack_fk == pack_id).order_by(Copy.id).with_for_update(of=Copy)
            ).all()
            if any(c.volume_fk == volume.id and c.state != CopyState.RECLAIMED for c in copies):
                raise CopyRefused(f"volume {barcode} already has a copy of pack {digest[:12]}: take another volume")
            place = {"volume_fk": volume.id, "sequence": sequence, "kind": kind.value}
            planned = next((c for c in copies if c.state == CopyState.PLANNED and c.pool == pool), None)
            if planned is not None:
                step_copy(connection, planned, "begin", **place)
                return int(planned.id)
            state = step(COPY_TABLE, CopyState.PLANNED, "begin")
            return insert_row(connection, Copy, {"pack_fk": pack_id, "pool": pool, "state": state.value, **place})

        return self._database.write(work)

    def written(self, batch: Sequence[WrittenCopy], end: VolumeEnd, drive_serial: str | None, now: datetime) -> None:
        """Say that a flush made a whole batch safe, and where the volume ends now. All of it becomes true, or nothing.

        Raises: CopyRefused when the copies are not on one volume, IllegalTransition when one is not being written.
        """

        def work(connection: Connection) -> None:
            rows = [locked_copy(connection, copy.copy_id) for copy in batch]
            volumes = {row.volume_fk for row in rows}
            if len(volumes) != 1 or None in volumes:
                raise CopyRefused(f"a batch is flushed to one volume; these {len(rows)} copies lie on {len(volumes)}")
            for row, copy in zip(rows, batch, strict=True):
                step_copy(
                    connection,
                    row,
                    "flush",
                    address=copy.address,
                    stream_sha256=copy.stream_sha256,
                    written_at=now,
                    written_by=drive_serial,
                )
            barcode = connection.execute(select(Volume.barcode).where(Volume.id == volumes.pop())).scalar_one()
            _move_end(connection, barcode, end, now)

        self._database.write(work)

    def moved_end(self, barcode: Barcode, end: VolumeEnd, now: datetime) -> None:
        """Say that a flush made something safe that is no copy: a catalog file; and where the volume ends now."""
        self._database.write(lambda connection: _move_end(connection, barcode, end, now))

    def unwrite(self, copy_ids: Collection[int] | None = None) -> list[int]:
        """Take back what was begun and not flushed: these copies, or all (when the engine starts); the ids taken back.

        Copies that are not being written are left alone.
        """

        def work(connection: Connection) -> list[int]:
            wanted = select(Copy.__table__).where(Copy.state == CopyState.WRITING).order_by(Copy.id)
            if copy_ids is not None:
                wanted = wanted.where(Copy.id.in_(list(copy_ids)))
            rows = connection.execute(wanted.with_for_update(of=Copy)).all()
            for row in rows:
                step_copy(connection, row, "unwrite", volume_fk=None, sequence=None)
            return [int(row.id) for row in rows]

        return self._database.write(work)

    def verified(self, copy_id: int, drive_serial: str | None, now: datetime) -> None:
        """The whole copy was read back from its medium and its digest is right. Raises: IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_copy(connection, copy_id)
            step_copy(connection, row, "verify", verified_at=now, verified_by=drive_serial, doubts=0, doubted_by=None)
            connection.execute(update(Volume).where(Volume.id == row.volume_fk).values(verified_at=now))

        self._database.write(work)

    def doubt(self, copy_id: int, drive_serial: str | None, reason: str, now: datetime) -> int:
        """The copy could not be read back; how often in a row now. Raises: IllegalTransition."""

        def work(connection: Connection) -> int:
            row = locked_copy(connection, copy_id)
            doubts = int(row.doubts) + 1
            step_copy(connection, row, "doubt", doubts=doubts, doubted_by=drive_serial)
            fields = {"copy": copy_id, "drive": drive_serial, "reason": reason, "doubts": doubts}
            add(connection, "warning", "copy_doubted", subject_of(connection, row), fields, now)
            return doubts

        return self._database.write(work)

    def lose(self, copy_id: int, reason: str, now: datetime) -> None:
        """No drive can read a suspect copy. Raises: IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_copy(connection, copy_id)
            step_copy(connection, row, "lose")
            add(connection, "error", "copy_lost", subject_of(connection, row), {"copy": copy_id, "reason": reason}, now)

        self._database.write(work)

    def supersede(self, copy_id: int, now: datetime) -> None:
        """A newer copy replaced this one, and this transaction proves it: see `copy_steps.successor`.

        Raises: CopyRefused when no verified copy stands in for it, IllegalTransition.
        """

        def work(connection: Connection) -> None:
            row = locked_copy(connection, copy_id)
            fields = {"copy": copy_id, "by_copy": supersede_copy(connection, row)}
            add(connection, "info", "copy_superseded", subject_of(connection, row), fields, now)

        self._database.write(work)

    def reclaim(self, copy_id: int, now: datetime) -> None:
        """The place of a superseded or lost copy was given back. Raises: IllegalTransition."""

        def work(connection: Connection) -> None:
            row = locked_copy(connection, copy_id)
            step_copy(connection, row, "reclaim")
            add(connection, "info", "copy_reclaimed", subject_of(connection, row), {"copy": copy_id}, now)

        self._database.write(work)

    def get(self, copy_id: int) -> CopyRecord:
        """One copy. Raises: NotCatalogued."""
        statement = select_copies().where(Copy.id == copy_id)
        return self._database.read(lambda connection: copy_record(one(connection, statement, f"copy {copy_id}")))

    def of_pack(self, pack_id: int) -> list[CopyRecord]:
        """All copies of a pack, in whatever state, oldest first."""
        return self._list(select_copies().where(Copy.pack_fk == pack_id).order_by(Copy.id))

    def of_study(self, study_uid: str) -> list[CopyRecord]:
        """All copies of all packs of a study."""
        return self._list(select_copies().where(Study.study_instance_uid == study_uid).order_by(Copy.pack_fk, Copy.id))

    def of_volume(self, barcode: Barcode) -> list[CopyRecord]:
        """What a volume holds, in the order it was written."""
        return self._list(select_copies().where(Volume.barcode == barcode).order_by(Copy.sequence, Copy.id))

    def readable(self, pack_id: int) -> list[CopyRecord]:
        """What a pack can be read from, best first: in a library, on a shelf, in a vault, missing; then verified."""
        return self._list(
            select_copies()
            .where(Copy.pack_fk == pack_id, READABLE)
            .order_by(
                case(
                    (Volume.place == Place.LIBRARY, 0),
                    (Volume.place == Place.SHELF, 1),
                    (Volume.place == Place.VAULT, 2),
                    else_=3,
                ),
                case((Volume.state == VolumeState.SUSPECT, 1), else_=0),
                case((Copy.state == CopyState.VERIFIED, 0), else_=1),
                Copy.id,
            )
        )

    def due_for_verify(self, now: datetime, verified_before: datetime, limit: int = 100) -> list[CopyRecord]:
        """Copies in a library that are suspect, were never verified, or not since a time; in this order."""
        old = Copy.verified_at.is_(None) | (Copy.verified_at < verified_before)
        doubtful = Copy.state.in_([CopyState.WRITTEN, CopyState.SUSPECT])
        return self._list(
            select_copies()
            .where(Volume.place == Place.LIBRARY, or_(doubtful, (Copy.state == CopyState.VERIFIED) & old))
            .order_by(case((Copy.state == CopyState.SUSPECT, 0), (doubtful, 1), else_=2), Copy.verified_at, Copy.id)
            .limit(limit)
        )

    def _list(self, statement: Any) -> list[CopyRecord]:
        return self._database.read(lambda connection: [copy_record(row) for row in connection.execute(statement)])


def subject_of(connection: Connection, row: AnyRow) -> str:
    """The barcode a copy lies on, for events."""
    return str(connection.execute(select(Volume.barcode).where(Volume.id == row.volume_fk)).scalar() or "")


def _check_volume(volume: AnyRow, kind: MediumKind, digest: str) -> None:
    allowed = WRITABLE_VOLUMES | (_BLANK if kind is MediumKind.DISC else frozenset())
    if volume.kind != kind:
        raise CopyRefused(f"volume {volume.barcode} is a {volume.kind}; pack {digest[:12]} was to go to a {kind.value}")
    if volume.state not in allowed:
        raise CopyRefused(f"volume {volume.barcode} is {volume.state} and takes no more: take another volume")
    if volume.place != Place.LIBRARY:
        raise CopyRefused(f"volume {volume.barcode} is not in a library ({volume.place}): bring it, or take another")


def _move_end(connection: Connection, barcode: str, end: VolumeEnd, now: datetime) -> None:
    volume = locked_volume(connection, barcode)
    values = {
        "used_bytes": end.used_bytes,
        "end_address": end.end_address,
        "last_sequence": end.last_sequence,
        "last_address": end.last_address,
        "last_digest": end.last_digest,
        "last_stream_sha256": end.last_stream_sha256,
        "first_filled_at": volume.first_filled_at or now,
    }
    if end.image_sha256 is not None:
        values |= {"image_sha256": end.image_sha256, "image_bytes": end.image_bytes}
    step_volume(connection, volume, "fill", **values)
    if end.closed:
        step_volume(connection, locked_volume(connection, barcode), "close")
