"""Who waits for a job, inside a caller's transaction."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from hsm.catalog.rows import chunks
from hsm.models import Job, RecallJob, RecallRequest
from hsm.states import RequestState


def requesters_of(connection: Connection, job_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Who waits for each job, in the order in which they came; who took a wish back does not wait any more."""
    found: dict[int, dict[str, None]] = {}
    for part in chunks(sorted(set(job_ids))):
        joined = (
            select(RecallJob.job_fk, RecallRequest.requested_by)
            .join(RecallRequest, RecallRequest.id == RecallJob.request_fk)
            .where(RecallJob.job_fk.in_(part), RecallRequest.state != RequestState.CANCELLED)
            .order_by(RecallRequest.id)
        )
        for job, name in connection.execute(joined):
            found.setdefault(job, {})[name] = None
        for job, name in connection.execute(select(Job.id, Job.requested_by).where(Job.id.in_(part))):
            found.setdefault(job, {name: None})
    return {job: tuple(names) for job, names in found.items()}
