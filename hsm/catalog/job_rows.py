"""What several subjects need of jobs, inside a caller's transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from drivers.base import Barcode
from hsm.catalog import audit
from hsm.catalog.database import AnyRow, AnySelect
from hsm.catalog.job_log import add_step
from hsm.catalog.records import JobRequest
from hsm.catalog.rows import insert_new, one, study_id, table_of
from hsm.catalog.settling import job_begins_again, job_ended
from hsm.catalog.text import clean, clean_json
from hsm.facts import JobRecord, StudyUid
from hsm.models import Counter, Job, Study
from hsm.states import ACTIVE_JOBS, JOB_TABLE, JobKind, JobState, step

URGENCY = {kind.value: place for place, kind in enumerate(JobKind)}
ACTIVE = sorted(ACTIVE_JOBS)


def select_jobs() -> AnySelect:
    """A statement whose rows `job_record` understands."""
    return select(Job.__table__, Study.study_instance_uid.label("study_uid")).outerjoin(Study, Study.id == Job.study_fk)


def job_record(row: AnyRow) -> JobRecord:
    """A row of `select_jobs`."""
    return JobRecord(
        id=row.id,
        kind=JobKind(row.kind),
        key=row.key,
        state=JobState(row.state),
        study_instance_uid=None if row.study_uid is None else StudyUid(row.study_uid),
        pack_id=row.pack_fk,
        copy_id=row.copy_fk,
        pool=row.pool,
        payload=row.payload,
        reason=row.reason,
        size_bytes=row.size_bytes,
        done_bytes=row.done_bytes,
        phase=row.phase,
        message=row.message,
        barcode=None if row.barcode is None else Barcode(row.barcode),
        attempts=row.attempts,
        requested_by=row.requested_by,
        created_at=row.created_at,
        not_before=row.not_before,
        started_at=row.started_at,
        ended_at=row.ended_at,
        eta_at=row.eta_at,
        drive=row.drive,
        rate_bytes_s=row.rate_bytes_s,
        due_at=row.due_at,
    )


def locked_job(connection: Connection, job_id: int) -> AnyRow:
    """A row of the jobs table that nobody else changes until the transaction ends. Raises: NotCatalogued."""
    return one(connection, select(Job.__table__).where(Job.id == job_id).with_for_update(of=Job), f"job {job_id}")


def step_job(
    connection: Connection, row: AnyRow, event: str, *, now: datetime | None = None, **values: Any
) -> JobState:
    """Move a locked job by one event; one that ends gives its key back, and says when in `ended_at`.

    Those who wait for a recall learn of its end. The step is written to the job's log when it is known when it was
    taken: from `now`, or from the values that are set. Raises: IllegalTransition.
    """
    state = step(JOB_TABLE, JobState(row.state), event)
    ended = state not in ACTIVE_JOBS
    if ended:
        values |= {"active_key": None, "cancel_requested": False}
    connection.execute(update(Job).where(Job.id == row.id).values(state=state.value, **values))
    if row.kind == JobKind.RECALL:
        if ended:
            job_ended(connection, row.id, values["ended_at"])
        elif row.state == JobState.FAILED:
            job_begins_again(connection, row.id)
    at = now or values.get("ended_at") or values.get("started_at")
    if at is not None:
        add_step(connection, row.id, event, values, at)
    return state


def submit_in(connection: Connection, requests: Sequence[JobRequest], now: datetime) -> list[tuple[int, bool]]:
    """Submit or join, in the order of the requests: (job id, created)."""
    answers = []
    for request in requests:
        active = select(Job.id).where(Job.active_key == request.key)
        joined = connection.execute(active).scalar()
        if joined is None:
            made = insert_new(connection, Job, _values(connection, request, now))
            if made is not None:
                _note_wish(connection, made, request, now)
            answers.append((made, True) if made is not None else (connection.execute(active).scalar_one(), False))
        else:
            answers.append((joined, False))
    if any(created for _, created in answers):
        bump(connection)
    return answers


def _note_wish(connection: Connection, job_id: int, request: JobRequest, now: datetime) -> None:
    """What a person wants of media is audited; what the house wants by itself, and what a study wants, is not here."""
    about = _ABOUT.get(request.kind)
    subject = None if about is None else about(request)
    if subject is None or request.requested_by in _BY_ITSELF:
        return
    fields = {**request.payload, "job": job_id, "pool": request.pool, "requested_by": request.requested_by}
    audit.add_of_event(connection, f"{request.kind.value}_wanted", subject, fields, now)


def _volume_of(request: JobRequest) -> str | None:
    return request.barcode


def _library_of(request: JobRequest) -> str | None:
    return str(request.payload.get("library"))


def _drive_of(request: JobRequest) -> str | None:
    return f"{request.payload.get('library')}/{request.payload.get('drive')}"


_BY_ITSELF = frozenset({"policy", "engine"})
_ABOUT: Mapping[JobKind, Callable[[JobRequest], str | None]] = {
    JobKind.LABEL: _volume_of,
    JobKind.SCAN: _volume_of,
    JobKind.EXPORT: _volume_of,
    JobKind.MOVE: _volume_of,
    JobKind.INVENTORY: _library_of,
    JobKind.IMPORT: _library_of,
    JobKind.READ_FOREIGN: _library_of,
    JobKind.CLEAN: _drive_of,
}


def _values(connection: Connection, request: JobRequest, now: datetime) -> dict[str, Any]:
    study = None if request.study_instance_uid is None else study_id(connection, request.study_instance_uid)
    return {
        "kind": request.kind.value,
        "key": request.key,
        "active_key": request.key,
        "state": (JobState.QUEUED if request.not_before is None else JobState.WAITING_RETRY).value,
        "study_fk": study,
        "pack_fk": request.pack_id,
        "copy_fk": request.copy_id,
        "pool": request.pool,
        "payload": clean_json(request.payload),
        "reason": clean(request.reason),
        "size_bytes": request.size_bytes,
        "barcode": request.barcode,
        "requested_by": clean(request.requested_by),
        "created_at": now,
        "not_before": request.not_before,
        "due_at": request.due_at,
    }


def bump(connection: Connection) -> None:
    """Let those who poll know that there is something new for the engine. To be called last: others wait for it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    table = table_of(Counter)
    statement = dialect.insert(table).values(name="jobs", value=1)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[table.c.name], set_={"value": table.c.value + 1})
    )
