"""Questions about jobs that only pages ask."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from hsm.catalog import Catalog
from hsm.facts import JobRecord
from hsm.models import Job
from hsm.states import JobKind, JobState


@dataclass(frozen=True)
class JobMatrix:
    """How many jobs of each kind ended how, or are under way. Kinds and states nobody has are left out."""

    kinds: tuple[JobKind, ...]
    states: tuple[JobState, ...]
    counts: Mapping[tuple[JobKind, JobState], int]


def matrix(catalog: Catalog) -> JobMatrix:
    """All jobs the catalog remembers, by kind and state."""
    statement = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    counts = {(JobKind(kind), JobState(state)): number for kind, state, number in rows}
    kinds = tuple(kind for kind in JobKind if any(k is kind for k, _ in counts))
    states = tuple(state for state in JobState if any(s is state for _, s in counts))
    return JobMatrix(kinds, states, counts)


def places(queue: list[JobRecord]) -> dict[int, int]:
    """The place of each waiting recall among the recalls, from 1. Pure."""
    recalls = [job.id for job in queue if job.kind is JobKind.RECALL]
    return {job_id: place for place, job_id in enumerate(recalls, start=1)}
