"""How a copy changes, inside a caller's transaction; and the proof without which none is superseded."""

from typing import Any

from sqlalchemy import Connection, select, update

from hsm.catalog.database import AnyRow
from hsm.catalog.errors import CopyRefused
from hsm.catalog.rows import one
from hsm.models import Copy, Volume
from hsm.states import COPY_TABLE, TRUSTED_VOLUMES, CopyState, Place, step

_TRUSTED = sorted(TRUSTED_VOLUMES)


def locked_copy(connection: Connection, copy_id: int) -> AnyRow:
    """A row of the copies table that nobody else changes until the transaction ends. Raises: NotCatalogued."""
    statement = select(Copy.__table__).where(Copy.id == copy_id).with_for_update(of=Copy)
    return one(connection, statement, f"copy {copy_id}")


def step_copy(connection: Connection, row: AnyRow, event: str, **values: Any) -> None:
    """Move a locked copy by one event and set further columns. Raises: IllegalTransition."""
    state = step(COPY_TABLE, CopyState(row.state), event)
    connection.execute(update(Copy).where(Copy.id == row.id).values(state=state.value, **values))


def successor(connection: Connection, row: AnyRow, lock: bool = True) -> int | None:
    """The copy that stands in for another one; None when there is none.

    It is of the same pack, made for the same pool, verified, and lies on another volume that is trusted and not
    missing. With `lock` nobody doubts or loses it, or its volume, before the transaction ends.
    """
    statement = (
        select(Copy.id)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(
            Copy.pack_fk == row.pack_fk,
            Copy.pool == row.pool,
            Copy.id != row.id,
            Copy.volume_fk != row.volume_fk,
            Copy.state == CopyState.VERIFIED,
            Volume.state.in_(_TRUSTED),
            Volume.place != Place.MISSING,
        )
        .order_by(Copy.id)
    )
    if lock:
        statement = statement.with_for_update(of=[Copy, Volume], key_share=True)
    found = connection.execute(statement).first()
    return None if found is None else int(found[0])


def supersede_copy(connection: Connection, row: AnyRow) -> int:
    """Say of a locked copy that another one took its place; the id of that one.

    Raises: CopyRefused when no verified copy stands in for it, IllegalTransition.
    """
    other = successor(connection, row)
    if other is None:
        raise CopyRefused(
            f"copy {row.id} is not superseded: no verified copy in pool {row.pool} on another trusted volume takes its "
            "place"
        )
    step_copy(connection, row, "supersede")
    return other
