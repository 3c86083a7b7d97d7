"""The questions behind the figures, asked in SQL that both databases answer from indexes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, func, select

from drivers.base import MediumKind
from hsm.catalog.database import Database
from hsm.catalog.figures import Flow
from hsm.models import Job, Study, Volume
from hsm.states import ACTIVE_JOBS, JobKind, JobState, Place, VolumeState

RECALLS_LOOKED_AT = 5000  # the newest of the time asked for; more would change no percentile


@dataclass(frozen=True)
class VolumeGroup:
    """Volumes of one pool that are in the same state and place."""

    pool: str | None
    kind: MediumKind
    state: VolumeState
    place: Place
    volumes: int
    used_bytes: int
    capacity_bytes: int


@dataclass(frozen=True)
class Waits:
    """How long recalls took from the wish to the disk."""

    recalls: int
    median_s: float | None
    p95_s: float | None


def volume_groups(database: Database) -> list[VolumeGroup]:
    """All volumes, counted and added up."""
    by = (Volume.pool, Volume.kind, Volume.state, Volume.place)
    sums = (func.count(), func.sum(Volume.used_bytes), func.sum(Volume.capacity_bytes))
    statement = select(*by, *sums).group_by(*by)

    def look(connection: Connection) -> list[VolumeGroup]:
        return [
            VolumeGroup(pool, MediumKind(kind), VolumeState(state), Place(place), number, int(used), int(capacity))
            for pool, kind, state, place, number, used, capacity in connection.execute(statement)
        ]

    return database.read(look)


def blank_barcodes(database: Database, limit: int = 5000) -> list[tuple[str, MediumKind]]:
    """The barcodes of blank volumes, which belong to no pool yet."""
    statement = (
        select(Volume.barcode, Volume.kind)
        .where(Volume.state.in_([VolumeState.BLANK.value, VolumeState.SCRATCH.value]))
        .limit(limit)
    )
    return database.read(lambda c: [(barcode, MediumKind(kind)) for barcode, kind in c.execute(statement)])


def jobs_by_outcome(database: Database, ended: bool | None = None) -> dict[tuple[JobKind, JobState], int]:
    """How many jobs of each kind are in each state: of those that ended, of the others, or of all (None)."""
    statement = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
    if ended is not None:
        wanted = [state for state in JobState if (state in ACTIVE_JOBS) is not ended]
        statement = statement.where(Job.state.in_(wanted))
    rows = database.read(lambda connection: connection.execute(statement).all())
    return {(JobKind(kind), JobState(state)): number for kind, state, number in rows}


def recall_waits(database: Database, since: datetime) -> Waits:
    """Median and 95th percentile of the recalls that were done since a time."""
    statement = (
        select(Job.created_at, Job.ended_at)
        .where(Job.state == JobState.DONE, Job.kind == JobKind.RECALL, Job.ended_at >= since)
        .order_by(Job.id.desc())
        .limit(RECALLS_LOOKED_AT)
    )
    rows = database.read(lambda connection: connection.execute(statement).all())
    waits = sorted((ended - created).total_seconds() for created, ended in rows if ended is not None)
    return Waits(len(waits), percentile(waits, 50), percentile(waits, 95))


def percentile(ordered: Sequence[float], pct: float) -> float | None:
    """The least value that so many percent do not exceed (nearest rank); None of nothing."""
    return ordered[max(1, ceil(len(ordered) * pct / 100)) - 1] if ordered else None


def intake_by_day(database: Database, since: date) -> list[Flow]:
    """Studies by the day of their first instance, with the bytes they have now; days without any are left out."""
    day = func.date(Study.received_at)
    statement = (
        select(day, func.count(), func.sum(Study.size_bytes)).where(Study.received_at >= _midnight(since)).group_by(day)
    )
    return database.read(lambda connection: [_flow(*row) for row in connection.execute(statement)])


def recalls_by_day(database: Database, since: date) -> list[Flow]:
    """Recalls by the day they were done on; days without any are left out."""
    day = func.date(Job.ended_at)
    statement = (
        select(day, func.count(), func.sum(Job.size_bytes))
        .where(Job.state == JobState.DONE, Job.kind == JobKind.RECALL, Job.ended_at >= _midnight(since))
        .group_by(day)
    )
    return database.read(lambda connection: [_flow(*row) for row in connection.execute(statement)])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _flow(day: Any, number: int, size_bytes: Any) -> Flow:
    return Flow(date.fromisoformat(day) if isinstance(day, str) else day, number, int(size_bytes or 0))


def filled_by(flows: Sequence[Flow], first: date, last: date) -> list[Flow]:
    """The same days, and those between without anything. Pure."""
    known: Mapping[date, Flow] = {flow.day: flow for flow in flows}
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [known.get(day, Flow(day, 0, 0)) for day in days]
