"""A robot, its drives, and the only way to a medium: mount() brings a volume to a drive and proves which one it is."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Literal

import structlog

from drivers.base import Barcode, Changer, Element, ElementKind, Inventory, MediumKind, Recorder, TapeDrive
from drivers.clock import Clock
from drivers.errors import ChangerError, ChangerGone, DriveEmpty, DriverError, RobotBusy
from hsm.catalog import Catalog
from hsm.facts import VolumeRecord
from hsm.library import cleaner
from hsm.library.by_hand import HandFed
from hsm.library.disc import DiscSession
from hsm.library.errors import SwappedVolume, VolumeNotInLibrary, WrongVolume
from hsm.library.tape import TapeSession

READY_LIMIT_S = 300.0  # some drives need that long; a new LTO-9 cartridge needs longer once, and is then retried

BUSY_WAIT_S, BUSY_TRIES = 15.0, 20  # a robot that counts its volumes after its door was open needs minutes

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
        self._appeared: set[Barcode] = set()
        self._returned: set[Barcode] = set()
        self._past_kinds: set[MediumKind] = set()  # of drives that are or were there
        self._tapes_full: dict[int, bool] = {}  # by drive: whether it held a tape at the last inventory
        self._met: set[int] = set()  # drives whose state is known: after a cleaner session, or a mount
        self._in_use: set[int] = set()  # drives with a session: what is in them is not looked at meanwhile
        self._hand_fed = HandFed(changer.name, tape_drives, recorders, catalog, clock) if changer.by_hand else None

    def drive_kind(self, index: int) -> MediumKind:
        """What kind of medium a drive takes."""
        return MediumKind.TAPE if index in self.tape_drives else MediumKind.DISC

    def take_inventory(self) -> Inventory:
        """Ask the robot what is where and tell the catalog."""
        with self._robot:
            return self._inventory()

    def _inventory(self) -> Inventory:
        inventory = self._changer.inventory()
        if self._hand_fed is not None:
            inventory = self._hand_fed.named(inventory, frozenset(self._in_use))
        self._past_kinds = {drive.kind for drive in self._catalog.drives.list(self.name)}
        change = self._catalog.volumes.upsert_inventory(inventory, self.kind_of, self._clock.now(), self.by_hand)
        self._appeared |= set(change.appeared)
        self._returned |= set(change.returned)
        self._tapes_full = {e.index: e.full for e in inventory.drives() if e.index in self.tape_drives}
        return inventory

    def arrivals(self) -> tuple[frozenset[Barcode], frozenset[Barcode]]:
        """Volumes that came since this was last asked: those never seen before, and those that came back."""
        with self._robot:
            arrived = frozenset(self._appeared), frozenset(self._returned)
            self._appeared, self._returned = set(), set()
            return arrived

    def tapes_changed(self) -> bool:
        """Whether a person put a tape into an idle drive or took one out since the last inventory: a cheap question."""
        with self._robot:
            idle = [index for index in self._tapes_full if index not in self._in_use]
            return any(self.tape_drives[i].status().loaded != self._tapes_full[i] for i in idle)

    @property
    def by_hand(self) -> bool:
        """Whether a person feeds the drives."""
        return self._hand_fed is not None

    def keep_unknown(self) -> None:
        """From now on believe the labels of media that the catalog does not know: for rebuilding it."""
        if self._hand_fed is not None:
            self._hand_fed.keep_unknown = True

    def give_back(self, drive: int) -> bool:
        """Have a drive that a person feeds let go of its volume, which goes back to its place outside.

        Returns: whether it did; not while a session uses it.
        """
        with self._robot:
            if self._hand_fed is None or drive in self._in_use:
                return False
            given_back = self._hand_fed.give_back(drive)
            self._inventory()
            return given_back

    def kind_of(self, barcode: Barcode) -> MediumKind | None:
        """What a barcode is made of; None for what is no volume (a cleaning cartridge).

        In a library with both kinds of drives the two-character suffix of LTO barcodes decides.
        """
        if barcode.startswith("CLN"):
            return None
        kinds = self._past_kinds | {self.drive_kind(index) for index in self.drive_indices()}
        if len(kinds) > 1:
            return MediumKind.TAPE if LTO_SUFFIX.search(barcode) else MediumKind.DISC
        return MediumKind.TAPE if MediumKind.TAPE in kinds else MediumKind.DISC

    def drive_indices(self) -> list[int]:
        """The numbers of all drives."""
        return sorted({*self.tape_drives, *self.recorders})

    def drive_serial(self, index: int) -> str:
        """The serial number of a drive."""
        return self.device(index).serial

    def drive_generation(self, index: int) -> str:
        """What a drive can use: "LTO-8", "BD"."""
        return self.device(index).model

    def device(self, index: int) -> TapeDrive | Recorder:
        """A drive itself; only for who owns it at the moment."""
        return self.tape_drives[index] if index in self.tape_drives else self.recorders[index]

    def _use(self, drive: int) -> None:
        self._in_use.add(drive)
        self._met.add(drive)  # whatever it held was put back

    @contextmanager
    def occupied(self, drive: int) -> Iterator[None]:
        """Nobody looks into a drive meanwhile: for reading a medium that is no volume."""
        with self._robot:
            self._use(drive)
        try:
            yield
        finally:
            self._in_use.discard(drive)

    @contextmanager
    def mount(self, barcode: Barcode, drive: int, purpose: Purpose) -> Iterator[TapeSession | DiscSession]:
        """Bring a volume to a drive, wait until it is ready and hand out a session. The volume stays mounted after.

        The session has been identified: label on the medium, barcode and catalog agree (a volume the catalog takes for
        blank is blank, or carries only our label).

        Raises: VolumeNotInLibrary, WrongVolume and its kinds, and what the devices raise.
        """
        device = self.device(drive)
        try:
            with self._robot:
                self._bring(barcode, drive)
                self._use(drive)
            device.wait_ready(READY_LIMIT_S)
            self._note(drive, "ready", barcode)
            session = self._identified(barcode, drive, self._catalog.volumes.get(barcode))
            self._note(drive, purpose, barcode)
            yield session
        except BaseException as error:
            self._in_use.discard(drive)
            # Whatever happened, what is in the drive must be proved again before it is used: take it out. What a
            # person has to bring again for that stays in; it is looked at before each use anyway.
            if not self.by_hand or isinstance(error, WrongVolume):
                self.put_back_quietly(drive)
            if isinstance(error, SwappedVolume):
                self._set_out(barcode)
            raise
        self._note(drive, "stop", barcode)
        self._in_use.discard(drive)

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
            self._use(drive)
        try:
            device = self.device(drive)
            device.wait_ready(READY_LIMIT_S)
            self._note(drive, "ready", barcode)
            self._note(drive, "read", barcode)
            if drive in self.tape_drives:
                yield TapeSession(self.tape_drives[drive], barcode)
            else:
                yield DiscSession(self.recorders[drive], barcode)
            self._note(drive, "stop", barcode)
        except DriverError:
            self._in_use.discard(drive)
            if not self.by_hand:
                self.put_back_quietly(drive)
            raise
        finally:
            self._in_use.discard(drive)

    def _bring(self, barcode: Barcode, drive: int) -> None:
        inventory = self._inventory()
        place = inventory.find(barcode)
        if self.by_hand and (place is None or place.index != drive):
            raise VolumeNotInLibrary(f"{barcode} is not in drive {drive} of library {self.name}: put it in")
        if place is None:
            raise VolumeNotInLibrary(f"{barcode} is not in library {self.name}: bring it and put it into a mail slot")
        if place.kind is ElementKind.DRIVE and place.index == drive:
            return
        target = inventory.drive(drive)
        in_the_way = [element for element in (target, place) if element and element.kind is ElementKind.DRIVE]
        for element in in_the_way:
            if element.full:
                self._put_back(element, inventory)
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
        if self.by_hand:
            self.device(element.index).unload()
            self._note(element.index, "emptied", None)
            return
        taken = {e.index for e in inventory.storage() if e.full}
        slot = element.origin if element.origin is not None and element.origin not in taken else inventory.empty_slot()
        if slot is None:
            raise ChangerError(f"no empty slot for {element.barcode} in library {self.name}: take a volume out")
        self._take_out(element, slot)

    def _take_out(self, element: Element, slot: int) -> None:
        if element.index not in self.drive_indices():
            raise ChangerError(
                f"{element.barcode or 'a volume'} is in drive {element.index} of library {self.name}, which is not "
                "attached to this machine: have it let go of the volume, or attach the drive"
            )
        self._note(element.index, "unload", element.barcode)
        try:
            self.device(element.index).unload()
        except DriveEmpty as error:
            # The robot sees a volume in it: it was let go of before a restart, and some drives then say no more.
            log.info("drive_let_go_before", library=self.name, drive=element.index, reason=str(error))
        self._changer.unload(element.index, slot)
        self._note(element.index, "emptied", None)

    @contextmanager
    def turn(self) -> Iterator[Inventory]:
        """Have the robot to oneself, and know what is where now; others wait meanwhile. Raises: ChangerError."""
        with self._robot:
            yield self._inventory()

    def carry(self, element: Element, slot: int) -> None:
        """Bring what a slot or drive holds to a slot or mail slot. Only in one's turn. Raises: DriverError."""
        if element.kind is ElementKind.DRIVE:
            self._take_out(element, slot)
        else:
            self._changer.transfer(element.index, slot)
        self._inventory()

    def insert(self, slot: int, drive: int) -> None:
        """Put what a slot holds into an empty drive, for cleaning. Only in one's turn. Raises: ChangerError."""
        self._changer.load(slot, drive)

    def put_back_quietly(self, drive: int) -> None:
        """Empty a drive after a failure; a drive that cannot be emptied is down. A busy robot is waited for.

        A robot that is gone says nothing about the drive, which keeps its volume; the next mount proves who it is.
        """
        try:
            for _ in range(BUSY_TRIES):
                try:
                    return self.empty_drive(drive)
                except RobotBusy as error:
                    log.info("robot_busy", library=self.name, drive=drive, reason=str(error))
                    self._clock.sleep(BUSY_WAIT_S)
            self.empty_drive(drive)
        except ChangerGone as error:
            log.error("drive_not_emptied", library=self.name, drive=drive, reason=str(error))
        except DriverError as error:
            reason = f"could not be emptied: {error}"
            self._catalog.drives.change(self.name, drive, "down", self._clock.now(), reason=reason)
            log.error("drive_down", library=self.name, drive=drive, reason=str(error))

    def _set_out(self, barcode: Barcode) -> None:
        """Lay a volume whose sticker and label differ into a mail slot, where a person sees it, if one is free."""
        with self._robot:
            try:
                inventory = self._changer.inventory()
                place = inventory.find(barcode)
                free = [e.index for e in inventory.storage() if e.kind is ElementKind.MAIL_SLOT and not e.full]
                if place is None or place.kind is not ElementKind.SLOT or not free:
                    return
                self._changer.transfer(place.index, free[0])
                self._inventory()
            except ChangerError as error:
                log.warning("volume_not_set_out", library=self.name, volume=barcode, reason=str(error))
                return
        fields = {"library": self.name, "mail_slot": free[0]}
        self._catalog.events.record("warning", "volume_set_out", barcode, fields, self._clock.now())

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
        """After a start: a cleaner session for every drive, since their states are unknown. Raises: ChangerError."""
        indices = self.drive_indices()
        cleaner.clean_up(self, self._catalog, self._clock)
        self._met.update(indices)

    def meet_newcomers(self) -> bool:
        """A cleaner session for drives that were attached since the start; whether there were any.

        Raises: ChangerError.
        """
        newcomers = set(self.drive_indices()) - self._met
        if newcomers:
            cleaner.welcome(self, self._catalog, self._clock, newcomers)
            self._met |= newcomers
        return bool(newcomers)

    def move(self, source: int, target: int) -> None:
        """Move a volume between two slots, mail slots included."""
        with self._robot:
            self._changer.transfer(source, target)
            self._inventory()

    def _note(self, drive: int, event: str, barcode: Barcode | None) -> None:
        self._catalog.drives.change(self.name, drive, event, self._clock.now(), barcode=barcode)
