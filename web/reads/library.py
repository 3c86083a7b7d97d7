"""What stands where in a library, put together for a page. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drivers.base import ElementKind
from hsm.catalog.records import DriveRecord, ElementRecord
from hsm.facts import JobRecord, VolumeRecord
from hsm.media.drives import at_work


@dataclass(frozen=True)
class DrivePlace:
    """One drive, what it holds and what it does."""

    drive: DriveRecord
    volume: VolumeRecord | None
    job: JobRecord | None


@dataclass(frozen=True)
class SlotPlace:
    """One slot or mail slot and what it holds."""

    element: ElementRecord
    volume: VolumeRecord | None


@dataclass(frozen=True)
class LibraryView:
    """One library."""

    name: str
    drives: tuple[DrivePlace, ...]
    slots: tuple[SlotPlace, ...]
    mail_slots: tuple[SlotPlace, ...]

    @property
    def seen_at(self) -> datetime | None:
        """When the robot was last asked."""
        return max((slot.element.seen_at for slot in (*self.slots, *self.mail_slots)), default=None)

    @property
    def full_slots(self) -> int:
        """How many slots hold something."""
        return sum(slot.element.full for slot in self.slots)

    @property
    def free_slots(self) -> tuple[int, ...]:
        """The numbers of the empty slots."""
        return tuple(slot.element.index for slot in self.slots if not slot.element.full)

    @property
    def barcodes(self) -> tuple[str, ...]:
        """What is in it, drives included."""
        places = [slot.element.barcode for slot in (*self.slots, *self.mail_slots)]
        return tuple(sorted({b for b in (*places, *(place.drive.barcode for place in self.drives)) if b}))


def arrange(
    elements: Sequence[ElementRecord],
    drives: Sequence[DriveRecord],
    volumes: Sequence[VolumeRecord],
    running: Sequence[JobRecord],
) -> list[LibraryView]:
    """Put everything where it stands."""
    volume_of = {volume.barcode: volume for volume in volumes}
    names = sorted({element.library for element in elements} | {drive.library for drive in drives})

    def slots(name: str, kind: ElementKind) -> tuple[SlotPlace, ...]:
        mine = [element for element in elements if element.library == name and element.kind == kind]
        mine.sort(key=lambda element: element.index)
        return tuple(SlotPlace(e, volume_of.get(e.barcode) if e.barcode else None) for e in mine)

    return [
        LibraryView(
            name=name,
            drives=tuple(
                DrivePlace(
                    drive=drive,
                    volume=volume_of.get(drive.barcode) if drive.barcode else None,
                    job=at_work(drive, running),
                )
                for drive in sorted(drives, key=lambda drive: drive.index)
                if drive.library == name
            ),
            slots=slots(name, ElementKind.SLOT),
            mail_slots=slots(name, ElementKind.MAIL_SLOT),
        )
        for name in names
    ]
