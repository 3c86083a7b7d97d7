"""Lists of studies for the pages."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, cast, func, select

from hsm.catalog import Catalog
from hsm.catalog.records import StudySummary
from hsm.catalog.standing import standing
from hsm.models import Instance, Series, Study
from hsm.states import Availability, OnlineState
from web.memo import refreshed
from web.services import services


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
    exact: bool = True  # False: there are more than `total`
    as_of: datetime | None = None  # when it was looked up which studies are there at all, if that was some time ago


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
    """The studies that have every word of the text, newest study date first.

    Raises: CatalogUnavailable.
    """
    places, as_of = confined(catalog, show, safe_copies)
    found = catalog.search.find(text, limit, offset, places)
    summaries = catalog.studies.summary(found.study_uids, limit=limit) if found.study_uids else []
    by_uid: dict[str, StudySummary] = {row.study.study_instance_uid: row for row in summaries}
    rows = tuple(by_uid[uid] for uid in found.study_uids if uid in by_uid)
    return StudyPage(rows, found.total, found.exact, as_of)


def confined(catalog: Catalog, show: Show, safe_copies: int) -> tuple[Sequence[int] | None, datetime | None]:
    """The places of the studies a list is confined to, and when they were looked up if that was some time ago."""
    if show is Show.ALL:
        return None, None
    clock = services().clock.now
    now = clock()
    kept = refreshed("standing", lambda: standing(catalog.database, safe_copies), clock)
    stand = kept.value
    places = stand.unsafe if show is Show.UNSAFE else stand.by_availability[Availability(show.value.upper())]
    return places, kept.at if kept.at < now else None


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
            cast(func.coalesce(func.sum(Instance.size_bytes), 0), BigInteger),  # PostgreSQL adds up to a Decimal
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
