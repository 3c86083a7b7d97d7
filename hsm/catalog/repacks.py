"""Repacks: the one door to emptying a volume, and what may become true while it is done."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import aliased

from drivers.base import Barcode
from hsm.catalog.copy_steps import locked_copy, successor, supersede_copy
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import NotCatalogued, VolumeRefused
from hsm.catalog.events import add
from hsm.catalog.job_rows import ACTIVE, step_job
from hsm.catalog.repack_rows import (
    active_repack,
    items_on,
    needed_on,
    refuse_needed,
    repack_record,
    select_repacks,
    step_repack,
)
from hsm.catalog.rows import in_chunks, insert_row
from hsm.catalog.text import clean
from hsm.catalog.volume_steps import locked_volume, step_volume
from hsm.models import Copy, Job, Volume
from hsm.repack.facts import Phase, RepackItem, RepackRecord, Trouble
from hsm.repack.tables import Repack
from hsm.states import (
    ACTIVE_REPACKS,
    WANTED_COPIES,
    CopyState,
    JobState,
    RepackState,
    VolumeState,
)

_old, _new = aliased(Copy), aliased(Copy)

MARK = "repack"  # in the payload of a job: the barcode of the volume it helps to empty


class Repacks:
    """Repacks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what a person decides -----------------------------------------------------------------------------------

    def begin(self, barcode: Barcode, reason: str, by: str, now: datetime) -> RepackRecord:
        """Want everything on a volume made again elsewhere, so that it can be emptied. Nothing on it is lost by that.

        From now on nothing is written to it, and no release leans on what it holds.

        Raises: VolumeRefused while it is being written; IllegalTransition unless it is filling, full, suspect or
        write-protected; NotCatalogued.
        """

        def work(connection: Connection) -> RepackRecord:
            row = locked_volume(connection, barcode)
            writing = select(Copy.id).where(Copy.volume_fk == row.id, Copy.state == CopyState.WRITING).limit(1)
            if connection.execute(writing).first() is not None:
                raise VolumeRefused(f"volume {barcode} is being written at this moment: ask again in a while")
            step_volume(connection, row, "repack")
            needed = needed_on(connection, row.id)
            values = {
                "volume_fk": row.id,
                "state": RepackState.RUNNING.value,
                "phase": Phase.COPYING.value,
                "reason": clean(reason),
                "requested_by": clean(by),
                "created_at": now,
                "ended_at": None,
                "came_from": row.state,
                "copies": len(needed),
                "size_bytes": sum(copy.size_bytes for copy in needed),
                "troubles": [],
            }
            repack = insert_row(connection, Repack, values)
            fields = {"reason": reason, "by": by, "copies": len(needed), "came_from": row.state}
            add(connection, "info", "volume_repack_began", barcode, fields, now)
            return repack_record(connection.execute(select_repacks().where(Repack.id == repack)).one())

        return self._database.write(work)

    def pause(self, barcode: Barcode, by: str, now: datetime) -> None:
        """Begin nothing further until `resume`; what is being read or written at this moment comes to its end.

        Raises: NotCatalogued without a repack, IllegalTransition when it is paused.
        """

        def work(connection: Connection) -> None:
            repack = self._active(connection, barcode)
            step_repack(connection, repack, "pause")
            _take_back_jobs(connection, repack, "the repack was paused", now)
            add(connection, "info", "volume_repack_paused", barcode, {"by": by}, now)

        self._database.write(work)

    def resume(self, barcode: Barcode, by: str, now: datetime) -> None:
        """Go on. Raises: NotCatalogued without a repack, IllegalTransition when it was not paused."""

        def work(connection: Connection) -> None:
            step_repack(connection, self._active(connection, barcode), "resume")
            add(connection, "info", "volume_repack_resumed", barcode, {"by": by}, now)

        self._database.write(work)

    def cancel(self, barcode: Barcode, by: str, now: datetime) -> VolumeState:
        """Give it up: the volume is what it was before, or suspect if it was doubted meanwhile; the state it is in now.

        What was made again and read back elsewhere stays so. Raises: NotCatalogued without a repack.
        """

        def work(connection: Connection) -> VolumeState:
            repack = self._active(connection, barcode)
            step_repack(connection, repack, "cancel", ended_at=now)
            _take_back_jobs(connection, repack, "the repack was cancelled", now)
            state = step_volume(connection, locked_volume(connection, barcode), f"back_to_{repack.came_from}")
            fields = {"by": by, "state": state.value}
            add(connection, "info", "volume_repack_cancelled", barcode, fields, now)
            return state

        return self._database.write(work)

    # -- what the engine does ------------------------------------------------------------------------------------

    def supersede(self, barcode: Barcode, now: datetime) -> list[int]:
        """Give up those copies on the volume in whose place a verified one lies elsewhere; their ids.

        The proof is made in this very transaction, copy by copy; without it a copy stays wanted.

        Raises: NotCatalogued without a running repack.
        """

        def work(connection: Connection) -> list[int]:
            repack = self._active(connection, barcode)
            done = []
            for copy in needed_on(connection, repack.volume_fk, lock=True):
                row = locked_copy(connection, copy.id)
                if CopyState(row.state) not in _REPLACEABLE or successor(connection, row) is None:
                    continue
                by_copy = supersede_copy(connection, row)
                fields = {"copy": copy.id, "by_copy": by_copy, "pack": copy.pack_digest}
                add(connection, "info", "copy_superseded", barcode, fields, now)
                done.append(copy.id)
            return done

        return self._database.write(work)

    def items(self, barcode: Barcode) -> list[RepackItem]:
        """What of a volume has to be made again elsewhere, in the order it lies there; also before a repack began.

        Raises: NotCatalogued.
        """
        return self._database.read(lambda connection: items_on(connection, _volume_id(connection, barcode)))

    def working(self, keys: Iterable[str]) -> dict[str, int]:
        """The active jobs among these keys: key -> job."""

        def work(connection: Connection) -> dict[str, int]:
            statement = select(Job.active_key, Job.id)
            rows = in_chunks(connection, statement, Job.active_key, sorted(set(keys)))
            return {str(row[0]): int(row[1]) for row in rows}

        return self._database.read(work)

    def failing(self, keys: Iterable[str], attempts: int) -> dict[str, str]:
        """What the newest job of each of these keys failed with, if it did so often, or for good: key -> message."""

        def work(connection: Connection) -> dict[str, str]:
            statement = select(Job.key, Job.state, Job.attempts, Job.message)
            found: dict[str, str] = {}
            rows = in_chunks(connection, statement.order_by(Job.id), Job.key, sorted(set(keys)))
            for key, job_state, tried, message in rows:
                stubborn = job_state == JobState.WAITING_RETRY and tried >= attempts
                found[key] = message if stubborn or job_state == JobState.FAILED else ""
            return {key: message for key, message in found.items() if message}

        return self._database.read(work)

    def tell(self, barcode: Barcode, phase: Phase, troubles: Sequence[Trouble], now: datetime) -> None:
        """What it does now, and what it cannot do. Each trouble is an event, once. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            repack = self._active(connection, barcode)
            told = [{"pack": t.pack_digest, "study": t.study_instance_uid, "reason": clean(t.reason)} for t in troubles]
            if repack.phase == phase.value and repack.troubles == told:
                return
            values = {"phase": phase.value, "troubles": told}
            connection.execute(update(Repack).where(Repack.id == repack.id).values(**values))
            known = {(t["pack"], t["reason"]) for t in repack.troubles}
            for trouble in told:
                if (trouble["pack"], trouble["reason"]) not in known:
                    add(connection, "error", "repack_blocked", barcode, trouble, now)

        self._database.write(work)

    def finish(self, barcode: Barcode, now: datetime) -> None:
        """Nothing on the volume is needed any more: it is drained.

        Raises: VolumeRefused while something on it is needed, NotCatalogued without a repack, IllegalTransition.
        """

        def work(connection: Connection) -> None:
            repack = self._active(connection, barcode)
            volume = locked_volume(connection, barcode)
            refuse_needed(connection, volume)
            step_repack(connection, repack, "finish", ended_at=now, troubles=[])
            step_volume(connection, volume, "drain", reason="")
            fields = {"by": repack.requested_by, "copies": repack.copies}
            add(connection, "info", "volume_drained", barcode, fields, now)

        self._database.write(work)

    # -- what is asked -------------------------------------------------------------------------------------------

    def active(self) -> list[RepackRecord]:
        """The repacks that are not over, oldest first."""
        statement = select_repacks().where(Repack.state.in_(sorted(ACTIVE_REPACKS))).order_by(Repack.id)
        return self._database.read(lambda connection: [repack_record(row) for row in connection.execute(statement)])

    def last(self, barcode: Barcode) -> RepackRecord | None:
        """The newest repack of a volume; None when there never was one."""
        statement = select_repacks().where(Volume.barcode == barcode).order_by(Repack.id.desc()).limit(1)

        def work(connection: Connection) -> RepackRecord | None:
            row = connection.execute(statement).first()
            return None if row is None else repack_record(row)

        return self._database.read(work)

    def to_be_read_back_later(self) -> frozenset[int]:
        """Copies that stand in for those on volumes whose copying goes on: read back when all of it is copied.

        The old copies are kept until then, so nothing leans on these.
        """
        statement = (
            select(_new.id)
            .join(_old, (_old.pack_fk == _new.pack_fk) & (_old.pool == _new.pool) & (_old.volume_fk != _new.volume_fk))
            .join(Repack, Repack.volume_fk == _old.volume_fk)
            .where(
                Repack.state == RepackState.RUNNING,
                Repack.phase == Phase.COPYING,
                _old.state.in_(sorted(WANTED_COPIES)),
                _new.state == CopyState.WRITTEN,
            )
        )
        return self._database.read(lambda connection: frozenset(connection.execute(statement).scalars()))

    def _active(self, connection: Connection, barcode: Barcode) -> AnyRow:
        row = active_repack(connection, locked_volume(connection, barcode).id)
        if row is None:
            raise NotCatalogued(f"volume {barcode} is not being repacked: begin with `firn volumes repack {barcode}`")
        return row


_REPLACEABLE = frozenset({CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT})


def _volume_id(connection: Connection, barcode: Barcode) -> int:
    found = connection.execute(select(Volume.id).where(Volume.barcode == barcode)).scalar()
    if found is None:
        raise NotCatalogued(f"the catalog knows no volume {barcode}")
    return int(found)


def _take_back_jobs(connection: Connection, repack: AnyRow, message: str, now: datetime) -> None:
    """Cancel what was asked for on behalf of a repack; of what runs only the wish is noted."""
    packs = {copy.pack_id for copy in needed_on(connection, repack.volume_fk)}
    for row in _jobs_of(connection, packs):
        if row.payload.get(MARK) != repack.barcode:
            continue
        if row.state == JobState.RUNNING:
            connection.execute(update(Job).where(Job.id == row.id).values(cancel_requested=True))
        else:
            step_job(connection, row, "cancel", message=message, ended_at=now, eta_at=None)


def _jobs_of(connection: Connection, packs: Collection[int]) -> list[AnyRow]:
    statement = select(Job.__table__).where(Job.state.in_(ACTIVE)).order_by(Job.id).with_for_update(of=Job)
    return list(in_chunks(connection, statement, Job.pack_fk, sorted(packs)))
