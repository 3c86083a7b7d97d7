"""What the end of a job means to those who wait for it, inside a caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection, exists, select, update

from hsm.catalog.database import AnyRow
from hsm.catalog.events import add
from hsm.catalog.text import clean
from hsm.catalog.wanted import wanted_of
from hsm.models import Job, RecallJob, RecallRequest, Study
from hsm.states import (
    ACTIVE_DELIVERIES,
    ACTIVE_JOBS,
    DELIVERY_TABLE,
    REQUEST_TABLE,
    DeliveryState,
    JobState,
    RequestState,
    step,
)
from hsm.wishes import Delivery

NO_JOB_LEFT = "what works on it ended without bringing all of it back; ask again"


def job_ended(connection: Connection, job_id: int, now: datetime) -> None:
    """A job ended: requests that have all of it are ready, those that nothing works on any more have failed."""
    for request in _requests_of(connection, job_id, RequestState.WAITING):
        if not wanted_of(connection, request.study_fk, request.series_uids, request.instance_uids):
            end_request(connection, request, "ready", now)
        elif not _is_worked_on(connection, request.id):
            end_request(connection, request, "fail", now, _why(connection, request.id))


def job_begins_again(connection: Connection, job_id: int) -> None:
    """A job that had failed is in the queue again: so are those who wait for it."""
    for request in _requests_of(connection, job_id, RequestState.FAILED):
        state = step(REQUEST_TABLE, RequestState.FAILED, "again")
        values = {"state": state.value, "ended_at": None, "why": "", "seen_at": None}
        connection.execute(update(RecallRequest).where(RecallRequest.id == request.id).values(**values))


def move_delivery(
    connection: Connection, delivery: AnyRow, event: str, now: datetime, message: str = "", by: str = ""
) -> None:
    """Move a delivery by one event; its end is an event that its requester can be told by.

    Raises: IllegalTransition.
    """
    state = step(DELIVERY_TABLE, DeliveryState(delivery.state), event)
    over = state not in ACTIVE_DELIVERIES
    values = {"state": state.value, "message": clean(message), "ended_at": now if over else None}
    values |= {"active_key": None, "claimed_by": None, "claimed_until": None} if over else {}
    connection.execute(update(Delivery).where(Delivery.id == delivery.id).values(**values))
    if over:
        study = connection.execute(select(Study.study_instance_uid).where(Study.id == delivery.study_fk)).scalar_one()
        fields = {"delivery": delivery.id, "destination": delivery.destination, "requester": delivery.requested_by}
        fields |= {"why": message} | ({"by": by} if by else {})
        level = "warning" if state is DeliveryState.FAILED else "info"
        add(connection, level, f"delivery_{state.value}", study, fields, now)


def _tell_deliveries(connection: Connection, request: AnyRow, state: RequestState, now: datetime, why: str) -> None:
    """Those that wait for a recall are due, or end as it ended."""
    waiting = select(Delivery.__table__).where(
        Delivery.request_fk == request.id, Delivery.state == DeliveryState.WAITING
    )
    for delivery in connection.execute(waiting.order_by(Delivery.id).with_for_update(of=Delivery)).all():
        if state is RequestState.READY:
            move_delivery(connection, delivery, "ready", now)
            if delivery.own_request:  # its requester is told of the delivery instead
                seen = update(RecallRequest).where(RecallRequest.id == request.id).values(seen_at=now)
                connection.execute(seen)
        elif state is RequestState.FAILED:
            move_delivery(connection, delivery, "fail", now, f"its recall failed: {why}")
        else:
            move_delivery(connection, delivery, "cancel", now, why)


def end_request(
    connection: Connection, request: AnyRow, event: str, now: datetime, why: str = "", by: str = ""
) -> None:
    """Move a request by one event, and make an event of it that its requester can be told by.

    Raises: IllegalTransition.
    """
    state = step(REQUEST_TABLE, RequestState(request.state), event)
    values = {"state": state.value, "ended_at": now, "why": clean(why)}
    connection.execute(update(RecallRequest).where(RecallRequest.id == request.id).values(**values))
    study = connection.execute(select(Study.study_instance_uid).where(Study.id == request.study_fk)).scalar_one()
    fields = {"request": request.id, "requester": request.requested_by, "why": why} | ({"by": by} if by else {})
    level = "warning" if state is RequestState.FAILED else "info"
    add(connection, level, f"recall_{state.value}", study, fields, now)
    _tell_deliveries(connection, request, state, now, why)


def _requests_of(connection: Connection, job_id: int, state: RequestState) -> list[AnyRow]:
    linked = exists().where(RecallJob.request_fk == RecallRequest.id, RecallJob.job_fk == job_id)
    statement = select(RecallRequest.__table__).where(linked, RecallRequest.state == state).order_by(RecallRequest.id)
    return list(connection.execute(statement.with_for_update(of=RecallRequest)))


def _is_worked_on(connection: Connection, request_id: int) -> bool:
    statement = (
        select(Job.id)
        .join(RecallJob, RecallJob.job_fk == Job.id)
        .where(RecallJob.request_fk == request_id, Job.state.in_(sorted(ACTIVE_JOBS)))
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def _why(connection: Connection, request_id: int) -> str:
    """The last thing that went wrong with its jobs."""
    statement = (
        select(Job.message, Job.state)
        .join(RecallJob, RecallJob.job_fk == Job.id)
        .where(RecallJob.request_fk == request_id, Job.state != JobState.DONE)
        .order_by(Job.ended_at.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None:
        return NO_JOB_LEFT
    if row.state == JobState.CANCELLED:
        return f"its job was cancelled: {row.message}" if row.message else "its job was cancelled"
    return str(row.message) or NO_JOB_LEFT
