"""Volumes that a person put into a robot's mail slot: taken in when they are expected, named when they are not."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import structlog

from drivers.base import Barcode, Element, ElementKind, Inventory
from drivers.clock import Clock
from drivers.errors import ChangerError
from hsm.catalog import Catalog
from hsm.facts import VolumePool
from hsm.library import Library

log = structlog.get_logger()


class MailRoom:
    """Looks at the mail slots of one engine's libraries after each inventory."""

    def __init__(self, catalog: Catalog, pools: Mapping[str, VolumePool], clock: Clock) -> None:
        self._catalog = catalog
        self._pools = pools
        self._clock = clock
        self._nameless: set[tuple[str, int]] = set()  # mail slots whose unreadable barcode was told

    def take_in(self, library: Library, inventory: Inventory) -> Inventory:
        """Move volumes that arrived into slots, as far as some are free; they can be used from the mail slot, too.

        What the robot laid there for a person to take is left alone.

        Returns: the inventory after it. Raises: ChangerError.
        """
        appeared, returned = library.arrivals()
        mail = [e for e in inventory.elements if e.kind is ElementKind.MAIL_SLOT]
        self._tell_nameless(library.name, mail)
        for element in mail:
            barcode = element.barcode
            if barcode is None or barcode not in appeared | returned:
                continue
            if barcode in appeared and not self._is_expected(library, barcode):
                self._tell("warning", "unexpected_volume", library, element, "no pool names it; it is left there")
                continue
            slot = inventory.empty_slot()
            if slot is None:
                self._tell("info", "volume_waits_in_mail_slot", library, element, "no slot is free; it is used there")
                continue
            try:
                library.move(element.index, slot)
            except ChangerError as error:
                self._tell("warning", "volume_waits_in_mail_slot", library, element, str(error))
                raise
            self._tell("info", "volume_taken_in", library, element, f"moved to slot {slot}")
            inventory = library.take_inventory()
        return inventory

    def _is_expected(self, library: Library, barcode: Barcode) -> bool:
        pools = (pool for pool in self._pools.values() if pool.library == library.name)
        return any(fnmatchcase(barcode, pattern) for pool in pools for pattern in pool.barcodes)

    def _tell(self, level: str, name: str, library: Library, element: Element, what: str) -> None:
        fields = {"library": library.name, "mail_slot": element.index, "what": what}
        self._catalog.events.record(level, name, element.barcode or "", fields, self._clock.now())
        log.info(name, library=library.name, volume=element.barcode, mail_slot=element.index, what=what)

    def _tell_nameless(self, library: str, mail: list[Element]) -> None:
        """Make an event of each mail slot with an unreadable barcode, once while it is there."""
        here = {(library, e.index) for e in mail if e.full and e.barcode is None}
        for _, index in sorted(here - self._nameless):
            fields = {"library": library, "mail_slot": index, "what": "its barcode cannot be read; it is left there"}
            self._catalog.events.record("warning", "unexpected_volume", library, fields, self._clock.now())
        self._nameless = {place for place in self._nameless if place[0] != library} | here
