"""A robot, its drives, and the only way to a medium: mount() brings a volume to a drive and proves which one it is."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Literal

import structlog

from drivers.base import Barcode, Changer, Element, ElementKind, Inventory, MediumKind, Recorder, TapeDrive
from drivers.clock import Clock
from drivers.errors import ChangerError, DriverError
from hsm.catalog import Catalog
from hsm.facts import VolumeRecord
from hsm.library.disc import DiscSession
from hsm.library.errors import VolumeNotInLibrary
from hsm.library.tape import TapeSession

READY_LIMIT_S = 300.0  # some drives need that long; a new LTO-9 cartridge needs longer once, and is then retried

LTO_SUFFIX = re.compile(r"(L\d|M8|LT|LU|LV|LW|LX|LY|LZ)$")

Purpose = Literal["read", "write"]

log = structlog.get_logger()


class Library:
    """One changer with its drives. One process owns it; its threads share the robot, one at a time."""

    def __init__(
        self,
        changer: Changer,
        tape_drives: Mapping[int, TapeDrive],
        recorders: Mapping[int, Recorder],
        catalog: Catalog,
        clock: Clock,
    ) -> None:
        self.name = changer.name
        self.tape_drives = tape_drives
        self.recorders = recorders
        self._changer = changer
        self._catalog = catalog
        self._clock = clock
        self._robot = Lock()

    def drive_kind(self, index: int) -> MediumKind:
        """What kind of medium a drive takes."""
        return MediumKind.TAPE if index in self.tape_drives else MediumKind.DISC

    def take_inventory(self) -> Inventory:
        """Ask the robot what is where and tell the catalog."""
        with self._robot:
            return self._inventory()

    def _inventory(self) -> Inventory:
        inventory = self._changer.inventory()
        self._catalog.volumes.upsert_inventory(inventory, self.kind_of, self._clock.now())
        return inventory

    def kind_of(self, barcode: Barcode) -> MediumKind | None:
        """What a barcode is made of; None for what is no volume (a cleaning cartridge).

        In a library with both kinds of drives the two-character suffix of LTO barcodes decides.
        """
        if barcode.startswith("CLN"):
            return None
        if self.tape_drives and self.recorders:
            return MediumKind.TAPE if LTO_SUFFIX.search(barcode) else MediumKind.DISC
        return MediumKind.TAPE if self.tape_drives else MediumKind.DISC

    def drive_indices(self) -> list[int]:
        """The numbers of all drives."""
        return sorted({*self.tape_drives, *self.recorders})

    def drive_serial(self, index: int) -> str:
        """The serial number of a drive."""
        return self._device(index).serial

    def drive_generation(self, index: int) -> str:
        """What a drive can use: "LTO-8", "BD"."""
        return self._device(index).model

    def _device(self, index: int) -> TapeDrive | Recorder:
        return self.tape_drives[index] if index in self.tape_drives else self.recorders[index]

    @contextmanager
    def mount(self, barcode: Barcode, drive: int, purpose: Purpose) -> Iterator[TapeSession | DiscSession]:
        """Bring a volume to a drive, wait until it is ready and hand out a session. The volume stays mounted after.

        The session has been identified: label on the medium, barcode and catalog agree (a volume the catalog takes for
        blank is blank, or carries only our label).

        Raises: VolumeNotInLibrary, WrongVolume and its kinds, and what the devices raise.
        """
        device = self._device(drive)
        try:
            with self._robot:
                self._bring(barcode, drive)
            device.wait_ready(READY_LIMIT_S)
            self._note(drive, "ready", barcode)
            session = self._identified(barcode, drive, self._catalog.volumes.get(barcode))
            self._note(drive, purpose, barcode)
            yield session
        except BaseException:
            # Whatever happened, what is in the drive must be proved again before it is used: take it out.
            self._put_back_quietly(drive)
            raise
        self._note(drive, "stop", barcode)

    def _identified(self, barcode: Barcode, drive: int, volume: VolumeRecord) -> TapeSession | DiscSession:
        if drive in self.tape_drives:
            tape = TapeSession(self.tape_drives[drive], barcode)
            tape.identify(volume)
            return tape
        disc = DiscSession(self.recorders[drive], barcode)
        disc.identify(volume)
        return disc

    @contextmanager
    def mount_unproved(self, barcode: Barcode, drive: int) -> Iterator[TapeSession | DiscSession]:
        """Bring a volume to a drive without asking the catalog who it is: for rebuilding the catalog from it.

        Raises: what the devices raise.
        """
        with self._robot:
            self._bring(barcode, drive)
        device = self._device(drive)
        device.wait_ready(READY_LIMIT_S)
        self._note(drive, "ready", barcode)
        self._note(drive, "read", barcode)
        if drive in self.tape_drives:
            yield TapeSession(self.tape_drives[drive], barcode)
        else:
            yield DiscSession(self.recorders[drive], barcode)
        self._note(drive, "stop", barcode)

    def _bring(self, barcode: Barcode, drive: int) -> None:
        inventory = self._inventory()
        place = inventory.find(barcode)
        if place is None:
            raise VolumeNotInLibrary(f"{barcode} is not in library {self.name}: bring it and put it into a mail slot")
        if place.kind is ElementKind.DRIVE and place.index == drive:
            return
        target = inventory.drive(drive)
        if target is not None and target.full:
            self._put_back(target, inventory)
        if place.kind is ElementKind.DRIVE:
            self._put_back(place, inventory)
        inventory = self._inventory()
        place = inventory.find(barcode)
        if place is None or place.kind is ElementKind.DRIVE:
            raise ChangerError(
                f"{barcode} could not be taken out of its drive in library {self.name}; look at the robot"
            )
        self._note(drive, "emptied", None)  # the robot says so; an earlier session may have had no time to
        self._note(drive, "load", barcode)
        self._changer.load(place.index, drive)
        self._catalog.volumes.count_mount(barcode)
        log.info("volume_loaded", library=self.name, volume=barcode, drive=drive)

    def _put_back(self, element: Element, inventory: Inventory) -> None:
        taken = {e.index for e in inventory.storage() if e.full}
        slot = element.origin if element.origin is not None and element.origin not in taken else inventory.empty_slot()
        if slot is None:
            raise ChangerError(f"no empty slot for {element.barcode} in library {self.name}: take a volume out")
        self._note(element.index, "unload", element.barcode)
        self._device(element.index).unload()
        self._changer.unload(element.index, slot)
        self._note(element.index, "emptied", None)

    def _put_back_quietly(self, drive: int) -> None:
        """Empty a drive after a failure; a drive that cannot be emptied is down."""
        try:
            self.empty_drive(drive)
        except DriverError as error:
            reason = f"could not be emptied: {error}"
            self._catalog.drives.change(self.name, drive, "down", self._clock.now(), reason=reason)
            log.error("drive_down", library=self.name, drive=drive, reason=str(error))

    def empty_drive(self, drive: int) -> None:
        """Put whatever a drive holds back into a slot. Nothing happens to an empty one.

        Raises: DriverError.
        """
        with self._robot:
            inventory = self._changer.inventory()
            element = inventory.drive(drive)
            if element is not None and element.full:
                self._put_back(element, inventory)
            else:
                self._note(drive, "emptied", None)
            self._inventory()

    def clean_up(self) -> None:
        """After a start: take every volume out of drives whose state is unknown; a drive that cannot is down."""
        now = self._clock.now()
        for index in self.drive_indices():
            self._catalog.drives.seen(self.name, index, self.drive_serial(index), self.drive_kind(index), now)
        self._catalog.drives.restart(self.name, now)
        for element in self.take_inventory().drives():
            if element.full:
                self._put_back_quietly(element.index)
        self.take_inventory()

    def move(self, source: int, target: int) -> None:
        """Move a volume between two slots, mail slots included."""
        with self._robot:
            self._changer.transfer(source, target)
            self._inventory()

    def _note(self, drive: int, event: str, barcode: Barcode | None) -> None:
        self._catalog.drives.change(self.name, drive, event, self._clock.now(), barcode=barcode)
