"""Volumes: tapes and discs, what each holds and where it is."""

from drivers.base import Barcode, MediumKind
from hsm.access.roles import Right
from hsm.catalog.shelf import WantedVolume
from hsm.facts import VolumeRecord
from hsm.states import CopyState, Place, VolumeState
from web.api.operations import Operations
from web.api.shape import BarcodeText, Listed, Page, Paged, Shape, Time, Words, before
from web.reads.volumes import packs_on
from web.services import services

operations = Operations("Volumes")


class VolumeQuery(Paged):
    """Which volumes."""

    kind: MediumKind | None = None
    pool: Words = ""
    place: Place | None = None
    state: VolumeState | None = None


class Volume(Shape):
    """One cartridge or disc."""

    barcode: str
    uuid: str | None
    kind: MediumKind
    generation: str
    pool: str | None
    library: str | None
    place: Place
    location: str
    leaving: bool
    state: VolumeState
    reason: str
    capacity_bytes: int
    used_bytes: int
    packs: int
    mounts: int
    errors: int
    labelled_at: Time | None
    verified_at: Time | None


class PackOnVolume(Shape):
    """One pack as a volume holds it."""

    sequence: int | None
    study_instance_uid: str
    pack_digest: str
    state: CopyState
    size_bytes: int
    verified_at: Time | None
    verified_by: str | None


class WantedByPeople(Shape):
    """A volume that a person is asked to bring."""

    barcode: str | None
    pool: str | None
    kind: MediumKind | None
    library: str | None
    place: Place | None
    location: str
    jobs: int
    studies: int
    wanted_by: tuple[str, ...]
    since: Time
    reason: str


@operations.get("/volumes", Right.LOOK)
def list_volumes(query: VolumeQuery) -> Page[Volume]:
    """Volumes that fit, by barcode."""
    first = before(query) or 0
    found = services().catalog.volumes.list(
        query.kind, query.pool or None, query.place, query.state, limit=query.limit + 1, offset=first
    )
    shown = found[: query.limit]
    following = str(first + query.limit) if len(found) > query.limit else None
    return Page(items=tuple(volume_shape(volume) for volume in shown), next_cursor=following)


@operations.get("/volumes/{barcode}", Right.LOOK, tagged=True)
def get_volume(barcode: BarcodeText) -> Volume:
    """One volume."""
    return volume_shape(services().catalog.volumes.get(Barcode(barcode)))


@operations.get("/volumes/{barcode}/packs", Right.LOOK)
def list_packs(barcode: BarcodeText, query: Paged) -> Page[PackOnVolume]:
    """What lies on a volume, in the order in which it lies there."""
    catalog = services().catalog
    catalog.volumes.get(Barcode(barcode))
    first = before(query) or 0
    page = packs_on(catalog, barcode, query.limit, first)
    following = str(first + len(page.packs)) if page.total > first + len(page.packs) and page.packs else None
    return Page(items=tuple(PackOnVolume(**pack.__dict__) for pack in page.packs), next_cursor=following)


@operations.get("/wanted-volumes", Right.LOOK)
def list_wanted_volumes() -> Listed[WantedByPeople]:
    """The pick list: which volumes a person has to fetch, from where, and who waits; the oldest wish first."""
    return Listed(items=tuple(_wanted(line) for line in services().catalog.shelf.wanted()))


def volume_shape(volume: VolumeRecord) -> Volume:
    """One volume as the API tells it."""
    return Volume(
        barcode=volume.barcode,
        uuid=volume.uuid,
        kind=volume.kind,
        generation=volume.generation,
        pool=volume.pool,
        library=volume.library,
        place=volume.place,
        location=volume.location,
        leaving=volume.leaving,
        state=volume.state,
        reason=volume.reason,
        capacity_bytes=volume.capacity_bytes,
        used_bytes=volume.used_bytes,
        packs=volume.last_sequence,
        mounts=volume.mounts,
        errors=volume.errors,
        labelled_at=volume.labelled_at,
        verified_at=volume.verified_at,
    )


def _wanted(line: WantedVolume) -> WantedByPeople:
    return WantedByPeople(
        barcode=line.barcode,
        pool=line.pool,
        kind=line.kind,
        library=line.library,
        place=line.place,
        location=line.location,
        jobs=line.jobs,
        studies=line.studies,
        wanted_by=line.requesters,
        since=line.since,
        reason=line.reason,
    )
