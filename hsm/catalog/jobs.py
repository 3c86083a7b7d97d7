"""Jobs: wanted work, each piece once, and what became of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, exists, func, select, update

from drivers.base import Barcode
from hsm.catalog.database import Database
from hsm.catalog.errors import JobRefused
from hsm.catalog.events import add
from hsm.catalog.job_log import JobLog, add_line
from hsm.catalog.job_rows import URGENCY, bump, job_record, locked_job, select_jobs, step_job, submit_in
from hsm.catalog.records import JobRequest
from hsm.catalog.requesters import requesters_of
from hsm.catalog.rows import chunks, narrowed, one, table_of
from hsm.catalog.text import clean, clean_json
from hsm.facts import JobRecord
from hsm.models import Counter, Job, JobLine, RecallJob, RecallRequest, Study, Volume
from hsm.states import ACTIVE_JOBS, IllegalTransition, JobKind, JobState
from hsm.wishes import Delivery


def _due(now: datetime) -> ColumnElement[bool]:
    """Those that may start now."""
    waited = (Job.state == JobState.WAITING_RETRY) & (Job.not_before.is_(None) | (Job.not_before <= now))
    return (Job.state == JobState.QUEUED) | waited


class Jobs(JobLog):
    """Jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, request: JobRequest, now: datetime) -> tuple[int, bool]:
        """Want a piece of work: (job id, whether it is new). An active job with the same key is joined.

        Raises: NotCatalogued when the study is unknown.
        """
        return self.submit_many([request], now)[0]

    def submit_many(self, requests: Sequence[JobRequest], now: datetime) -> list[tuple[int, bool]]:
        """Want several pieces of work, answers in the same order."""
        return self._database.write(lambda connection: submit_in(connection, requests, now))

    def failures(self, keys: Collection[str]) -> dict[str, tuple[int, datetime]]:
        """What failed for good and was not done since: by key, how often in a row and when last."""

        def work(connection: Connection) -> dict[str, tuple[int, datetime]]:
            found: dict[str, tuple[int, datetime]] = {}
            for some in chunks(sorted(set(keys))):
                statement = (
                    select(Job.key, Job.state, Job.ended_at)
                    .where(Job.key.in_(some), Job.state.in_([JobState.FAILED, JobState.DONE]))
                    .order_by(Job.id)
                )
                for key, state, ended_at in connection.execute(statement):
                    if state == JobState.DONE:
                        found.pop(key, None)
                    elif ended_at is not None:
                        found[key] = (found.get(key, (0, ended_at))[0] + 1, ended_at)
            return found

        return self._database.read(work)

    def queue(self, now: datetime, limit: int = 1000) -> list[JobRecord]:
        """What may start now: the most urgent kind first, then the oldest."""
        statement = (
            select_jobs().where(_due(now)).order_by(case(URGENCY, value=Job.kind, else_=99), Job.id).limit(limit)
        )
        return self._database.read(lambda connection: [job_record(row) for row in connection.execute(statement)])

    def start(
        self, job_id: int, now: datetime, barcode: Barcode | None = None, drive: str | None = None, why: str = ""
    ) -> bool:
        """Claim a job, for a drive (by its serial number), with a sentence for its log.

        False when it cannot start any more: claimed by somebody else, cancelled, or not due yet.

        Raises: NotCatalogued.
        """

        def work(connection: Connection) -> bool:
            row = locked_job(connection, job_id)
            state = JobState(row.state)
            if state is JobState.WAITING_RETRY and (row.not_before is None or row.not_before <= now):
                step_job(connection, row, "requeue")
                row = locked_job(connection, job_id)
            elif state is not JobState.QUEUED:
                return False
            values = {"started_at": now, "ended_at": None, "attempts": row.attempts + 1, "done_bytes": 0, "phase": ""}
            values["rate_bytes_s"] = 0
            values |= {"barcode": barcode or row.barcode, "drive": drive or row.drive, "not_before": None}
            step_job(connection, row, "start", now=now, **values)
            if why:
                add_line(connection, job_id, why, now)
            return True

        return self._database.write(work)

    def progress(
        self,
        job_id: int,
        done_bytes: int,
        phase: str,
        eta_at: datetime | None = None,
        barcode: Barcode | None = None,
        rate_bytes_s: int = 0,
        now: datetime | None = None,
    ) -> None:
        """How far a running job is, and how fast lately; None leaves an earlier estimate or volume as it was.

        Jobs that do not run are left alone. With `now` a phase that is new is written to the job's log.
        """
        values: dict[str, object] = {"done_bytes": done_bytes, "phase": clean(phase), "rate_bytes_s": rate_bytes_s}
        values |= {"eta_at": eta_at} if eta_at is not None else {}
        values |= {"barcode": barcode} if barcode is not None else {}
        running = (Job.id == job_id) & (Job.state == JobState.RUNNING)

        def work(connection: Connection) -> None:
            before = connection.execute(select(Job.phase).where(running).with_for_update(of=Job)).scalar()
            connection.execute(update(Job).where(running).values(**values))
            if now is not None and before is not None and before != values["phase"]:
                add_line(connection, job_id, str(values["phase"]), now, done_bytes=done_bytes)

        self._database.write(work)

    def note(self, job_id: int, payload: Mapping[str, Any]) -> None:
        """Add to what a job carries: what it found. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            row = locked_job(connection, job_id)
            values = {"payload": clean_json({**row.payload, **payload})}
            connection.execute(update(Job).where(Job.id == job_id).values(**values))

        self._database.write(work)

    def plan(self, etas: Mapping[int, tuple[datetime | None, str]]) -> None:
        """When each waiting job should end, as far as that can be said, and what it waits for in words."""

        def work(connection: Connection) -> None:
            table = table_of(Job)
            waiting = (table.c.id == bindparam("job")) & (table.c.state == JobState.QUEUED.value)
            planned = update(table).where(waiting).values(eta_at=bindparam("eta"), phase=bindparam("words"))
            rows = [{"job": job, "eta": eta, "words": clean(words)} for job, (eta, words) in sorted(etas.items())]
            connection.execute(planned, rows)

        if etas:
            self._database.write(work)

    def finish(self, job_id: int, now: datetime, message: str = "") -> None:
        """It is done. Raises: IllegalTransition unless it was running."""

        def work(connection: Connection) -> None:
            row = locked_job(connection, job_id)
            done = {"ended_at": now, "eta_at": None, "message": clean(message), "done_bytes": row.size_bytes}
            step_job(connection, row, "finish", **done)

        self._database.write(work)

    def fail(self, job_id: int, message: str, now: datetime, retry_at: datetime | None = None) -> None:
        """It did not work: tried again at a time, or given up. Raises: IllegalTransition unless it was running.

        A job whose cancellation was wished is cancelled instead of tried again.
        """

        def work(connection: Connection) -> None:
            row = locked_job(connection, job_id)
            if retry_at is not None and row.cancel_requested:
                step_job(connection, row, "cancel", message=clean(message), ended_at=now, eta_at=None)
            elif retry_at is not None:
                step_job(connection, row, "retry", now=now, message=clean(message), not_before=retry_at, eta_at=None)
            else:
                step_job(connection, row, "fail", message=clean(message), ended_at=now, eta_at=None)

        self._database.write(work)

    def requeue(self, job_id: int, now: datetime) -> None:
        """Put it into the queue again: interrupted, answered by an operator, or wanted once more by a person.

        Raises: JobRefused when a failed job's work is being done by another job now; IllegalTransition.
        """

        def work(connection: Connection) -> None:
            row = locked_job(connection, job_id)
            if row.active_key is None:
                other = connection.execute(select(Job.id).where(Job.active_key == row.key)).scalar()
                if other is not None:
                    raise JobRefused(f"job {job_id} is not tried again: job {other} does the same already")
            step_job(
                connection,
                row,
                "requeue",
                now=now,
                active_key=row.key,
                not_before=None,
                ended_at=None,
                phase="",
                eta_at=None,
            )
            bump(connection)

        self._database.write(work)

    def retry(self, job_id: int, now: datetime) -> None:
        """A person wants another try of a job that was given up.

        Raises: JobRefused when another job does the same now, IllegalTransition unless it was given up.
        """
        job = self.get(job_id)
        if job.state != JobState.FAILED:
            raise IllegalTransition(
                f"job {job_id} is {job.state.replace('_', ' ')}: only one that was given up is retried"
            )
        self.requeue(job_id, now)
        self._database.write(
            lambda connection: add(
                connection, "info", "job_requeued", str(job_id), {"kind": job.kind.value, "volume": job.barcode}, now
            )
        )

    def want_operator(self, job_id: int, barcode: Barcode | None, message: str, now: datetime) -> None:
        """It waits for a person to bring a volume; None: a new one, which nobody has named yet.

        The first of several jobs that wait for the same volume makes an event of it. Raises: IllegalTransition.
        """

        def work(connection: Connection) -> None:
            row = locked_job(connection, job_id)
            values = {"barcode": barcode, "message": clean(message), "eta_at": None, "phase": ""}
            same = (Job.barcode == barcode) if barcode is not None else Job.barcode.is_(None) & (Job.pool == row.pool)
            asked = select(Job.id).where(Job.state == JobState.WAITING_OPERATOR, Job.id != job_id, same).limit(1)
            news = row.state != JobState.WAITING_OPERATOR or row.barcode != barcode
            if news and connection.execute(asked).first() is None:
                names = requesters_of(connection, [job_id]).get(job_id, ())
                where = connection.execute(
                    select(Volume.library, Volume.place, Volume.location).where(Volume.barcode == barcode)
                ).first()
                fields = {"job": job_id, "kind": row.kind, "pool": row.pool, "wanted_by": list(names), "what": message}
                fields |= dict(where._mapping) if where is not None else {}
                add(connection, "warning", "operator_wanted", barcode or row.pool or "", fields, now)
            if row.state == JobState.WAITING_RETRY:
                step_job(connection, row, "requeue")
                row = locked_job(connection, job_id)
            step_job(connection, row, "want_operator", now=now if news else None, not_before=None, **values)

        self._database.write(work)

    def operator_answered(self, barcode: Barcode, now: datetime) -> list[int]:
        """A volume was brought: the jobs that waited for it go on; their ids."""

        def work(connection: Connection) -> list[int]:
            waiting = connection.execute(
                select(Job.__table__)
                .where(Job.state == JobState.WAITING_OPERATOR, Job.barcode == barcode)
                .order_by(Job.id)
                .with_for_update(of=Job)
            ).all()
            for row in waiting:
                step_job(connection, row, "requeue", now=now, message="")
            if waiting:
                bump(connection)
            return [int(row.id) for row in waiting]

        return self._database.write(work)

    def cancel(self, job_id: int, now: datetime) -> JobState:
        """Cancel a job that does not run; of a running one note the wish, the mover looks. The state it is in now.

        Raises: IllegalTransition when it has ended.
        """

        def work(connection: Connection) -> JobState:
            row = locked_job(connection, job_id)
            fields = {"kind": row.kind, "volume": row.barcode}
            if row.state != JobState.RUNNING:
                state = step_job(connection, row, "cancel", ended_at=now, eta_at=None)
                add(connection, "info", "job_cancelled", str(job_id), fields, now)
                return state
            connection.execute(update(Job).where(Job.id == job_id).values(cancel_requested=True))
            add(connection, "info", "job_cancelled", str(job_id), {**fields, "while": "running"}, now)
            bump(connection)
            return JobState.RUNNING

        return self._database.write(work)

    def cancel_requested(self, job_id: int) -> bool:
        """Whether somebody wishes that a running job stops."""
        statement = select(Job.cancel_requested).where(Job.id == job_id)
        return self._database.read(lambda connection: bool(connection.execute(statement).scalar()))

    def cancelled(self, job_id: int, now: datetime) -> bool:
        """Somebody wished a running job away, and it can stop now. False when it is wanted again: it goes on then."""

        def work(connection: Connection) -> bool:
            row = locked_job(connection, job_id)
            if not row.cancel_requested:
                return False
            step_job(connection, row, "cancel", ended_at=now, eta_at=None)
            return True

        return self._database.write(work)

    def interrupted(self, now: datetime) -> list[int]:
        """The engine begins: what was running goes back into the queue, or is cancelled where that was wished."""

        def work(connection: Connection) -> list[int]:
            running = connection.execute(
                select(Job.__table__).where(Job.state == JobState.RUNNING).order_by(Job.id).with_for_update(of=Job)
            ).all()
            for row in running:
                if row.cancel_requested:
                    step_job(connection, row, "cancel", ended_at=now, eta_at=None)
                else:
                    step_job(connection, row, "requeue", now=now, phase="", eta_at=None)
            if running:
                bump(connection)
            return [int(row.id) for row in running]

        return self._database.write(work)

    def get(self, job_id: int) -> JobRecord:
        """One job. Raises: NotCatalogued."""
        statement = select_jobs().where(Job.id == job_id)
        return self._database.read(lambda connection: job_record(one(connection, statement, f"job {job_id}")))

    def list(
        self,
        states: Collection[JobState] = (),
        kinds: Collection[JobKind] = (),
        study_uid: str | None = None,
        pool: str | None = None,
        barcode: str | None = None,
        limit: int = 100,
        before: int | None = None,
        drive: str | None = None,
        requested_by: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[JobRecord]:
        """The newest jobs that fit; `before` is the id of the last one seen, to page on.

        `drive`: serial number; `since`, `until` (excluded): when it was asked for.
        """
        statement = select_jobs().order_by(Job.id.desc()).limit(limit)
        if states:
            statement = statement.where(Job.state.in_(sorted(states)))
        if kinds:
            statement = statement.where(Job.kind.in_(sorted(kinds)))
        statement = narrowed(
            statement,
            (eq, Study.study_instance_uid, study_uid),
            (eq, Job.pool, pool),
            (eq, Job.barcode, barcode),
            (eq, Job.drive, drive),
            (eq, Job.requested_by, requested_by),
            (ge, Job.created_at, since),
            (lt, Job.created_at, until),
            (lt, Job.id, before),
        )
        return self._database.read(lambda connection: [job_record(row) for row in connection.execute(statement)])

    def pending(self, now: datetime) -> int:
        """How many jobs may start now."""
        statement = select(func.count()).select_from(Job).where(_due(now))
        return self._database.read(lambda connection: int(connection.execute(statement).scalar_one()))

    def version(self) -> int:
        """A number that grows whenever there is something new for the engine: submitted, requeued, to be cancelled."""
        statement = select(Counter.value).where(Counter.name == "jobs")
        return self._database.read(lambda connection: int(connection.execute(statement).scalar() or 0))

    def prune(self, ended_before: datetime) -> int:
        """Forget jobs and deliveries that ended before a time, and recall requests that served them; how many jobs."""

        def work(connection: Connection) -> int:
            old = (Job.ended_at < ended_before) & Job.state.not_in(sorted(ACTIVE_JOBS))
            ids = select(Job.id).where(old).scalar_subquery()
            connection.execute(delete(RecallJob).where(RecallJob.job_fk.in_(ids)))
            connection.execute(delete(JobLine).where(JobLine.job_fk.in_(ids)))
            connection.execute(delete(Delivery).where(Delivery.ended_at < ended_before))
            orphan = (
                (RecallRequest.created_at < ended_before)
                & ~exists().where(RecallJob.request_fk == RecallRequest.id)
                & ~exists().where(Delivery.request_fk == RecallRequest.id)
            )
            connection.execute(delete(RecallRequest).where(orphan))
            return len(connection.execute(delete(Job).where(old).returning(Job.id)).all())

        return self._database.write(work)
