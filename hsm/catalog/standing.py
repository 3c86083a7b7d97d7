"""How soon every study can be had and which are not safe yet, all of them at once: a few passes over whole tables.

The same answers as availability and safety give for one study, for lists that are confined by them.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, literal_column, or_, select

from hsm.catalog.availability import NOT_ONLINE, RANKS, READABLE
from hsm.catalog.database import AnySelect, Database
from hsm.models import Copy, Instance, Pack, Study, Volume
from hsm.search.tables import StudyText
from hsm.states import Availability, CopyState, Place

_NEARLINE, _OFFLINE, _UNAVAILABLE = 1, 2, 3


@dataclass(frozen=True)
class Standing:
    """Places of studies in the list (StudyText.id)."""

    by_availability: Mapping[Availability, Sequence[int]]  # newest first
    unsafe: Sequence[int]  # those with too few verified copies; oldest arrival first


def standing(database: Database, safe_copies: int) -> Standing:
    """How all studies stand. Costly: seconds for some hundred thousand."""
    return database.read(lambda connection: _standing(connection, safe_copies))


def _standing(connection: Connection, safe_copies: int) -> Standing:
    by_rank = [array("q") for _ in RANKS]
    for place, rank in connection.execute(_ranks()):
        by_rank[rank].append(place)
    unsafe = array("q", connection.scalars(_unsafe(safe_copies)))
    return Standing(dict(zip(RANKS, by_rank, strict=True)), unsafe)


def _ranks() -> AnySelect:
    """The place of every study and its rank, as study_rank would find it."""
    nearest = (
        select(
            Copy.pack_fk.label("pack"),
            func.min(case((Volume.place == Place.LIBRARY, _NEARLINE), else_=_OFFLINE)).label("rank"),
        )
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(READABLE)
        .group_by(Copy.pack_fk)
        .subquery()
    )
    gone = select(literal_column("1")).where(Instance.pack_fk == Pack.id, NOT_ONLINE).correlate(Pack).exists()
    worst = (
        select(Pack.study_fk.label("study"), func.max(func.coalesce(nearest.c.rank, _UNAVAILABLE)).label("rank"))
        .select_from(Pack)
        .outerjoin(nearest, nearest.c.pack == Pack.id)
        .where(gone)
        .group_by(Pack.study_fk)
        .subquery()
    )
    return (
        select(StudyText.id, func.coalesce(worst.c.rank, 0))
        .select_from(StudyText)
        .outerjoin(worst, worst.c.study == StudyText.study_fk)
        .order_by(StudyText.id.desc())
    )


def _unsafe(safe_copies: int) -> AnySelect:
    """The places of studies with an instance in no pack, or a pack with too few verified copies."""
    verified = and_(Copy.pack_fk == Pack.id, Copy.state == CopyState.VERIFIED)
    poor = (
        select(Pack.study_fk)
        .outerjoin(Copy, verified)
        .group_by(Pack.id, Pack.study_fk)
        .having(func.count(Copy.volume_fk.distinct()) < safe_copies)
    )
    unpacked = select(Instance.study_fk).where(Instance.pack_fk.is_(None))
    return (
        select(StudyText.id)
        .join(Study, Study.id == StudyText.study_fk)
        .where(or_(Study.id.in_(poor), Study.id.in_(unpacked)))
        .order_by(Study.received_at, Study.id)
    )
