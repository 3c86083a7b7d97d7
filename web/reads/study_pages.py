"""Lists of studies that programs read page by page, each beginning behind the last study of the one before."""

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from hsm.catalog import Catalog
from hsm.catalog.availability import RANKS, study_rank
from hsm.catalog.records import StudySummary
from hsm.catalog.rows import one
from hsm.catalog.safety import unsafe
from hsm.facts import StudyUid
from hsm.models import Patient, Study
from hsm.states import Availability
from web.reads.studies import NEWEST_FIRST, Show
from web.reads.terms import condition


def studies_behind(
    catalog: Catalog, text: str, show: Show, safe_copies: int, limit: int, last: int | None
) -> list[StudySummary]:
    """The next studies that have every word of the text, newest study date first; `last` is the id of the last seen.

    Raises: NotCatalogued when that study is gone, CatalogUnavailable.
    """
    wanted = condition(text)
    if show is Show.UNSAFE:
        wanted = and_(wanted, unsafe(safe_copies))
    elif show is not Show.ALL:
        wanted = and_(wanted, study_rank(Study.id) == RANKS.index(Availability(show.value.upper())))

    def look(connection: Connection) -> list[StudyUid]:
        statement = select(Study.study_instance_uid).join(Patient, Patient.id == Study.patient_fk).where(wanted)
        if last is not None:
            statement = statement.where(_behind(connection, last))
        return list(map(StudyUid, connection.scalars(statement.order_by(*NEWEST_FIRST).limit(limit))))

    uids = catalog.database.read(look)
    found = (
        {row.study.study_instance_uid: row for row in catalog.studies.summary(uids, limit=len(uids))} if uids else {}
    )
    return [found[uid] for uid in uids if uid in found]


def _behind(connection: Connection, last: int) -> ColumnElement[bool]:
    """True for studies that come after one in NEWEST_FIRST."""
    row = one(connection, select(Study.study_date, Study.study_time).where(Study.id == last), f"study behind {last}")
    same_day = Study.study_date.is_(None) if row[0] is None else Study.study_date == row[0]
    later = or_(Study.study_time < row[1], and_(Study.study_time == row[1], Study.id < last))
    behind = and_(same_day, later)
    return behind if row[0] is None else or_(Study.study_date < row[0], Study.study_date.is_(None), behind)
