"""Lists of studies for the pages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from hsm.catalog import Catalog
from hsm.catalog.availability import RANKS, study_rank
from hsm.catalog.records import StudySummary
from hsm.models import Copy, Instance, Pack, Patient, Series, Study
from hsm.states import Availability, CopyState, OnlineState
from web.reads.terms import condition

NEWEST_FIRST = (Study.study_date.desc().nulls_last(), Study.study_time.desc(), Study.id.desc())
OLDEST_ARRIVAL_FIRST = (Study.received_at.asc(), Study.id.asc())


class Show(StrEnum):
    """Which studies a list is confined to."""

    ALL = "all"
    ONLINE = "online"
    NEARLINE = "nearline"
    OFFLINE = "offline"
    UNAVAILABLE = "unavailable"
    UNSAFE = "unsafe"  # fewer verified copies than it takes to be called safe


@dataclass(frozen=True)
class StudyPage:
    """One page of a list, and how many there are in all."""

    rows: tuple[StudySummary, ...]
    total: int


@dataclass(frozen=True)
class StudyLabel:
    """What names a study to a person, for lists of other things."""

    patient_name: str
    description: str
    study_date: date | None


@dataclass(frozen=True)
class SeriesRow:
    """One series of a study."""

    series_instance_uid: str
    number: int | None
    modality: str
    description: str
    body_part: str
    instance_count: int
    size_bytes: int
    online_instances: int


@dataclass(frozen=True)
class Unsafe:
    """The studies that have not enough verified copies yet."""

    studies: int
    size_bytes: int
    oldest_uid: str | None
    oldest_received_at: datetime | None


def unsafe(safe_copies: int) -> ColumnElement[bool]:
    """True for a study with an instance in no pack, or a pack with too few verified copies on distinct volumes."""
    verified = (
        select(func.count(Copy.volume_fk.distinct()))
        .where(Copy.pack_fk == Pack.id, Copy.state == CopyState.VERIFIED)
        .scalar_subquery()
    )
    return or_(
        exists().where(Instance.study_fk == Study.id, Instance.pack_fk.is_(None)),
        exists().where(Pack.study_fk == Study.id, verified < safe_copies),
    )


def search(catalog: Catalog, text: str, show: Show, safe_copies: int, limit: int, offset: int) -> StudyPage:
    """The studies that have every word of the text, newest study date first; unsafe ones oldest arrival first.

    Raises: CatalogUnavailable.
    """
    wanted = condition(text)
    if show is Show.UNSAFE:
        wanted = and_(wanted, unsafe(safe_copies))
    elif show is not Show.ALL:
        wanted = and_(wanted, study_rank(Study.id) == RANKS.index(Availability(show.value.upper())))
    order = OLDEST_ARRIVAL_FIRST if show is Show.UNSAFE else NEWEST_FIRST

    def look(connection: Connection) -> tuple[list[str], int]:
        matching = select(Study.study_instance_uid).join(Patient, Patient.id == Study.patient_fk).where(wanted)
        total = connection.scalar(select(func.count()).select_from(matching.subquery())) or 0
        return list(connection.scalars(matching.order_by(*order).limit(limit).offset(offset))), total

    uids, total = catalog.database.read(look)
    summaries = catalog.studies.summary(uids, limit=len(uids)) if uids else []
    found: dict[str, StudySummary] = {row.study.study_instance_uid: row for row in summaries}
    return StudyPage(tuple(found[uid] for uid in uids if uid in found), total)


def labels(catalog: Catalog, uids: Collection[str | None]) -> dict[str, StudyLabel]:
    """Name, description and date of studies, by UID; unknown ones are left out."""
    wanted = sorted({uid for uid in uids if uid})
    if not wanted:
        return {}
    columns = (Study.study_instance_uid, Study.patient_name, Study.description, Study.study_date)
    statement = select(*columns).where(Study.study_instance_uid.in_(wanted))
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    return {uid: StudyLabel(name, description, day) for uid, name, description, day in rows}


def series(catalog: Catalog, uid: str) -> tuple[SeriesRow, ...]:
    """The series of one study, by number."""
    online = func.count().filter(Instance.online_state == OnlineState.ONLINE)
    statement = (
        select(
            Series.series_instance_uid,
            Series.series_number,
            Series.modality,
            Series.description,
            Series.body_part,
            func.count(),
            func.coalesce(func.sum(Instance.size_bytes), 0),
            online,
        )
        .join(Study, Study.id == Series.study_fk)
        .join(Instance, Instance.series_fk == Series.id)
        .where(Study.study_instance_uid == uid)
        .group_by(Series.id)
        .order_by(Series.series_number.asc().nulls_last(), Series.series_instance_uid)
    )
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    return tuple(SeriesRow(*row) for row in rows)


def safety(catalog: Catalog, safe_copies: int) -> Unsafe:
    """How many studies are not safe yet, and the one that waits longest."""
    waiting = unsafe(safe_copies)
    total = select(func.count(), func.coalesce(func.sum(Study.size_bytes), 0)).where(waiting)
    oldest = select(Study.study_instance_uid, Study.received_at).where(waiting).order_by(*OLDEST_ARRIVAL_FIRST).limit(1)

    def look(connection: Connection) -> Unsafe:
        studies, size_bytes = connection.execute(total).one()
        first = connection.execute(oldest).first()
        return Unsafe(studies, int(size_bytes), first[0] if first else None, first[1] if first else None)

    return catalog.database.read(look)
