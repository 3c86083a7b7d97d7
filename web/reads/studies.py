"""Lists of studies for the pages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, and_, func, select

from hsm.catalog import Catalog
from hsm.catalog.availability import RANKS, study_rank
from hsm.catalog.records import StudySummary
from hsm.catalog.safety import OLDEST_ARRIVAL_FIRST, unsafe
from hsm.models import Instance, Patient, Series, Study
from hsm.states import Availability, OnlineState
from web.reads.terms import condition

NEWEST_FIRST = (Study.study_date.desc().nulls_last(), Study.study_time.desc(), Study.id.desc())


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
