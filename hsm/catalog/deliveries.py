"""Deliveries: studies that are to be sent to a DICOM node, at once or after their recall, tried until a deadline."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from operator import eq, lt
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update
from sqlalchemy.orm import aliased

from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.errors import DeliveryRefused
from hsm.catalog.events import add
from hsm.catalog.recalls import request_in
from hsm.catalog.requests import cancel_in
from hsm.catalog.rows import insert_row, narrowed, one, study_id
from hsm.catalog.settling import move_delivery
from hsm.catalog.text import clean
from hsm.catalog.wanted import wanted_of
from hsm.facts import SeriesUid, SopInstanceUid, StudyUid
from hsm.models import RecallRequest, Study
from hsm.states import ACTIVE_DELIVERIES, DELIVERY_TABLE, DeliveryState, RequestState, step
from hsm.wishes import Delivery

ACTIVE = sorted(ACTIVE_DELIVERIES)


@dataclass(frozen=True)
class MoveOrigin:
    """The C-MOVE that a delivery goes on with (PS3.7 table 9.1-1, Move Originator)."""

    aet: str
    message_id: int


@dataclass(frozen=True)
class DeliveryRecord:
    """What is sent where, for whom, and how far it is."""

    id: int
    study_instance_uid: StudyUid
    series_uids: tuple[SeriesUid, ...]  # empty, as the next: the whole study
    sop_uids: tuple[SopInstanceUid, ...]
    destination: str  # AE title
    requested_by: str
    created_at: datetime
    deadline: datetime  # not tried any more after it
    not_before: datetime | None  # of the next try
    state: DeliveryState
    tries: int
    message: str  # what went wrong last, or what became of it
    request_id: int | None  # the recall it waits for or waited for last
    total: int  # objects, as far as known
    sent: int
    sent_uids: tuple[str, ...]  # accepted in earlier tries: not sent again
    origin: MoveOrigin | None
    ended_at: datetime | None
    seen_at: datetime | None


class Deliveries:
    """Deliveries. Whoever sends claims one, reports how far it is, and says how it ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- wanting -----------------------------------------------------------------------------------------------------

    def ask(
        self,
        study_uid: str,
        destination: str,
        series_uids: Collection[str] = (),
        sop_uids: Collection[str] = (),
        *,
        requested_by: str,
        now: datetime,
        deadline: datetime,
        request_id: int | None = None,
        origin: MoveOrigin | None = None,
    ) -> int:
        """Want a study, some series or some instances sent to a node; the id of the delivery.

        What is not on disk is recalled first, in the same transaction; with `request_id` that recall is waited for
        instead of a new one. The same wish of the same requester that is not over yet is joined.

        Raises: NotCatalogued, NotRecallable (nothing is wanted then).
        """
        key = _key(study_uid, destination, series_uids, sop_uids, requested_by)

        def work(connection: Connection) -> int:
            study = study_id(connection, study_uid, lock=True)
            there = connection.execute(select(Delivery.id).where(Delivery.active_key == key)).scalar()
            if there is not None:
                return int(there)
            request, own = request_id, False
            if request is not None:
                one(
                    connection, select(RecallRequest.id).where(RecallRequest.id == request), f"recall request {request}"
                )
            waits = request is not None and _is_waiting(connection, request)
            if not waits and wanted_of(connection, study, series_uids, sop_uids):
                request = request_in(connection, study_uid, series_uids, sop_uids, requested_by, now)
                own = waits = True
            values = {
                "study_fk": study,
                "destination": destination,
                "series_uids": sorted(series_uids),
                "instance_uids": sorted(sop_uids),
                "requested_by": clean(requested_by),
                "created_at": now,
                "deadline": deadline,
                "state": (DeliveryState.WAITING if waits else DeliveryState.QUEUED).value,
                "active_key": key,
                "request_fk": request,
                "own_request": own,
                "origin_aet": origin.aet if origin else None,
                "origin_message": origin.message_id if origin else None,
            }
            made = insert_row(connection, Delivery, values)
            fields = {"delivery": made, "destination": destination, "requested_by": requested_by, "request": request}
            add(connection, "info", "delivery_requested", study_uid, fields, now)
            return made

        return self._database.write(work)

    def cancel(self, delivery_id: int, by: str, now: datetime) -> None:
        """Take a delivery back; a recall that was only made for it is taken back, too. What is being sent now stops.

        Raises: NotCatalogued; IllegalTransition when it is over.
        """

        def work(connection: Connection) -> None:
            row = _locked(connection, delivery_id)
            move_delivery(connection, row, "cancel", now, f"taken back by {by}", by=by)
            if row.own_request and row.request_fk is not None and _is_waiting(connection, row.request_fk):
                others = exists().where(Delivery.request_fk == row.request_fk, Delivery.state.in_(ACTIVE))
                if not connection.execute(select(others)).scalar():
                    cancel_in(connection, row.request_fk, by, now)

        self._database.write(work)

    def again(self, delivery_id: int, now: datetime, deadline: datetime) -> None:
        """Try a failed one again, until a new deadline.

        Raises: NotCatalogued; IllegalTransition unless it failed; DeliveryRefused when the same was asked for since.
        """

        def work(connection: Connection) -> None:
            row = _locked(connection, delivery_id)
            step(DELIVERY_TABLE, DeliveryState(row.state), "again")
            study = connection.execute(select(Study.study_instance_uid).where(Study.id == row.study_fk)).scalar_one()
            key = _key(study, row.destination, row.series_uids, row.instance_uids, row.requested_by)
            if connection.execute(select(Delivery.id).where(Delivery.active_key == key)).first() is not None:
                raise DeliveryRefused(f"delivery {delivery_id} is not tried again: another one does the same already")
            move_delivery(connection, row, "again", now)
            values = {"active_key": key, "deadline": deadline, "not_before": None, "seen_at": None}
            connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))

        self._database.write(work)

    # -- sending -----------------------------------------------------------------------------------------------------

    def claim(self, holder: str, now: datetime, lease_s: float) -> DeliveryRecord | None:
        """Take the oldest one that is due; None when there is none.

        A node is sent to by one at a time. One whose sender fell silent for its lease is due again.
        """
        other = aliased(Delivery)
        busy = exists().where(
            other.ended_at.is_(None),
            other.destination == Delivery.destination,
            other.state == DeliveryState.SENDING,
            other.claimed_until >= now,
        )
        due = (
            (Delivery.state == DeliveryState.QUEUED) & (Delivery.not_before.is_(None) | (Delivery.not_before <= now))
        ) | ((Delivery.state == DeliveryState.SENDING) & (Delivery.claimed_until < now))

        due = Delivery.ended_at.is_(None) & due  # said so that the small index is used
        first = select(Delivery.id).where(due, ~busy).order_by(Delivery.id).limit(1)
        if self._database.read(lambda connection: connection.execute(first).first()) is None:
            return None  # the usual case takes no lock

        def work(connection: Connection) -> DeliveryRecord | None:
            row = connection.execute(
                select(Delivery.__table__)
                .where(due, ~busy)
                .order_by(Delivery.id)
                .limit(1)
                .with_for_update(of=Delivery, skip_locked=True)
            ).first()
            if row is None:
                return None
            move_delivery(connection, row, "send", now)
            values = {
                "claimed_by": holder,
                "claimed_until": now + timedelta(seconds=lease_s),
                "tries": row.tries + 1,
                "not_before": None,
            }
            connection.execute(update(Delivery).where(Delivery.id == row.id).values(**values))
            return _record(one(connection, _select().where(Delivery.id == row.id), f"delivery {row.id}"))

        return self._database.write(work)

    def progress(self, delivery_id: int, holder: str, total: int, sent: int, now: datetime, lease_s: float) -> bool:
        """How many objects arrived. False when the sender must stop: taken back, or claimed by another."""
        mine = (Delivery.id == delivery_id) & (Delivery.claimed_by == holder)
        statement = (
            update(Delivery)
            .where(mine, Delivery.state == DeliveryState.SENDING)
            .values(total=total, sent=sent, claimed_until=now + timedelta(seconds=lease_s))
            .returning(Delivery.id)
        )
        return self._database.write(lambda connection: connection.execute(statement).first() is not None)

    def done(self, delivery_id: int, holder: str, total: int, now: datetime) -> None:
        """All of it arrived. Nothing happens when it was taken back meanwhile or is another's."""
        self._end(delivery_id, holder, "done", now, "", {"total": total, "sent": total, "sent_uids": []})

    def failed(
        self,
        delivery_id: int,
        holder: str,
        sent_uids: Collection[str],
        total: int,
        message: str,
        now: datetime,
        retry_at: datetime | None,
    ) -> None:
        """Not all of it arrived: tried again at a time, or given up with None or past the deadline.

        Nothing happens when it was taken back meanwhile or is another's.
        """
        values = {"total": total, "sent": len(sent_uids), "sent_uids": sorted(sent_uids), "not_before": retry_at}
        self._end(delivery_id, holder, "fail" if retry_at is None else "retry", now, message, values)

    def recall_first(self, delivery_id: int, holder: str, now: datetime) -> None:
        """Part of it is not on disk (any more): it is recalled, and the delivery waits for that.

        Raises: NotRecallable.
        """

        def work(connection: Connection) -> None:
            row = _claimed(connection, delivery_id, holder)
            if row is None:
                return
            study = connection.execute(select(Study.study_instance_uid).where(Study.id == row.study_fk)).scalar_one()
            request = request_in(connection, study, row.series_uids, row.instance_uids, row.requested_by, now)
            if not _is_waiting(connection, request):  # it came back in this very moment
                move_delivery(connection, row, "retry", now)
            else:
                move_delivery(connection, row, "await_recall", now)
            values = {"request_fk": request, "own_request": True, "claimed_by": None, "claimed_until": None}
            connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))

        self._database.write(work)

    def expire(self, now: datetime) -> int:
        """Give up what waits past its deadline; how many."""
        late = select(Delivery.__table__).where(
            Delivery.ended_at.is_(None),
            Delivery.state.in_([DeliveryState.WAITING, DeliveryState.QUEUED]),
            Delivery.deadline < now,
        )
        if self._database.read(lambda connection: connection.execute(late.limit(1)).first()) is None:
            return 0

        def work(connection: Connection) -> int:
            rows = connection.execute(late.order_by(Delivery.id).with_for_update(of=Delivery)).all()
            for row in rows:
                why = f"not done by its deadline; last: {row.message}" if row.message else "not done by its deadline"
                move_delivery(connection, row, "fail", now, why)
            return len(rows)

        return self._database.write(work)

    def _end(
        self, delivery_id: int, holder: str, event: str, now: datetime, message: str, values: dict[str, Any]
    ) -> None:
        def work(connection: Connection) -> None:
            row = _claimed(connection, delivery_id, holder)
            if row is None:
                return
            late = event == "retry" and row.deadline <= values["not_before"]
            connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))
            move_delivery(connection, row, "fail" if late else event, now, message)

        self._database.write(work)

    # -- looking -----------------------------------------------------------------------------------------------------

    def get(self, delivery_id: int) -> DeliveryRecord:
        """One delivery. Raises: NotCatalogued."""
        statement, what = _select().where(Delivery.id == delivery_id), f"delivery {delivery_id}"
        return self._database.read(lambda connection: _record(one(connection, statement, what)))

    def news(self, requested_by: str, since: datetime, limit: int = 20) -> tuple[Sequence[DeliveryRecord], int]:
        """What arrived or failed since a time and was not put away: the newest, and how many in all."""
        fresh = _is_news(requested_by) & (Delivery.ended_at >= since)
        statement = _select().where(fresh).order_by(Delivery.ended_at.desc(), Delivery.id.desc()).limit(limit)
        counted = select(func.count()).select_from(Delivery).where(fresh)

        def look(connection: Connection) -> tuple[Sequence[DeliveryRecord], int]:
            number = int(connection.execute(counted).scalar_one())
            return ([_record(row) for row in connection.execute(statement)] if number else []), number

        return self._database.read(look)

    def put_away(self, requested_by: str, now: datetime, delivery_id: int | None = None) -> None:
        """Their requester has seen the news of one delivery, or of all that have ended."""
        statement = update(Delivery).where(_is_news(requested_by)).values(seen_at=now)
        if delivery_id is not None:
            statement = statement.where(Delivery.id == delivery_id)
        self._database.write(lambda connection: connection.execute(statement))

    def list(
        self,
        requested_by: str | None = None,
        states: Collection[DeliveryState] = (),
        study_uid: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> Sequence[DeliveryRecord]:
        """The newest deliveries that fit; `before` is the id of the last one seen, to page on."""
        statement = narrowed(
            _select().order_by(Delivery.id.desc()).limit(limit),
            (eq, Delivery.requested_by, requested_by),
            (eq, Study.study_instance_uid, study_uid),
            (lt, Delivery.id, before),
        )
        if states:
            statement = statement.where(Delivery.state.in_(sorted(states)))
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])


def _is_news(requested_by: str) -> ColumnElement[bool]:
    ended = Delivery.state.in_([DeliveryState.DONE, DeliveryState.FAILED])
    return (Delivery.requested_by == requested_by) & ended & Delivery.seen_at.is_(None)


def _key(
    study_uid: str, destination: str, series_uids: Collection[str], sop_uids: Collection[str], requested_by: str
) -> str:
    parts = "\n".join((requested_by, destination, study_uid, " ".join(sorted(series_uids)), " ".join(sorted(sop_uids))))
    return sha256(parts.encode()).hexdigest()


def _is_waiting(connection: Connection, request_id: int) -> bool:
    statement = select(RecallRequest.state).where(RecallRequest.id == request_id)
    return connection.execute(statement).scalar() == RequestState.WAITING


def _locked(connection: Connection, delivery_id: int) -> AnyRow:
    """The row; recalls of its study wait for this transaction."""
    what = f"delivery {delivery_id}"
    uid = select(Study.study_instance_uid).join(Delivery, Delivery.study_fk == Study.id)
    study_id(connection, one(connection, uid.where(Delivery.id == delivery_id), what)[0], lock=True)
    statement = select(Delivery.__table__).where(Delivery.id == delivery_id).with_for_update(of=Delivery)
    return one(connection, statement, what)


def _claimed(connection: Connection, delivery_id: int, holder: str) -> AnyRow | None:
    row = _locked(connection, delivery_id)
    return row if row.state == DeliveryState.SENDING and row.claimed_by == holder else None


def _select() -> AnySelect:
    return select(Delivery.__table__, Study.study_instance_uid.label("study_uid")).join(
        Study, Study.id == Delivery.study_fk
    )


def _record(row: AnyRow) -> DeliveryRecord:
    return DeliveryRecord(
        id=row.id,
        study_instance_uid=StudyUid(row.study_uid),
        series_uids=tuple(map(SeriesUid, row.series_uids)),
        sop_uids=tuple(map(SopInstanceUid, row.instance_uids)),
        destination=row.destination,
        requested_by=row.requested_by,
        created_at=row.created_at,
        deadline=row.deadline,
        not_before=row.not_before,
        state=DeliveryState(row.state),
        tries=row.tries,
        message=row.message,
        request_id=row.request_fk,
        total=row.total,
        sent=row.sent,
        sent_uids=tuple(row.sent_uids),
        origin=None if row.origin_aet is None else MoveOrigin(row.origin_aet, row.origin_message or 0),
        ended_at=row.ended_at,
        seen_at=row.seen_at,
    )
