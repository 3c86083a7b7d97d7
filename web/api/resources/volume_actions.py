"""What is asked of volumes, and what a person decides about them."""

from typing import Literal

from pydantic import Field

from drivers.base import Barcode
from hsm.access.roles import Right
from hsm.media.labelling import ask_label
from hsm.media.places import set_location
from hsm.media.robots import ask_export, ask_move, ask_scan
from hsm.media.verifying import ask_verify_volume
from hsm.states import Place
from web.access.gate import known_person
from web.api.operations import Operations
from web.api.resources.jobs import Asked, at_job
from web.api.resources.volumes import Volume, get_volume
from web.api.shape import BarcodeText, Line, NameText, Shape
from web.problems import Fault, Refused
from web.services import services

operations = Operations("Volumes")
Outside = Literal["shelf", "vault"]


class Labelling(Shape):
    """For which pool a label is written."""

    pool: NameText | None = Field(None, description="Without it the pool whose pattern names the volume.")


class Exporting(Shape):
    """Where a volume is taken to."""

    place: Outside = Field("shelf", description="A vault is on another site: fetched from only when nothing is nearer.")
    location: Line
    force: bool = Field(False, description="Even if a study has its only verified copy on it.")


class Leaving(Shape):
    """An export that was asked for."""

    job_id: int
    offline_studies: tuple[str, ...] = Field(description="That can then only be had by bringing it back.")


class Moving(Shape):
    """Where a robot brings a volume."""

    slot: int | None = Field(None, ge=0, le=100_000, description="Without it: out of its drive, to a free slot.")


class Verifying(Shape):
    """What will be read back."""

    job_ids: tuple[int, ...]
    copies: int
    size_bytes: int


class Location(Shape):
    """Where a volume lies outside the libraries."""

    place: Outside
    location: Line


class VolumeReason(Shape):
    """Why, in words; kept with the volume."""

    reason: Line


class ForGood(VolumeReason):
    """Something that cannot be taken back: with its reason, and the barcode once more."""

    barcode: BarcodeText = Field(description="The barcode of the volume once more, so that no other is meant.")


@operations.post("/volumes/{barcode}/label", Right.MEDIA, status=202, conflicts=True, located=at_job)
def label_volume(barcode: BarcodeText, body: Labelling) -> Asked:
    """Have our label written on a blank tape. What holds data is refused; nothing is ever written over."""
    house, by = services(), known_person().name
    return Asked(
        job_id=ask_label(house.catalog, house.volume_pools, Barcode(barcode), body.pool, by, house.clock.now())
    )


@operations.post("/volumes/{barcode}/scan", Right.MEDIA, status=202, located=at_job)
def scan_volume(barcode: BarcodeText) -> Asked:
    """Have a medium looked at: blank, ours, foreign or unreadable. Nothing is written."""
    house = services()
    return Asked(job_id=ask_scan(house.catalog, Barcode(barcode), known_person().name, house.clock.now()))


@operations.post("/volumes/{barcode}/export", Right.MEDIA, status=202, conflicts=True, located=at_job)
def export_volume(barcode: BarcodeText, body: Exporting) -> Leaving:
    """Have the robot lay a volume into a mail slot, for a shelf or a vault."""
    house, by = services(), known_person().name
    place, now = Place(body.place), house.clock.now()
    asked = ask_export(house.catalog, Barcode(barcode), place, body.location, body.force, by, now)
    return Leaving(job_id=asked.job_id, offline_studies=asked.offline)


@operations.post("/volumes/{barcode}/move", Right.MEDIA, status=202, conflicts=True, located=at_job)
def move_volume(barcode: BarcodeText, body: Moving) -> Asked:
    """Have the robot bring a volume to another slot, or out of its drive."""
    house, by = services(), known_person().name
    return Asked(job_id=ask_move(house.catalog, Barcode(barcode), body.slot, by, house.clock.now()))


@operations.post("/volumes/{barcode}/verify", Right.MEDIA, status=202, conflicts=True)
def verify_volume(barcode: BarcodeText) -> Verifying:
    """Have everything on a volume read back, whole, and its digests compared."""
    house = services()
    asked = ask_verify_volume(house.catalog, Barcode(barcode), known_person().name, house.clock.now())
    return Verifying(job_ids=asked.job_ids, copies=len(asked.copies), size_bytes=asked.size_bytes)


@operations.put("/volumes/{barcode}/location", Right.MEDIA, conflicts=True, matches=get_volume)
def set_volume_location(barcode: BarcodeText, body: Location) -> Volume:
    """Note where a volume lies that a person took out of its library, or carried elsewhere."""
    house = services()
    set_location(house.catalog, Barcode(barcode), Place(body.place), body.location, house.clock.now())
    return get_volume(barcode)


@operations.post("/volumes/{barcode}/close", Right.MEDIA, conflicts=True, matches=get_volume)
def close_volume(barcode: BarcodeText) -> Volume:
    """Write nothing more on a volume; it stays readable."""
    house = services()
    house.catalog.volumes.close(Barcode(barcode), house.clock.now())
    return get_volume(barcode)


@operations.post("/volumes/{barcode}/doubt", Right.MEDIA, conflicts=True, matches=get_volume)
def doubt_volume(barcode: BarcodeText, body: VolumeReason) -> Volume:
    """Set a volume aside: it is read if it must be, and never written."""
    house = services()
    house.catalog.volumes.doubt(Barcode(barcode), body.reason.strip(), house.clock.now())
    return get_volume(barcode)


@operations.post("/volumes/{barcode}/clear", Right.MEDIA, conflicts=True, matches=get_volume)
def clear_volume(barcode: BarcodeText) -> Volume:
    """Trust a volume again for reading that was set aside."""
    house = services()
    house.catalog.volumes.clear(Barcode(barcode), house.clock.now())
    return get_volume(barcode)


@operations.post("/volumes/{barcode}/lose", Right.MEDIA, conflicts=True, matches=get_volume)
def declare_volume_lost(barcode: BarcodeText, body: ForGood) -> Volume:
    """Declare a volume lost, and all copies on it: the policy will make new ones."""
    house = services()
    _meant(barcode, body)
    house.catalog.volumes.lose(Barcode(barcode), body.reason.strip(), house.clock.now())
    return get_volume(barcode)


@operations.post("/volumes/{barcode}/retire", Right.MEDIA, conflicts=True, matches=get_volume)
def retire_volume(barcode: BarcodeText, body: ForGood) -> Volume:
    """Take a volume that holds nothing wanted out of use for good."""
    house = services()
    _meant(barcode, body)
    house.catalog.volumes.retire(Barcode(barcode), body.reason.strip(), house.clock.now())
    return get_volume(barcode)


def _meant(barcode: str, body: ForGood) -> None:
    """Refuse what cannot be taken back unless the barcode was said twice. Raises: NotCatalogued, Refused."""
    services().catalog.volumes.get(Barcode(barcode))
    if body.barcode != barcode:
        said = f"is not {barcode}: say the barcode of the volume itself"
        raise Refused(422, "The barcodes differ; nothing was changed.", [Fault("barcode", said)])
