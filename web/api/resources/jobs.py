"""Jobs: what is being done, what waits, and what went wrong."""

from pydantic import Field

from hsm.access.roles import Right
from hsm.facts import JobRecord
from hsm.media.wishes import TO_CANCEL, right_for, why_not_cancel, why_not_retry
from hsm.states import JobKind, JobState
from web.access.gate import may
from web.api.operations import Operations
from web.api.shape import Listed, Number, Page, Paged, Shape, Time, Words, before
from web.problems import Refused
from web.services import services

operations = Operations("Jobs")


class JobQuery(Paged):
    """Which jobs."""

    state: JobState | None = None
    kind: JobKind | None = None
    study_instance_uid: Words = ""
    pool: Words = ""
    barcode: Words = ""


class Job(Shape):
    """One piece of work."""

    id: int
    kind: JobKind
    state: JobState
    study_instance_uid: str | None
    pool: str | None
    barcode: str | None
    size_bytes: int
    done_bytes: int
    rate_bytes_s: int = Field(description="Lately, while it runs.")
    phase: str = Field(description="What is being done, in words.")
    message: str = Field(description="What came of it, or what went wrong.")
    reason: str
    attempts: int
    requested_by: str
    created_at: Time
    not_before: Time | None
    started_at: Time | None
    ended_at: Time | None
    eta_at: Time | None


class LogLine(Shape):
    """One line about a job."""

    number: int
    at: Time
    level: str
    text: str


class Asked(Shape):
    """A job that was asked for, or joined."""

    job_id: int


def at_job(answer: Asked) -> str:
    """Where to look at it."""
    return f"/jobs/{answer.job_id}"


@operations.get("/jobs", Right.LOOK)
def list_jobs(query: JobQuery) -> Page[Job]:
    """Jobs that fit, newest first."""
    found = services().catalog.jobs.list(
        states=(query.state,) if query.state else (),
        kinds=(query.kind,) if query.kind else (),
        study_uid=query.study_instance_uid or None,
        pool=query.pool or None,
        barcode=query.barcode or None,
        limit=query.limit + 1,
        before=before(query),
    )
    shown = found[: query.limit]
    following = str(shown[-1].id) if len(found) > query.limit else None
    return Page(items=tuple(job_shape(job) for job in shown), next_cursor=following)


@operations.get("/jobs/{job_id}", Right.LOOK)
def get_job(job_id: Number) -> Job:
    """One job."""
    return job_shape(services().catalog.jobs.get(job_id))


@operations.get("/jobs/{job_id}/log", Right.LOOK)
def get_job_log(job_id: Number) -> Listed[LogLine]:
    """What was written about a job while it was done, oldest first; of a long one the beginning is left out."""
    jobs = services().catalog.jobs
    jobs.get(job_id)
    lines = jobs.lines(job_id)
    return Listed(items=tuple(LogLine(number=n.number, at=n.at, level=n.level, text=n.text) for n in lines))


@operations.post("/jobs/{job_id}/cancel", TO_CANCEL, conflicts=True)
def cancel_job(job_id: Number) -> Job:
    """Take back, for everybody who waits for it, what people asked for and has not begun; see also /recalls."""
    house = services()
    job = house.catalog.jobs.get(job_id)
    if reason := why_not_cancel(job):
        raise Refused(409, reason)
    house.catalog.jobs.cancel(job_id, house.clock.now())
    return get_job(job_id)


@operations.post("/jobs/{job_id}/retry", Right.RECALL, conflicts=True)
def retry_job(job_id: Number) -> Job:
    """Have what was given up tried once more. What is not a recall needs the scope `media`, too."""
    house, job = services(), _mine_to_change(job_id)
    if reason := why_not_retry(job):
        raise Refused(409, reason)
    house.catalog.jobs.retry(job_id, house.clock.now())
    return get_job(job_id)


def _mine_to_change(job_id: int) -> JobRecord:
    job = services().catalog.jobs.get(job_id)
    if not may(right_for(job)):
        raise Refused(403, f"This job is not a recall: whoever changes it needs the right {right_for(job).value}.")
    return job


def job_shape(job: JobRecord) -> Job:
    """One job as the API tells it."""
    return Job(
        id=job.id,
        kind=job.kind,
        state=JobState(job.state),
        study_instance_uid=job.study_instance_uid,
        pool=job.pool,
        barcode=job.barcode,
        size_bytes=job.size_bytes,
        done_bytes=job.done_bytes,
        rate_bytes_s=job.rate_bytes_s,
        phase=job.phase,
        message=job.message,
        reason=job.reason,
        attempts=job.attempts,
        requested_by=job.requested_by,
        created_at=job.created_at,
        not_before=job.not_before,
        started_at=job.started_at,
        ended_at=job.ended_at,
        eta_at=job.eta_at,
    )
