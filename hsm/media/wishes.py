"""Which jobs a person may take back or have tried again, and with which right. Pure."""

from hsm.access.roles import Right
from hsm.facts import JobRecord
from hsm.states import ACTIVE_JOBS, ROBOT_JOBS, JobKind, JobState

CANCELLABLE = frozenset({JobState.QUEUED, JobState.WAITING_OPERATOR, JobState.WAITING_RETRY})
PERSONAL = ROBOT_JOBS | {JobKind.RECALL, JobKind.SCAN, JobKind.LABEL, JobKind.READ_FOREIGN, JobKind.VERIFY}
TO_CANCEL = Right.MEDIA  # a job ends for everybody who waits for it; one's own wish is taken back at the request
BY_ITSELF = frozenset({"policy", "engine"})


def right_for(job: JobRecord) -> Right:
    """What somebody must be allowed to have a job tried again."""
    return Right.RECALL if job.kind is JobKind.RECALL else Right.MEDIA


def why_not_cancel(job: JobRecord) -> str:
    """Why a job cannot be taken back, in a sentence; "" when it can."""
    if job.state not in ACTIVE_JOBS:
        return "It has ended."
    if job.kind is not JobKind.RECALL and (job.kind not in PERSONAL or job.requested_by in BY_ITSELF):
        return "The policy asked for it and would ask again; only what a person asked for is cancelled here."
    if job.state not in CANCELLABLE:
        return "It is running; stopping it now would cost more time than letting it end."
    return ""


def why_not_retry(job: JobRecord) -> str:
    """Why a job cannot be tried again, in a sentence; "" when it can."""
    if job.state == JobState.FAILED:
        return ""
    return (
        "It is tried again by itself." if job.state == JobState.WAITING_RETRY else "Only what was given up is retried."
    )
