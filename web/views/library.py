"""The libraries as they stand: drives, slots and mail slots side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from drivers.base import ElementKind
from hsm.access.roles import Right
from hsm.catalog.records import DriveRecord, ElementRecord
from hsm.facts import JobRecord, VolumeRecord
from hsm.states import JobState
from web.access.gate import needs
from web.services import services

pages = Blueprint("library", __name__)


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
    def seen_at(self) -> object:
        """When the robot was last asked."""
        return max((slot.element.seen_at for slot in (*self.slots, *self.mail_slots)), default=None)

    @property
    def full_slots(self) -> int:
        """How many slots hold something."""
        return sum(slot.element.full for slot in self.slots)


def arrange(
    elements: Sequence[ElementRecord],
    drives: Sequence[DriveRecord],
    volumes: Sequence[VolumeRecord],
    running: Sequence[JobRecord],
) -> list[LibraryView]:
    """Put everything where it stands. Pure."""
    volume_of = {volume.barcode: volume for volume in volumes}
    job_of = {job.barcode: job for job in running if job.barcode}
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
                    job=job_of.get(drive.barcode) if drive.barcode else None,
                )
                for drive in sorted(drives, key=lambda drive: drive.index)
                if drive.library == name
            ),
            slots=slots(name, ElementKind.SLOT),
            mail_slots=slots(name, ElementKind.MAIL_SLOT),
        )
        for name in names
    ]


@pages.get("/library")
@needs(Right.LOOK)
def show() -> str:
    """All libraries."""
    catalog = services().catalog
    running = catalog.jobs.list(states=(JobState.RUNNING,), limit=100)
    waiting = catalog.jobs.list(states=(JobState.WAITING_OPERATOR,), limit=100)
    libraries = arrange(catalog.volumes.elements(), catalog.drives.list(), catalog.volumes.list(), running)
    return render_template("library.html", libraries=libraries, waiting=waiting)
