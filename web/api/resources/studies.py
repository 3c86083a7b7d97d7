"""Studies: search, and where each is."""

from datetime import date

from pydantic import Field

from drivers.base import MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import StudyCopy, StudyRecord, StudySummary
from hsm.facts import CopyRecord
from hsm.states import Availability, CopyState, Place, VolumeState
from web.api.operations import Operations
from web.api.shape import Listed, Page, Paged, Shape, Time, Uid, Words, before
from web.reads.policy import why_here
from web.reads.studies import SeriesRow, Show, series
from web.reads.study_pages import studies_behind
from web.services import services

operations = Operations("Studies")


class StudyQuery(Paged):
    """Which studies."""

    q: Words = Field(
        "",
        description="Each word must occur in name, patient ID, accession number, description, modality, date or UID.",
    )
    show: Show = Field(Show.ALL, description="How soon they can be had, or those with too few verified copies.")


class StudyCopyShort(Shape):
    """All that one volume holds of one study."""

    kind: MediumKind
    pool: str
    barcode: str | None
    state: CopyState
    packs: int
    verified_at: Time | None


class Study(Shape):
    """One study, how soon it can be had and where its copies are."""

    study_instance_uid: str
    patient_id: str
    patient_id_issuer: str
    patient_name: str
    study_date: date | None
    study_time: str
    accession_number: str
    description: str
    institution: str
    modalities: tuple[str, ...]
    source_aet: str
    received_at: Time
    changed_at: Time
    accessed_at: Time | None
    pinned_until: Time | None
    series_count: int
    instance_count: int
    size_bytes: int
    availability: Availability
    copies: tuple[StudyCopyShort, ...]


class Series(Shape):
    """One series of a study."""

    series_instance_uid: str
    number: int | None
    modality: str
    description: str
    body_part: str
    instance_count: int
    online_instance_count: int
    size_bytes: int
    availability: Availability


class Copy(Shape):
    """One copy of one pack of a study."""

    id: int
    pack_digest: str
    pool: str
    kind: MediumKind
    barcode: str | None
    sequence: int | None
    state: CopyState
    size_bytes: int
    verified_at: Time | None
    verified_by: str | None
    volume_place: Place | None
    volume_state: VolumeState | None


class NeededVolume(Shape):
    """A volume that part of a study must be read from."""

    barcode: str
    kind: MediumKind
    place: Place
    location: str


class StudyAvailability(Shape):
    """How soon a study can be had, and which volumes that takes."""

    availability: Availability
    volumes: tuple[NeededVolume, ...]


class Why(Shape):
    """Why a study is where it is."""

    sentences: tuple[str, ...]
    trouble: str = Field(description="Why that cannot be said now; empty when it can.")


@operations.get("/studies", Right.LOOK)
def list_studies(query: StudyQuery) -> Page[Study]:
    """Studies that fit, newest study date first."""
    house = services()
    safe_copies = house.settings.safe_copies
    found = studies_behind(house.catalog, query.q, query.show, safe_copies, query.limit + 1, before(query))
    shown = found[: query.limit]
    following = str(shown[-1].study.id) if len(found) > query.limit else None
    return Page(items=tuple(_summary(row) for row in shown), next_cursor=following)


@operations.get("/studies/{study_instance_uid}", Right.LOOK)
def get_study(study_instance_uid: Uid) -> Study:
    """One study."""
    found = services().catalog.studies.summary([study_instance_uid], limit=1)
    if not found:
        raise NotCatalogued(f"there is no study {study_instance_uid} in the archive")
    return _summary(found[0])


@operations.get("/studies/{study_instance_uid}/series", Right.LOOK)
def list_series(study_instance_uid: Uid) -> Listed[Series]:
    """The series of a study, by number."""
    _known(study_instance_uid)
    catalog = services().catalog
    availability = catalog.studies.series_availabilities(study_instance_uid)
    rows = series(catalog, study_instance_uid)
    items = tuple(_series(row, availability.get(row.series_instance_uid)) for row in rows)
    return Listed(items=items)


@operations.get("/studies/{study_instance_uid}/copies", Right.LOOK)
def list_copies(study_instance_uid: Uid) -> Listed[Copy]:
    """The copies of the packs of a study."""
    _known(study_instance_uid)
    return Listed(items=tuple(copy_shape(copy) for copy in services().catalog.copies.of_study(study_instance_uid)))


@operations.get("/studies/{study_instance_uid}/availability", Right.LOOK)
def get_availability(study_instance_uid: Uid) -> StudyAvailability:
    """How soon a study can be had, and from which volumes."""
    _known(study_instance_uid)
    studies = services().catalog.studies
    volumes = studies.volumes_of([study_instance_uid]).get(study_instance_uid, ())
    needed = tuple(NeededVolume(barcode=v.barcode, kind=v.kind, place=v.place, location=v.location) for v in volumes)
    return StudyAvailability(availability=studies.availability(study_instance_uid), volumes=needed)


@operations.get("/studies/{study_instance_uid}/why", Right.LOOK)
def why_is_it_here(study_instance_uid: Uid) -> Why:
    """What each rule in force says about a study: why it is where it is, and what would happen next."""
    _known(study_instance_uid)
    house = services()
    found = why_here(house, study_instance_uid, house.clock.now())
    return Why(sentences=found.sentences, trouble=found.trouble)


def _known(uid: str) -> StudyRecord:
    found = services().catalog.studies.get(uid)
    if found is None:
        raise NotCatalogued(f"there is no study {uid} in the archive")
    return found


def _summary(row: StudySummary) -> Study:
    study = row.study
    return Study(
        study_instance_uid=study.study_instance_uid,
        patient_id=study.patient_id,
        patient_id_issuer=study.issuer,
        patient_name=study.patient_name,
        study_date=study.study_date,
        study_time=study.study_time,
        accession_number=study.accession_number,
        description=study.description,
        institution=study.institution,
        modalities=study.modalities,
        source_aet=study.source_aet,
        received_at=study.received_at,
        changed_at=study.changed_at,
        accessed_at=study.accessed_at,
        pinned_until=study.pinned_until,
        series_count=study.series_count,
        instance_count=study.instance_count,
        size_bytes=study.size_bytes,
        availability=row.availability,
        copies=tuple(_short(copy) for copy in row.copies),
    )


def _short(copy: StudyCopy) -> StudyCopyShort:
    return StudyCopyShort(
        kind=copy.kind,
        pool=copy.pool,
        barcode=copy.volume,
        state=copy.state,
        packs=copy.packs,
        verified_at=copy.verified_at,
    )


def _series(row: SeriesRow, availability: Availability | None) -> Series:
    return Series(
        series_instance_uid=row.series_instance_uid,
        number=row.number,
        modality=row.modality,
        description=row.description,
        body_part=row.body_part,
        instance_count=row.instance_count,
        online_instance_count=row.online_instances,
        size_bytes=row.size_bytes,
        availability=availability or Availability.UNAVAILABLE,
    )


def copy_shape(copy: CopyRecord) -> Copy:
    """One copy as the API tells it."""
    return Copy(
        id=copy.id,
        pack_digest=copy.pack_digest,
        pool=copy.pool,
        kind=copy.kind,
        barcode=copy.barcode,
        sequence=copy.sequence,
        state=copy.state,
        size_bytes=copy.size_bytes,
        verified_at=copy.verified_at,
        verified_by=copy.verified_by,
        volume_place=copy.volume_place,
        volume_state=copy.volume_state,
    )
