"""The cleaner session: after a start nobody knows what the drives hold and where they stand, so each is asked.

Query, rewind, read the label, unload; a drive with which that does not work is down, with the reason. What is wrong
with the volume alone is no fault of its drive.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from drivers.base import Element
from drivers.clock import Clock
from drivers.errors import DriverError
from hsm.catalog import Catalog
from hsm.library.looking import Seen, SeenKind, look_at_disc, look_at_tape
from hsm.library.upkeep import ask
from hsm.states import DriveState

if TYPE_CHECKING:
    from hsm.library.library import Library

# How a drive that went by itself is told from one that a person took down.
GONE = "its device is gone"
NOT_THERE = "it is not there any more"
ABSENT = (GONE, NOT_THERE)

_SET_ASIDE = (DriveState.DOWN, DriveState.FAILED)

log = structlog.get_logger()


def clean_up(library: "Library", catalog: Catalog, clock: Clock) -> None:
    """Bring all drives of a library to a known state, each beside the others.

    Raises: ChangerError when the robot does not answer.
    """
    _Cleaner(library, catalog, clock).run()


def welcome(library: "Library", catalog: Catalog, clock: Clock, newcomers: Collection[int]) -> None:
    """Bring drives that were attached after the start to a known state; those that were missed are up again.

    Raises: ChangerError when the robot does not answer.
    """
    _Cleaner(library, catalog, clock).welcome(newcomers)


class _Cleaner:
    def __init__(self, library: "Library", catalog: Catalog, clock: Clock) -> None:
        self._library, self._catalog, self._clock = library, catalog, clock

    def run(self) -> None:
        self._take_stock()
        self._hold_sessions(self._library.take_inventory().drives())

    def welcome(self, newcomers: Collection[int]) -> None:
        now, name, drives = self._clock.now(), self._library.name, self._catalog.drives
        for index in sorted(newcomers):
            serial = self._library.drive_serial(index)
            record = drives.seen(name, index, serial, self._library.drive_kind(index), now)
            log.info("drive_attached", library=name, drive=index, drive_serial=serial)
            if record.state is DriveState.DOWN and record.reason.startswith(ABSENT):
                drives.change(name, index, "up", now, reason="its device is back")
        self._hold_sessions([e for e in self._library.take_inventory().drives() if e.index in newcomers])

    def _hold_sessions(self, elements: Sequence[Element]) -> None:
        with ThreadPoolExecutor(max(1, len(elements)), thread_name_prefix="cleaner") as threads:
            for done in [threads.submit(self._session, element) for element in elements]:
                done.result()
        self._library.take_inventory()

    def _take_stock(self) -> None:
        """Which drives there are; those that were there once and are not any more are down."""
        now, name, drives = self._clock.now(), self._library.name, self._catalog.drives
        indices = self._library.drive_indices()
        for index in indices:
            drives.seen(name, index, self._library.drive_serial(index), self._library.drive_kind(index), now)
        drives.restart(name, now)
        for record in drives.list(name):
            if record.index not in indices and record.state not in _SET_ASIDE:
                self._down(record.index, NOT_THERE)

    def _session(self, element: Element) -> None:
        index = element.index
        if index not in self._library.drive_indices():
            return
        if self._catalog.drives.get(self._library.name, index).state in _SET_ASIDE:
            if element.full and not self._library.by_hand:
                self._library.put_back_quietly(index)
            return
        try:
            ask(self._library, self._catalog, index, self._clock.now())
        except DriverError as error:
            self._down(index, f"it does not answer: {error}")
            return
        if not element.full or self._library.by_hand:
            return
        seen = self._look(element)
        if seen is not None and seen.kind is SeenKind.NOT_READY:
            self._down(index, f"what it held could not be looked at: {seen.what}")
        self._library.put_back_quietly(index)

    def _look(self, element: Element) -> Seen | None:
        """Rewind and read the label, where there can be one."""
        library, index = self._library, element.index
        if element.barcode is not None and library.kind_of(element.barcode) is None:
            return None  # a cleaning cartridge
        tape = library.tape_drives.get(index)
        seen = look_at_disc(library.recorders[index]) if tape is None else look_at_tape(tape)
        if seen is None:
            return None
        log.info("drive_looked_into", library=library.name, drive=index, volume=element.barcode, found=seen.what)
        if seen.kind is SeenKind.LABELLED and element.barcode not in (None, seen.barcode):
            fields = {"library": library.name, "drive": index, "label": seen.barcode}
            self._catalog.events.record("warning", "volume_swapped", element.barcode or "", fields, self._clock.now())
        return seen

    def _down(self, index: int, reason: str) -> None:
        self._catalog.drives.change(self._library.name, index, "down", self._clock.now(), reason=reason)
        log.error("drive_down", library=self._library.name, drive=index, reason=reason)
