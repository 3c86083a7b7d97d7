"""Recall requests as their requesters see them: what became of them, and taking one back."""

from collections.abc import Collection
from datetime import datetime
from operator import eq, lt

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.job_rows import ACTIVE, bump, job_record, select_jobs, step_job
from hsm.catalog.records import RequestRecord
from hsm.catalog.rows import chunks, narrowed, one, study_id
from hsm.catalog.settling import end_request
from hsm.facts import JobRecord, StudyUid
from hsm.models import Job, RecallJob, RecallRequest, Study
from hsm.states import JobState, RequestState

NEWS = (RequestState.READY.value, RequestState.FAILED.value)


class Requests:
    """Recall requests. Making one is `recalls.request`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, request_id: int) -> RequestRecord:
        """One request. Raises: NotCatalogued."""
        statement = _select().where(RecallRequest.id == request_id)
        what = f"recall request {request_id}"
        return self._database.read(lambda connection: _record(one(connection, statement, what)))

    def waiting_for(self, job_id: int) -> list[RequestRecord]:
        """The requests that wait for a job, oldest first."""
        linked = exists().where(RecallJob.job_fk == job_id, RecallJob.request_fk == RecallRequest.id)
        waits = RecallRequest.state == RequestState.WAITING.value
        statement = _select().where(linked, waits).order_by(RecallRequest.id)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def jobs_of(self, request_ids: Collection[int]) -> dict[int, list[JobRecord]]:
        """The jobs that serve each request, in their order; a request without any is left out."""

        def work(connection: Connection) -> dict[int, list[JobRecord]]:
            found: dict[int, list[JobRecord]] = {}
            for part in chunks(sorted(set(request_ids))):
                statement = (
                    select_jobs()
                    .add_columns(RecallJob.request_fk.label("request_fk"))
                    .join(RecallJob, RecallJob.job_fk == Job.id)
                    .where(RecallJob.request_fk.in_(part))
                    .order_by(Job.id)
                )
                for row in connection.execute(statement):
                    found.setdefault(row.request_fk, []).append(job_record(row))
            return found

        return self._database.read(work)

    def cancel(self, request_id: int, by: str, now: datetime) -> int:
        """Take one wish back. Work that nobody else waits for ends, all other work goes on.

        Returns: how many jobs end with it.
        Raises: NotCatalogued; IllegalTransition when it is over already.
        """

        return self._database.write(lambda connection: cancel_in(connection, request_id, by, now))

    def studies_recalled(self, requested_by: str, since: datetime) -> frozenset[str]:
        """UIDs of the studies that somebody wanted back from volumes since a time."""
        statement = (
            select(Study.study_instance_uid)
            .join(RecallRequest, RecallRequest.study_fk == Study.id)
            .where(
                RecallRequest.requested_by == requested_by,
                RecallRequest.created_at >= since,
                exists().where(RecallJob.request_fk == RecallRequest.id),
            )
            .distinct()
        )
        return self._database.read(lambda connection: frozenset(connection.execute(statement).scalars()))

    # -- news --------------------------------------------------------------------------------------------------------

    def news(self, requested_by: str, since: datetime, limit: int = 20) -> tuple[list[RequestRecord], int]:
        """What became ready or failed since a time and was not put away: the newest, and how many in all."""
        fresh = _is_news(requested_by, since)
        statement = _select().where(fresh).order_by(RecallRequest.ended_at.desc(), RecallRequest.id.desc()).limit(limit)
        counted = select(func.count()).select_from(RecallRequest).where(fresh)

        def look(connection: Connection) -> tuple[list[RequestRecord], int]:
            number = connection.execute(counted).scalar_one()
            return ([_record(row) for row in connection.execute(statement)] if number else []), int(number)

        return self._database.read(look)

    def put_away(self, requested_by: str, now: datetime, request_id: int | None = None) -> None:
        """Their requester has seen the news of one request, or of all that have ended."""
        statement = update(RecallRequest).where(
            RecallRequest.requested_by == requested_by, RecallRequest.state.in_(NEWS), RecallRequest.seen_at.is_(None)
        )
        if request_id is not None:
            statement = statement.where(RecallRequest.id == request_id)
        self._database.write(lambda connection: connection.execute(statement.values(seen_at=now)))

    # last, for its name is a type above
    def list(
        self,
        requested_by: str | None = None,
        states: Collection[RequestState] = (),
        study_uid: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[RequestRecord]:
        """The newest requests that fit; `before` is the id of the last one seen, to page on."""
        statement = narrowed(
            _select().order_by(RecallRequest.id.desc()).limit(limit),
            (eq, RecallRequest.requested_by, requested_by),
            (eq, Study.study_instance_uid, study_uid),
            (lt, RecallRequest.id, before),
        )
        if states:
            statement = statement.where(RecallRequest.state.in_(sorted(states)))
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])


def cancel_in(connection: Connection, request_id: int, by: str, now: datetime) -> int:
    """As Requests.cancel, in the caller's transaction."""
    found = _locked(connection, request_id)
    jobs = _jobs_for_it_alone(connection, request_id)
    end_request(connection, found, "cancel", now, f"taken back by {by}", by)
    for job in jobs:
        if job.state == JobState.RUNNING:
            connection.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
        else:
            step_job(connection, job, "cancel", ended_at=now, eta_at=None, message=f"taken back by {by}")
    if jobs:
        bump(connection)
    return len(jobs)


def _locked(connection: Connection, request_id: int) -> AnyRow:
    """The row; nobody else joins, ends or takes back work for its study until the transaction ends."""
    what = f"recall request {request_id}"
    study = (
        select(Study.study_instance_uid)
        .join(RecallRequest, RecallRequest.study_fk == Study.id)
        .where(RecallRequest.id == request_id)
    )
    study_id(connection, one(connection, study, what)[0], lock=True)
    linked = exists().where(RecallJob.job_fk == Job.id, RecallJob.request_fk == request_id)
    connection.execute(select(Job.id).where(linked).order_by(Job.id).with_for_update(of=Job)).all()
    row = select(RecallRequest.__table__).where(RecallRequest.id == request_id).with_for_update(of=RecallRequest)
    return one(connection, row, what)


def _is_news(requested_by: str, since: datetime) -> ColumnElement[bool]:
    return (
        (RecallRequest.requested_by == requested_by)
        & RecallRequest.state.in_(NEWS)
        & RecallRequest.seen_at.is_(None)
        & (RecallRequest.ended_at >= since)
    )


def _jobs_for_it_alone(connection: Connection, request_id: int) -> list[AnyRow]:
    """The active jobs that serve a request and no other one that waits."""
    mine = exists().where(RecallJob.job_fk == Job.id, RecallJob.request_fk == request_id)
    others = exists().where(
        RecallJob.job_fk == Job.id,
        RecallJob.request_fk == RecallRequest.id,
        RecallRequest.id != request_id,
        RecallRequest.state == RequestState.WAITING,
    )
    statement = select(Job.__table__).where(Job.state.in_(ACTIVE), mine, ~others).order_by(Job.id)
    return list(connection.execute(statement))


def _select() -> AnySelect:
    return select(
        RecallRequest.id,
        Study.study_instance_uid,
        RecallRequest.requested_by,
        RecallRequest.created_at,
        RecallRequest.state,
        RecallRequest.ended_at,
        RecallRequest.why,
        RecallRequest.seen_at,
        RecallRequest.series_uids,
        RecallRequest.instance_uids,
    ).join(Study, Study.id == RecallRequest.study_fk)


def _record(row: AnyRow) -> RequestRecord:
    return RequestRecord(
        id=row[0],
        study_instance_uid=StudyUid(row[1]),
        requested_by=row[2],
        created_at=row[3],
        state=RequestState(row[4]),
        ended_at=row[5],
        why=row[6],
        seen_at=row[7],
        series=len(row[8]),
        instances=len(row[9]),
    )
