"""Libraries and drives: what stands where, and what each drive does."""

from typing import Annotated

from pydantic import Field

from drivers.base import ElementKind, MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import DriveRecord, ElementRecord
from hsm.states import DriveState
from web.api.operations import Operations
from web.api.shape import Listed, NameText, Shape, Time
from web.services import services

operations = Operations("Libraries and drives")
DriveNumber = Annotated[int, Field(ge=0, le=100_000)]


class Library(Shape):
    """One library, as it was last seen."""

    name: str
    drives: int
    slots: int
    mail_slots: int
    full_slots: int
    seen_at: Time | None


class LibraryPlace(Shape):
    """One slot, mail slot or drive of a library, as it was last seen."""

    kind: ElementKind
    number: int
    full: bool
    barcode: str | None
    drive_serial: str | None
    seen_at: Time


class Drive(Shape):
    """One tape drive or recorder."""

    library: str
    number: int
    serial: str
    kind: MediumKind
    state: DriveState
    barcode: str | None
    reason: str
    errors: int = Field(description="In a row.")
    alerts: tuple[str, ...]
    wants_cleaning: bool
    cleaned_at: Time | None
    mounts: int
    changed_at: Time


@operations.get("/libraries", Right.LOOK)
def list_libraries() -> Listed[Library]:
    """Libraries by name."""
    catalog = services().catalog
    elements, drives = catalog.volumes.elements(), catalog.drives.list()
    names = sorted({element.library for element in elements} | {drive.library for drive in drives})
    return Listed(items=tuple(_library(name, elements, drives) for name in names))


@operations.get("/libraries/{library}", Right.LOOK)
def list_places(library: NameText) -> Listed[LibraryPlace]:
    """The slots, mail slots and drives of a library as it was last seen."""
    known(library)
    elements = services().catalog.volumes.elements(library)
    return Listed(
        items=tuple(
            LibraryPlace(
                kind=ElementKind(element.kind),
                number=element.index,
                full=element.full,
                barcode=element.barcode,
                drive_serial=element.drive_serial,
                seen_at=element.seen_at,
            )
            for element in elements
        )
    )


@operations.get("/drives", Right.LOOK)
def list_drives() -> Listed[Drive]:
    """Drives by library and number."""
    return Listed(items=tuple(drive_shape(drive) for drive in services().catalog.drives.list()))


@operations.get("/drives/{library}/{number}", Right.LOOK, tagged=True)
def get_drive(library: NameText, number: DriveNumber) -> Drive:
    """One drive."""
    return drive_shape(services().catalog.drives.get(library, number))


def known(library: str) -> None:
    """Refuse a library that was never seen and that no pool names. Raises: NotCatalogued."""
    house = services()
    names = {pool.library for pool in house.volume_pools.values()}
    names |= {drive.library for drive in house.catalog.drives.list()}
    names |= {element.library for element in house.catalog.volumes.elements(library)}
    if library not in names:
        raise NotCatalogued(f"there is no library {library}")


def _library(name: str, elements: list[ElementRecord], drives: list[DriveRecord]) -> Library:
    mine = [element for element in elements if element.library == name]
    slots = [element for element in mine if element.kind == ElementKind.SLOT]
    return Library(
        name=name,
        drives=sum(drive.library == name for drive in drives),
        slots=len(slots),
        mail_slots=sum(element.kind == ElementKind.MAIL_SLOT for element in mine),
        full_slots=sum(element.full for element in slots),
        seen_at=max((element.seen_at for element in mine), default=None),
    )


def drive_shape(drive: DriveRecord) -> Drive:
    """One drive as the API tells it."""
    return Drive(
        library=drive.library,
        number=drive.index,
        serial=drive.serial,
        kind=drive.kind,
        state=drive.state,
        barcode=drive.barcode,
        reason=drive.reason,
        errors=drive.errors,
        alerts=drive.alerts,
        wants_cleaning=drive.wants_cleaning,
        cleaned_at=drive.cleaned_at,
        mounts=drive.mounts,
        changed_at=drive.changed_at,
    )
