"""What several subjects need of repacks, inside a caller's transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from drivers.base import Barcode
from hsm.catalog.copy_steps import successor
from hsm.catalog.database import AnyRow, AnySelect
from hsm.catalog.errors import VolumeRefused
from hsm.catalog.rows import copy_record, in_chunks, select_copies
from hsm.facts import CopyRecord, PackDigest, StudyUid
from hsm.models import Copy, Instance, Pack, Volume
from hsm.repack.facts import Phase, RepackItem, RepackRecord, Trouble
from hsm.repack.tables import Repack
from hsm.states import (
    ACTIVE_REPACKS,
    REPACK_TABLE,
    TRUSTED_VOLUMES,
    WANTED_COPIES,
    CopyState,
    OnlineState,
    Place,
    RepackState,
    VolumeState,
    step,
)


def select_repacks() -> AnySelect:
    """A statement whose rows `repack_record` understands."""
    return select(Repack.__table__, Volume.barcode).join(Volume, Volume.id == Repack.volume_fk)


def repack_record(row: AnyRow) -> RepackRecord:
    """A row of `select_repacks`."""
    return RepackRecord(
        id=row.id,
        barcode=Barcode(row.barcode),
        state=RepackState(row.state),
        phase=Phase(row.phase),
        reason=row.reason,
        requested_by=row.requested_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        came_from=VolumeState(row.came_from),
        copies=row.copies,
        size_bytes=row.size_bytes,
        troubles=tuple(Trouble(PackDigest(t["pack"]), StudyUid(t["study"]), t["reason"]) for t in row.troubles),
    )


def active_repack(connection: Connection, volume_id: int) -> AnyRow | None:
    """The repack of a volume that is not over, locked."""
    active = Repack.state.in_(sorted(ACTIVE_REPACKS))
    statement = select_repacks().where(Repack.volume_fk == volume_id, active).with_for_update(of=Repack)
    return connection.execute(statement).first()


def step_repack(connection: Connection, row: AnyRow, event: str, **values: Any) -> None:
    """Move a locked repack by one event and set further columns. Raises: IllegalTransition."""
    state = step(REPACK_TABLE, RepackState(row.state), event)
    connection.execute(update(Repack).where(Repack.id == row.id).values(state=state.value, **values))


def end_with_volume(connection: Connection, volume_id: int, now: datetime) -> None:
    """A volume is gone: so is the wish to empty it."""
    row = active_repack(connection, volume_id)
    if row is not None:
        step_repack(connection, row, "cancel", ended_at=now)


def note_doubt(connection: Connection, volume_id: int) -> None:
    """A volume that is being emptied was doubted: should that be cancelled, it is suspect."""
    row = active_repack(connection, volume_id)
    if row is not None:
        doubted = {"came_from": VolumeState.SUSPECT.value}
        connection.execute(update(Repack).where(Repack.id == row.id).values(**doubted))


def needed_on(connection: Connection, volume_id: int, lock: bool = False) -> list[CopyRecord]:
    """The copies that keep a volume from being emptied, in the order they lie on it.

    Those that are wanted, and lost ones in whose place there is no verified copy yet: what is left of them may be all
    there is.
    """
    states = [state.value for state in (*sorted(WANTED_COPIES), CopyState.LOST)]
    statement = select_copies().where(Copy.volume_fk == volume_id, Copy.state.in_(states))
    if lock:
        statement = statement.with_for_update(of=Copy)
    copies = [copy_record(row) for row in connection.execute(statement.order_by(Copy.sequence, Copy.id))]
    return [c for c in copies if c.state is not CopyState.LOST or _has_no_successor(connection, c.id)]


def _has_no_successor(connection: Connection, copy_id: int) -> bool:
    row = connection.execute(select(Copy.__table__).where(Copy.id == copy_id)).one()
    return successor(connection, row, lock=False) is None


def refuse_needed(connection: Connection, volume: AnyRow) -> None:
    """Raises: VolumeRefused when something on a volume is needed."""
    needed = needed_on(connection, volume.id)
    if needed:
        lost = sum(copy.state is CopyState.LOST for copy in needed)
        also = f" ({lost} of them cannot be read, and there is no other verified copy of it)" if lost else ""
        raise VolumeRefused(
            f"volume {volume.barcode} still holds {len(needed)} copies that are needed{also}: repack them first"
        )


def refuse_last(connection: Connection, volume: AnyRow) -> None:
    """Raises: VolumeRefused when what stood in for a superseded copy is lost by now: its bytes are only here."""
    superseded = select_copies().where(Copy.volume_fk == volume.id, Copy.state == CopyState.SUPERSEDED)
    copies = {copy.pack_id: copy for copy in map(copy_record, connection.execute(superseded.order_by(Copy.sequence)))}
    elsewhere = (
        select(Copy.pack_fk)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(
            Copy.volume_fk != volume.id,
            Copy.state == CopyState.VERIFIED,
            Volume.state.in_(sorted(TRUSTED_VOLUMES)),
            Volume.place != Place.MISSING,
        )
    )
    safe = {row[0] for row in in_chunks(connection, elsewhere, Copy.pack_fk, sorted(copies))}
    last = [copy for pack, copy in copies.items() if pack not in safe]
    if last:
        what = f"pack {last[0].pack_digest[:12]} of study {last[0].study_instance_uid}"
        raise VolumeRefused(
            f"volume {volume.barcode} holds {len(last)} packs that have no verified copy elsewhere any more (first "
            f"{what}): it is kept; look at the volumes that hold their other copies"
        )


def items_on(connection: Connection, volume_id: int) -> list[RepackItem]:
    """What has to be made again elsewhere, in the order it lies on the volume."""
    copies = needed_on(connection, volume_id)
    packs = sorted({copy.pack_id for copy in copies})
    others: dict[int, list[CopyRecord]] = {pack: [] for pack in packs}
    here = {copy.id for copy in copies}
    for row in in_chunks(connection, select_copies().order_by(Copy.id), Copy.pack_fk, packs):
        copy = copy_record(row)
        if copy.id not in here:
            others[copy.pack_id].append(copy)
    whole = _online(connection, packs)
    return [RepackItem(copy, copy.pack_id in whole, tuple(others[copy.pack_id])) for copy in copies]


def _online(connection: Connection, packs: Collection[int]) -> set[int]:
    """The packs whose members are all in the online pool; a superseded member is in none."""
    is_online = Instance.online_state == OnlineState.ONLINE
    statement = (
        select(Pack.id)
        .join(Instance, Instance.pack_fk == Pack.id)
        .where(is_online)
        .group_by(Pack.id, Pack.instance_count)
        .having(func.count() == Pack.instance_count)
    )
    return {row[0] for row in in_chunks(connection, statement, Pack.id, packs)}
