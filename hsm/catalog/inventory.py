"""What a library holds: the robot's word is taken over, and compared with what was known."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from drivers.base import Barcode, ElementKind, Inventory, MediumKind
from hsm.catalog.cleaning import note_cleaning
from hsm.catalog.database import Database
from hsm.catalog.events import add
from hsm.catalog.records import ElementRecord, InventoryChange
from hsm.catalog.rows import in_chunks, insert_new, table_of
from hsm.models import LibraryElement, Volume
from hsm.states import Place, VolumeState


class Inventories:
    """The part of the volumes that listens to robots."""

    _database: Database

    def upsert_inventory(
        self,
        inventory: Inventory,
        kind_of: Callable[[Barcode], MediumKind | None],
        now: datetime,
        by_hand: bool = False,
    ) -> InventoryChange:
        """Take over what a robot says. What is there is in the library; what was there and is not any more is missing.

        A volume on a shelf stays there until the robot sees it; one that was exported and lies in the mail slot yet is
        seen only after it was taken out once. `kind_of` says what a barcode is made of, or None for what is no volume
        (a cleaning cartridge). A new volume counts as blank until its label was read or written.

        Two volumes with one barcode are both set aside: that barcode counts as not in the library until the robot sees
        it once. A volume whose barcode cannot be read is no known volume either. Both are told once.

        `by_hand`: there is no robot. What is in a drive keeps its place outside in mind and goes back there.
        """
        doubled = inventory.doubled()
        seen = {e.barcode: kind_of(e.barcode) for e in inventory.elements if e.full and e.barcode}
        in_mail = {e.barcode for e in inventory.elements if e.full and e.kind is ElementKind.MAIL_SLOT}

        def work(connection: Connection) -> InventoryChange:
            gone = _taken(connection, inventory.library, in_mail)
            leaving = set(connection.execute(select(Volume.barcode).where(Volume.leaving)).scalars()) - gone
            present = {b: kind for b, kind in seen.items() if kind is not None and b not in leaving | doubled}
            note_cleaning(connection, inventory.library, {b for b, kind in seen.items() if kind is None})
            rows = {
                row.barcode: row
                for row in in_chunks(
                    connection,
                    select(Volume.id, Volume.barcode, Volume.place, Volume.library).order_by(Volume.id),
                    Volume.barcode,
                    present,
                )
            }
            appeared = [b for b, kind in present.items() if b not in rows and _appear(connection, b, kind, inventory)]
            returned = [b for b, row in rows.items() if row.place != Place.LIBRARY]
            moved = [row.id for row in rows.values() if (row.place, row.library) != (Place.LIBRARY, inventory.library)]
            if moved:
                connection.execute(
                    update(Volume)
                    .where(Volume.id.in_(moved))
                    .values(
                        place=Place.LIBRARY.value,
                        library=inventory.library,
                        **({} if by_hand else {"location": ""}),
                    )
                )
            vanished = _vanish(connection, inventory.library, present, Place.SHELF if by_hand else Place.MISSING)
            for name, level, barcodes in (
                ("volume_appeared", "info", appeared),
                ("volume_returned", "info", returned),
                ("volume_shelved", "info", vanished) if by_hand else ("volume_vanished", "warning", vanished),
            ):
                for barcode in barcodes:
                    add(connection, level, name, barcode, {"library": inventory.library}, now)
            _tell_oddities(connection, inventory, by_hand, now)
            _replace_elements(connection, inventory, now)
            return InventoryChange(tuple(sorted(appeared)), tuple(sorted(returned)), tuple(sorted(vanished)))

        return self._database.write(work)

    def elements(self, library: str | None = None) -> list[ElementRecord]:
        """The places of one library or all, as they were last seen."""
        statement = select(
            LibraryElement.library,
            LibraryElement.kind,
            LibraryElement.index,
            LibraryElement.full,
            LibraryElement.barcode,
            LibraryElement.drive_serial,
            LibraryElement.seen_at,
        ).order_by(LibraryElement.library, LibraryElement.kind, LibraryElement.index)
        if library is not None:
            statement = statement.where(LibraryElement.library == library)

        def record(row: Any) -> ElementRecord:
            return ElementRecord(row[0], row[1], row[2], row[3], row[4] and Barcode(row[4]), row[5], row[6])

        return self._database.read(lambda connection: [record(row) for row in connection.execute(statement)])


def _taken(connection: Connection, library: str, in_mail: set[Barcode | None]) -> set[str]:
    """The exported volumes that are no longer in their mail slot: a person has them, and may bring them back."""
    rows = connection.execute(select(Volume.id, Volume.barcode).where(Volume.leaving, Volume.library == library)).all()
    taken = [row for row in rows if row.barcode not in in_mail]
    if taken:
        connection.execute(update(Volume).where(Volume.id.in_([row.id for row in taken])).values(leaving=False))
    return {row.barcode for row in taken}


def _appear(connection: Connection, barcode: Barcode, kind: MediumKind, inventory: Inventory) -> bool:
    values = {
        "barcode": barcode,
        "kind": kind.value,
        "library": inventory.library,
        "place": Place.LIBRARY.value,
        "state": VolumeState.BLANK.value,
    }
    return insert_new(connection, Volume, values) is not None


def _vanish(connection: Connection, library: str, present: dict[Barcode, MediumKind], place: Place) -> list[Barcode]:
    here = connection.execute(
        select(Volume.id, Volume.barcode).where(Volume.library == library, Volume.place == Place.LIBRARY)
    ).all()
    gone = [row for row in here if row.barcode not in present]
    if gone:
        connection.execute(update(Volume).where(Volume.id.in_([row.id for row in gone])).values(place=place.value))
    return [Barcode(row.barcode) for row in gone]


def _tell_oddities(connection: Connection, inventory: Inventory, by_hand: bool, now: datetime) -> None:
    """Record doubled and unreadable barcodes that the last inventory did not show."""
    rows = connection.execute(
        select(LibraryElement.kind, LibraryElement.index, LibraryElement.full, LibraryElement.barcode).where(
            LibraryElement.library == inventory.library
        )
    ).all()
    before = Counter(row.barcode for row in rows if row.full and row.barcode)
    for barcode in sorted(inventory.doubled()):
        if before[barcode] < 2:
            places = [f"{e.kind.value} {e.index}" for e in inventory.elements if e.full and e.barcode == barcode]
            add(connection, "error", "barcode_doubled", barcode, {"library": inventory.library, "places": places}, now)
    unread = {(str(row.kind), int(row[1])) for row in rows if row.full and not row.barcode}
    for element in inventory.elements:
        if element.full and not element.barcode and not by_hand and (element.kind.value, element.index) not in unread:
            fields = {"place": f"{element.kind.value} {element.index}"}
            add(connection, "warning", "barcode_unreadable", inventory.library, fields, now)


def _replace_elements(connection: Connection, inventory: Inventory, now: datetime) -> None:
    connection.execute(delete(LibraryElement).where(LibraryElement.library == inventory.library))
    if inventory.elements:
        connection.execute(
            table_of(LibraryElement).insert(),
            [
                {
                    "library": inventory.library,
                    "kind": e.kind.value,
                    "index": e.index,
                    "full": e.full,
                    "barcode": e.barcode,
                    "drive_serial": e.drive_serial,
                    "seen_at": now,
                }
                for e in inventory.elements
            ],
        )
