"""Libraries and drives: what stands where, and what each drive does."""

from typing import Annotated

from pydantic import Field

from drivers.base import ElementKind, MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import DriveRecord, ElementRecord
from hsm.media.drives import reserve, set_down, set_up
from hsm.media.robots import ask_clean, ask_import, ask_inventory
from hsm.states import DriveState
from web.access.gate import known_person
from web.api.operations import Operations
from web.api.resources.jobs import Asked, at_job
from web.api.shape import BarcodeText, Line, Listed, NameText, Shape, Time
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


class Importing(Shape):
    """What is to be brought into slots."""

    barcodes: Annotated[tuple[BarcodeText, ...], Field(max_length=100)] = Field(
        (), description="Only these; without any, all that lies in mail slots."
    )
    scan: bool = Field(True, description="Look at what is new: blank, ours or foreign.")


class DriveReason(Shape):
    """Why a drive is set aside."""

    reason: Line


class Reservation(Shape):
    """What a drive is for."""

    recalls_only: bool


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
    recalls_only: bool
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


@operations.post("/libraries/{library}/inventory", Right.MEDIA, status=202, located=at_job)
def ask_for_inventory(library: NameText) -> Asked:
    """Have a robot asked what is where."""
    known(library)
    house = services()
    return Asked(job_id=ask_inventory(house.catalog, library, known_person().name, house.clock.now()))


@operations.post("/libraries/{library}/import", Right.MEDIA, status=202, located=at_job)
def ask_for_import(library: NameText, body: Importing) -> Asked:
    """Have a robot bring what lies in its mail slots, or only these volumes, into slots."""
    known(library)
    house = services()
    return Asked(
        job_id=ask_import(house.catalog, library, body.barcodes, body.scan, known_person().name, house.clock.now())
    )


@operations.post("/drives/{library}/{number}/down", Right.ADMINISTER, conflicts=True, matches=get_drive)
def set_drive_down(library: NameText, number: DriveNumber, body: DriveReason) -> Drive:
    """Set a drive aside. What it does now is brought to its end; nothing new is begun."""
    house = services()
    set_down(house.catalog, library, number, body.reason, house.clock.now())
    return get_drive(library, number)


@operations.post("/drives/{library}/{number}/up", Right.ADMINISTER, conflicts=True, matches=get_drive)
def set_drive_up(library: NameText, number: DriveNumber) -> Drive:
    """Use a drive again that was set aside."""
    house = services()
    set_up(house.catalog, library, number, house.clock.now())
    return get_drive(library, number)


@operations.put("/drives/{library}/{number}/reservation", Right.ADMINISTER, matches=get_drive)
def reserve_drive(library: NameText, number: DriveNumber, body: Reservation) -> Drive:
    """Keep a drive for recalls, or let it do everything again."""
    house = services()
    reserve(house.catalog, library, number, body.recalls_only, house.clock.now())
    return get_drive(library, number)


@operations.post("/drives/{library}/{number}/clean", Right.ADMINISTER, status=202, conflicts=True, located=at_job)
def ask_for_cleaning(library: NameText, number: DriveNumber) -> Asked:
    """Have a tape drive cleaned with a cleaning cartridge, as soon as it is idle."""
    house = services()
    return Asked(job_id=ask_clean(house.catalog, library, number, known_person().name, house.clock.now()))


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
        recalls_only=drive.recalls_only,
        changed_at=drive.changed_at,
    )
