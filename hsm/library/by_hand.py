"""Drives that a person feeds: the medium itself says which volume it is; a wrong one is named and given back.

Source: "Decisions" of README.md beside this file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

import structlog

from drivers.base import Barcode, Element, Inventory, MediumKind, Recorder, TapeDrive
from drivers.clock import Clock
from drivers.errors import DriverError, UnitAttention
from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord
from hsm.facts import VolumeRecord
from hsm.library.looking import Seen, SeenKind, look_at_disc, look_at_tape
from hsm.states import ACTIVE_JOBS, LABEL_VOLUMES, DriveState, JobKind, VolumeState

_SET_ASIDE = (DriveState.DOWN, DriveState.FAILED, DriveState.CLEANING)

log = structlog.get_logger()


@dataclass(frozen=True)
class Asked:
    """What a person was asked for, at the drives of one kind in one library."""

    volumes: tuple[Barcode, ...] = ()  # by name, the most urgent first
    blank: Barcode | None = None  # the one of them that a blank medium becomes
    begun: bool = False  # that one was being burnt already, as far as the catalog knows
    foreign: bool = False  # a disc that is not ours, to be taken in


@dataclass(frozen=True)
class Verdict:
    """What is done with the medium in a drive."""

    barcode: Barcode | None = None  # the volume it is
    give_back: bool = False
    event: str = ""  # "" when there is nothing to tell
    level: str = "info"
    words: str = ""
    spoilt: Barcode | None = None  # the volume that this disc was to become


def judge_medium(
    seen: Seen, kind: MediumKind, volume: VolumeRecord | None, held: VolumeRecord | None, asked: Asked
) -> Verdict:
    """Which volume a medium is, and whether it stays. Pure.

    `volume`: the catalogued one whose barcode its label says, or its name where the label cannot be read; `held`: the
    one that the drive was known to hold.
    """
    if seen.kind is SeenKind.LABELLED:
        return _labelled(seen, kind, volume)
    if seen.kind is SeenKind.BLANK:
        return _blank(seen, held, asked)
    if seen.kind is SeenKind.NOT_READY:
        return Verdict()
    if seen.kind is SeenKind.FOREIGN and kind is MediumKind.DISC and (asked.foreign or not asked.volumes):
        return Verdict(event="" if asked.foreign else "foreign_medium", words=f"this is {seen.what}")
    words = asked_for(asked.volumes) + f"this is {seen.what}"
    if seen.kind is SeenKind.FOREIGN:
        return Verdict(None, True, "wrong_medium", "warning", words)
    if _is_burnt_disc(volume):
        # It stays in: the mount that follows proves that it cannot be used, and sets the volume aside.
        return Verdict(volume.barcode, False, "unreadable_medium", "warning", f"this is {seen.what}")
    return Verdict(None, True, "unreadable_medium", "warning", words, asked.blank if asked.begun else None)


def _is_burnt_disc(volume: VolumeRecord | None) -> TypeGuard[VolumeRecord]:
    return volume is not None and volume.kind is MediumKind.DISC and volume.last_sequence > 0


def _labelled(seen: Seen, kind: MediumKind, volume: VolumeRecord | None) -> Verdict:
    if volume is None or (volume.uuid is None and kind is MediumKind.DISC):
        words = (
            f"this is {seen.barcode} ({seen.uuid}), and the catalog does not know what is on it: with the engine "
            f"stopped, put it in and run `firn rebuild-catalog --volume {seen.barcode}`"
        )
        return Verdict(None, True, "unknown_medium", "warning", words)
    if volume.uuid is not None and volume.uuid != seen.uuid:
        words = (
            f"this says it is {seen.barcode} ({seen.uuid}), but the catalog knows {seen.barcode} as {volume.uuid}: "
            "one of the two is a duplicate; it is neither read nor written"
        )
        return Verdict(None, True, "wrong_medium", "warning", words)
    return Verdict(seen.barcode)


def _blank(seen: Seen, held: VolumeRecord | None, asked: Asked) -> Verdict:
    if held is not None and is_blank(held):
        return Verdict(held.barcode)
    if asked.blank is not None:
        words = f"this is {seen.what}; it is {asked.blank} from now on: write that on it"
        return Verdict(asked.blank, False, "blank_named", "info", words)
    if asked.volumes:
        return Verdict(None, True, "wrong_medium", "warning", asked_for(asked.volumes) + f"this is {seen.what}")
    return Verdict(event="blank_unasked", words=f"this is {seen.what}, and nothing was asked for")


def is_blank(volume: VolumeRecord) -> bool:
    """Whether a blank medium may be this volume. A disc gets its label in the burn, so a named one may be blank yet."""
    if volume.state in LABEL_VOLUMES:
        return True
    return volume.kind is MediumKind.DISC and volume.state is VolumeState.LABELLED and volume.last_sequence == 0


def asked_for(volumes: tuple[Barcode, ...]) -> str:
    """The beginning of a sentence about a wrong medium."""
    return f"asked for {' or '.join(volumes[:3])}, " if volumes else ""


class HandFed:
    """Names what is in the drives of one library. Not for several threads at a time: its library has a lock."""

    def __init__(
        self,
        library: str,
        tape_drives: Mapping[int, TapeDrive],
        recorders: Mapping[int, Recorder],
        catalog: Catalog,
        clock: Clock,
    ) -> None:
        self.keep_unknown = False  # name media of ours that the catalog does not know; for rebuilding it
        self._library = library
        self._tape_drives = tape_drives
        self._recorders = recorders
        self._catalog = catalog
        self._clock = clock
        self._told: dict[int, str] = {}  # by drive: what was said about the medium in it

    def named(self, inventory: Inventory, in_use: frozenset[int]) -> Inventory:
        """The inventory with the barcodes of what is in the drives; a medium that was given back is out.

        A drive in use is not disturbed: it holds what it held.
        """
        records = {record.index: record for record in self._catalog.drives.list(self._library)}
        elements = (self._element(e, records.get(e.index), e.index in in_use) for e in inventory.elements)
        return replace(inventory, elements=tuple(elements))

    def _element(self, element: Element, record: DriveRecord | None, in_use: bool) -> Element:
        held = None if record is None else record.barcode
        if in_use:
            return replace(element, full=True, barcode=held)
        if record is not None and record.state in _SET_ASIDE:
            return element
        seen = self._look(element.index) if element.full else None
        if seen is None:
            self._told.pop(element.index, None)
            self._holds(record, element.index, None)
            return replace(element, full=False)
        verdict = self._judge(element.index, seen, held)
        if seen.kind is SeenKind.NOT_READY:
            log.info("medium_not_ready", library=self._library, drive=element.index, reason=seen.what)
            return replace(element, barcode=held)
        given_back = verdict.give_back and self.give_back(element.index)
        self._tell(element, seen, verdict, given_back)
        if verdict.spoilt is not None:
            self._catalog.volumes.doubt(verdict.spoilt, f"its burn was interrupted: {seen.what}", self._clock.now())
        self._holds(record, element.index, verdict.barcode)
        return replace(element, full=not given_back, barcode=verdict.barcode)

    def _look(self, index: int) -> Seen | None:
        if index in self._tape_drives:
            return look_at_tape(self._tape_drives[index])
        return look_at_disc(self._recorders[index])

    def _judge(self, index: int, seen: Seen, held: Barcode | None) -> Verdict:
        kind = MediumKind.TAPE if index in self._tape_drives else MediumKind.DISC
        find = self._catalog.volumes.find
        if self.keep_unknown:
            return Verdict(seen.barcode)
        return judge_medium(
            seen,
            kind,
            find(seen.barcode or Barcode(seen.name)),
            None if held is None else find(held),
            self._asked(kind),
        )

    def _asked(self, kind: MediumKind) -> Asked:
        shelf = self._catalog.shelf
        imports = self._catalog.jobs.list(states=sorted(ACTIVE_JOBS), kinds=(JobKind.READ_FOREIGN,))
        foreign = kind is MediumKind.DISC and any(job.payload.get("library") == self._library for job in imports)
        blank = shelf.blank(self._library, kind)
        begun = blank is not None and self._catalog.volumes.get(blank).state is VolumeState.LABELLED
        return Asked(shelf.asked(self._library, kind), blank, begun and kind is MediumKind.DISC, foreign)

    def give_back(self, index: int) -> bool:
        """Have a drive let go of its medium; whether it did."""
        device = self._tape_drives[index] if index in self._tape_drives else self._recorders[index]
        try:
            try:
                device.unload()
            except UnitAttention:  # told once, of the arrival of this very medium
                device.unload()
        except DriverError as error:
            log.warning("medium_not_given_back", library=self._library, drive=index, reason=str(error))
            return False
        return True

    def _holds(self, record: DriveRecord | None, index: int, barcode: Barcode | None) -> None:
        """Note what a drive holds, where that is news."""
        if record is None or (
            record.barcode == barcode and (barcode is not None) != (record.state is DriveState.EMPTY)
        ):
            return
        change = self._changing(index)
        change("emptied", None)
        if barcode is not None:
            change("ready", barcode)
            if record.barcode != barcode:
                self._catalog.volumes.count_mount(barcode)
                log.info("volume_fed", library=self._library, drive=index, volume=barcode)

    def _changing(self, index: int) -> Callable[[str, Barcode | None], object]:
        now = self._clock.now()
        return lambda event, barcode: self._catalog.drives.change(self._library, index, event, now, barcode=barcode)

    def _tell(self, element: Element, seen: Seen, verdict: Verdict, given_back: bool) -> None:
        """Make an event of what was found, once for each medium."""
        if self._told.get(element.index) == verdict.words:
            return
        self._told[element.index] = verdict.words
        if not verdict.event:
            return
        subject = verdict.barcode or seen.barcode or element.drive_serial or self._library
        fields = {"library": self._library, "drive": element.index, "what": verdict.words, "given_back": given_back}
        self._catalog.events.record(verdict.level, verdict.event, subject, fields, self._clock.now())
        log.info(verdict.event, library=self._library, drive=element.index, volume=verdict.barcode)
