"""Priors that are wanted on disk for appointments: asked for, followed, and judged when the appointment begins."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update

from hsm.catalog.availability import availability_of, study_rank
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.events import add
from hsm.catalog.facts import PolicyFacts
from hsm.catalog.orders import OPEN, merged_ids
from hsm.catalog.recalls import request_in
from hsm.catalog.requests import cancel_in
from hsm.catalog.rows import chunks, insert_new, study_id
from hsm.catalog.studies import later_pin
from hsm.catalog.text import clean
from hsm.facts import StudyFacts
from hsm.models import Job, Patient, RecallJob, RecallRequest, Study
from hsm.orders.prefetch import BATCH_AHEAD, LONGEST_LEAD, Appointment, Wish
from hsm.orders.tables import OrderRow, PrefetchRow
from hsm.states import ACTIVE_JOBS, Availability, OrderState, RequestState

REQUESTER = "prefetch"
MOST = 5000  # appointments that are looked at


@dataclass(frozen=True)
class PrefetchRecord:
    """One prior of one appointment."""

    order_id: int
    study_instance_uid: str
    request_id: int | None  # None: it was on disk already, or cannot be had
    asked_at: datetime
    appointment_at: datetime
    keep_until: datetime
    rule: str
    why: str
    in_time: bool | None


@dataclass(frozen=True)
class PrefetchFigures:
    """How well prefetching did, over appointments that have begun."""

    priors: int
    on_disk: int  # when they were first looked at
    in_time: int  # on disk when the appointment began, the former included
    late: int


class Prefetches:
    """Prefetches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def appointments(self, now: datetime) -> list[tuple[Appointment, list[StudyFacts]]]:
        """The open appointments to come, and each patient's studies; also those under an ID that was merged."""

        def read(connection: Connection) -> list[tuple[Appointment, set[str]]]:
            rows = connection.execute(
                select(OrderRow.__table__)
                .where(OrderRow.state.in_(OPEN), OrderRow.scheduled_at < now + LONGEST_LEAD + BATCH_AHEAD)
                .where(OrderRow.scheduled_at > now - timedelta(days=1))
                .order_by(OrderRow.scheduled_at, OrderRow.id)
                .limit(MOST)
            ).all()
            studies: dict[tuple[str, str], set[str]] = {}
            found = []
            for row in rows:
                patient = (row.patient_id, row.issuer)
                if patient not in studies:
                    studies[patient] = _studies_of(connection, *patient)
                found.append((_appointment(row), studies[patient]))
            return found

        found = self._database.read(read)
        uids = {uid for _, studies in found for uid in studies}
        facts = {study.study_instance_uid: study for study in PolicyFacts(self._database).studies_for_policy(now, uids)}
        return [
            (appointment, [facts[uid] for uid in sorted(studies) if uid in facts])  # type: ignore[index]
            for appointment, studies in found
        ]

    def asked(self, now: datetime) -> set[tuple[int, str]]:
        """(order, study) of what was asked for and is not over."""
        statement = (
            select(PrefetchRow.order_fk, Study.study_instance_uid)
            .join(Study, Study.id == PrefetchRow.study_fk)
            .where(PrefetchRow.keep_until > now - timedelta(days=1))
        )
        return self._database.read(lambda connection: {(row[0], row[1]) for row in connection.execute(statement)})

    def ask(self, wish: Wish, now: datetime) -> None:
        """Recall one prior, due when its appointment begins, and keep it on disk until the appointment is over.

        Once for each appointment and prior. Raises: NotRecallable, NotCatalogued.
        """

        def work(connection: Connection) -> None:
            study = study_id(connection, wish.study_instance_uid, lock=True)
            made = _note(connection, wish, study, wish.why, now)
            if made is None:
                return
            later_pin(connection, study, wish.keep_until)
            rank = connection.execute(select(study_rank(Study.id)).where(Study.id == study)).scalar_one()
            if availability_of(rank) is Availability.ONLINE:
                return
            reason = f"prefetch for appointment {wish.order_id} at {wish.begins_at:%Y-%m-%d %H:%M} UTC"
            request = request_in(
                connection, wish.study_instance_uid, (), (), REQUESTER, now, reason=reason, due_at=wish.begins_at
            )
            connection.execute(update(PrefetchRow).where(PrefetchRow.id == made).values(request_fk=request))

        self._database.write(work)

    def give_up(self, wish: Wish, why: str, now: datetime) -> None:
        """Note that a prior cannot be had; it is not asked for again for this appointment. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            study = study_id(connection, wish.study_instance_uid)
            if _note(connection, wish, study, f"{wish.why} It cannot be had: {why}.", now) is not None:
                fields = {"order": wish.order_id, "why": why}
                add(connection, "warning", "prefetch_impossible", wish.study_instance_uid, fields, now)

        self._database.write(work)

    def follow(self, now: datetime) -> None:
        """Follow appointments that were moved or taken back, and judge those that have begun."""

        def work(connection: Connection) -> None:
            rows = connection.execute(
                select(PrefetchRow.__table__, OrderRow.scheduled_at, OrderRow.duration_s, OrderRow.state.label("order"))
                .join(OrderRow, OrderRow.id == PrefetchRow.order_fk)
                .where(PrefetchRow.judged_at.is_(None))
                .order_by(PrefetchRow.id)
            ).all()
            for row in rows:
                if row.order == OrderState.CANCELLED.value:
                    _take_back(connection, row, now)
                    _set(connection, row, judged_at=now)
                    continue
                if row.scheduled_at != row.appointment_at:
                    _moved(connection, row)
                if row.scheduled_at <= now:
                    _judge(connection, row, now)

        self._database.write(work)

    def of_study(self, study_uid: str, limit: int = 20) -> list[PrefetchRecord]:
        """The appointments a study was prefetched for, newest first."""
        return self._list(Study.study_instance_uid == study_uid, limit)

    def of_orders(self, order_ids: Collection[int]) -> dict[int, list[PrefetchRecord]]:
        """The priors of some appointments."""
        found: dict[int, list[PrefetchRecord]] = defaultdict(list)
        for part in chunks(order_ids):
            for record in self._list(PrefetchRow.order_fk.in_(part), None):
                found[record.order_id].append(record)
        return found

    def priors_of(self, patient_id: str, issuer: str) -> dict[str, Availability]:
        """A patient's studies and how soon each can be had, newest first."""

        def read(connection: Connection) -> dict[str, Availability]:
            uids = sorted(_studies_of(connection, patient_id, issuer))
            rows = connection.execute(
                select(Study.study_instance_uid, study_rank(Study.id))
                .where(Study.study_instance_uid.in_(uids))
                .order_by(Study.study_date.desc(), Study.id.desc())
            )
            return {row[0]: availability_of(row[1]) for row in rows}

        return self._database.read(read)

    def figures(self, since: datetime) -> PrefetchFigures:
        """How well it went for appointments that began since a time."""
        statement = (
            select(PrefetchRow.in_time, PrefetchRow.request_fk.is_(None), func.count())
            .where(PrefetchRow.in_time.is_not(None), PrefetchRow.appointment_at >= since)
            .group_by(PrefetchRow.in_time, PrefetchRow.request_fk.is_(None))
        )
        rows = self._database.read(lambda connection: connection.execute(statement).all())
        return PrefetchFigures(
            priors=sum(row[2] for row in rows),
            on_disk=sum(row[2] for row in rows if row[0] and row[1]),
            in_time=sum(row[2] for row in rows if row[0]),
            late=sum(row[2] for row in rows if not row[0]),
        )

    def _list(self, condition: object, limit: int | None) -> list[PrefetchRecord]:
        statement = (
            select(PrefetchRow.__table__, Study.study_instance_uid)
            .join(Study, Study.id == PrefetchRow.study_fk)
            .where(condition)  # type: ignore[arg-type]
            .order_by(PrefetchRow.id.desc())
            .limit(limit)
        )
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])


def _studies_of(connection: Connection, patient_id: str, issuer: str) -> set[str]:
    statement = (
        select(Study.study_instance_uid, Patient.issuer)
        .join(Patient, Patient.id == Study.patient_fk)
        .where(Patient.patient_id.in_(sorted(merged_ids(connection, patient_id))))
    )
    return {row[0] for row in connection.execute(statement) if not issuer or not row[1] or row[1] == issuer}


def _appointment(row: AnyRow) -> Appointment:
    end = row.scheduled_at + timedelta(seconds=row.duration_s)
    return Appointment(row.id, row.study_instance_uid, row.modality, row.body_part, row.scheduled_at, end)


def _note(connection: Connection, wish: Wish, study: int, why: str, now: datetime) -> int | None:
    values = {
        "order_fk": wish.order_id,
        "study_fk": study,
        "request_fk": None,
        "asked_at": now,
        "appointment_at": wish.begins_at,
        "keep_until": wish.keep_until,
        "rule": clean(wish.rule),
        "why": clean(why),
        "in_time": None,
        "judged_at": None,
    }
    return insert_new(connection, PrefetchRow, values)


def _moved(connection: Connection, row: AnyRow) -> None:
    keep_until = row.scheduled_at + timedelta(seconds=row.duration_s)
    _set(connection, row, appointment_at=row.scheduled_at, keep_until=keep_until)
    later_pin(connection, row.study_fk, keep_until)
    if row.request_fk is not None:
        jobs = select(RecallJob.job_fk).where(RecallJob.request_fk == row.request_fk)
        waiting = Job.id.in_(jobs) & Job.due_at.is_not(None) & Job.state.in_(sorted(ACTIVE_JOBS))
        connection.execute(update(Job).where(waiting).values(due_at=row.scheduled_at))


def _take_back(connection: Connection, row: AnyRow, now: datetime) -> None:
    waiting = select(RecallRequest.id).where(
        RecallRequest.id == row.request_fk, RecallRequest.state == RequestState.WAITING.value
    )
    if row.request_fk is not None and connection.execute(waiting).first() is not None:
        cancel_in(connection, row.request_fk, REQUESTER, now)


def _judge(connection: Connection, row: AnyRow, now: datetime) -> None:
    rank = connection.execute(select(study_rank(Study.id)).where(Study.id == row.study_fk)).scalar_one()
    in_time = availability_of(rank) is Availability.ONLINE
    _set(connection, row, in_time=in_time, judged_at=now)
    if not in_time:
        uid = connection.execute(select(Study.study_instance_uid).where(Study.id == row.study_fk)).scalar_one()
        add(connection, "warning", "prior_late", uid, {"order": row.order_fk, "request": row.request_fk}, now)


def _set(connection: Connection, row: AnyRow, **values: object) -> None:
    connection.execute(update(PrefetchRow).where(PrefetchRow.id == row.id).values(**values))


def _record(row: AnyRow) -> PrefetchRecord:
    return PrefetchRecord(
        order_id=row.order_fk,
        study_instance_uid=row.study_instance_uid,
        request_id=row.request_fk,
        asked_at=row.asked_at,
        appointment_at=row.appointment_at,
        keep_until=row.keep_until,
        rule=row.rule,
        why=row.why,
        in_time=row.in_time,
    )
