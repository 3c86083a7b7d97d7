"""How a volume changes, inside a caller's transaction."""

from typing import Any

from sqlalchemy import Connection, select, update

from hsm.catalog.database import AnyRow
from hsm.catalog.rows import one
from hsm.models import Volume
from hsm.states import VOLUME_TABLE, VolumeState, step


def locked_volume(connection: Connection, barcode: str) -> AnyRow:
    """A row of the volumes table that nobody else changes until the transaction ends. Raises: NotCatalogued."""
    statement = select(Volume.__table__).where(Volume.barcode == barcode).with_for_update(of=Volume)
    return one(connection, statement, f"volume {barcode}")


def step_volume(connection: Connection, row: AnyRow, event: str, **values: Any) -> VolumeState:
    """Move a locked volume by one event and set further columns. Raises: IllegalTransition."""
    state = step(VOLUME_TABLE, VolumeState(row.state), event)
    connection.execute(update(Volume).where(Volume.id == row.id).values(state=state.value, **values))
    return state
