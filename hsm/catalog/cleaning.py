"""Cleaning cartridges: where each is, how often it was used, and whether it is used up."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from drivers.base import Barcode
from hsm.catalog.database import Database
from hsm.catalog.events import add
from hsm.catalog.records import CleaningRecord
from hsm.catalog.rows import insert_new
from hsm.models import CleaningCartridge


class Cleaning:
    """Cleaning cartridges."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def usable(self, library: str) -> list[Barcode]:
        """The cartridges a robot can bring that are not used up, the most used first: none is begun before it must."""
        found = [c for c in self.list(library) if c.present and not c.used_up]
        return [c.barcode for c in sorted(found, key=lambda c: (-c.uses, c.barcode))]

    def list(self, library: str | None = None) -> list[CleaningRecord]:
        """Those of one library or all, by barcode."""
        statement = select(CleaningCartridge.__table__).order_by(CleaningCartridge.barcode)
        if library is not None:
            statement = statement.where(CleaningCartridge.library == library)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def used(self, barcode: Barcode, now: datetime) -> None:
        """It was in a drive once more."""
        here = CleaningCartridge.barcode == barcode
        counted = update(CleaningCartridge).where(here).values(uses=CleaningCartridge.uses + 1, used_at=now)
        self._database.write(lambda connection: connection.execute(counted))

    def use_up(self, barcode: Barcode, now: datetime) -> None:
        """It cleans no more; a person has to replace it."""

        def work(connection: Connection) -> None:
            here = CleaningCartridge.barcode == barcode
            connection.execute(update(CleaningCartridge).where(here).values(used_up=True))
            add(connection, "warning", "cleaning_cartridge_used_up", barcode, {}, now)

        self._database.write(work)


def note_cleaning(connection: Connection, library: str, seen: Collection[Barcode]) -> None:
    """Take over which cleaning cartridges a robot sees."""
    table = CleaningCartridge
    for barcode in sorted(seen):
        values: dict[str, Any] = {"barcode": barcode, "library": library, "present": True}
        insert_new(connection, table, values)
    moved = table.barcode.in_(sorted(seen)) & ((table.library != library) | ~table.present)
    connection.execute(update(table).where(moved).values(library=library, present=True))
    gone = (table.library == library) & table.present & table.barcode.not_in(sorted(seen))
    connection.execute(update(table).where(gone).values(present=False))


def _record(row: Any) -> CleaningRecord:
    return CleaningRecord(
        barcode=Barcode(row.barcode),
        library=row.library,
        present=row.present,
        uses=row.uses,
        used_up=row.used_up,
        used_at=row.used_at,
    )
