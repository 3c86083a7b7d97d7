"""Orders: placed and changed by messages, people and programs; moved on by what modalities report."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, or_, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.events import add
from hsm.catalog.rows import insert_row, one
from hsm.catalog.text import clean
from hsm.models import Study
from hsm.orders.model import (
    FIELD_NAMES,
    Doing,
    OrderChange,
    OrderFields,
    OrderRecord,
    OrderRefused,
    PatientChange,
    changed,
    differing,
    made,
)
from hsm.orders.tables import OrderRow, PatientChangeRow
from hsm.states import OPEN_ORDERS, ORDER_TABLE, OrderState, step

OPEN = sorted(state.value for state in OPEN_ORDERS)
MOST = 1000
_ENDED = frozenset(OrderState) - OPEN_ORDERS


class Orders:
    """Orders. `by` is who asks for a change, for the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self, fields: OrderFields, by: str, now: datetime) -> int:
        """Keep a new order; its number. What it lacks of UID, accession number and IDs is made up for it."""
        return self._database.write(lambda connection: _place(connection, fields, by, now))

    def change(self, order_id: int, fields: OrderFields, seen_version: int | None, by: str, now: datetime) -> None:
        """Put other fields in the place of those that were seen.

        Raises: NotCatalogued; IllegalTransition when it is over; OrderRefused when somebody changed it since.
        """

        def work(connection: Connection) -> None:
            row = _locked(connection, order_id)
            if seen_version is not None and row.version != seen_version:
                raise OrderRefused({"": f"{row.changed_by} changed this order meanwhile: look at it again."})
            _update(connection, row, fields, by, now)

        self._database.write(work)

    def cancel(self, order_id: int, why: str, by: str, now: datetime) -> None:
        """Take an order back. Raises: NotCatalogued; IllegalTransition when it was completed."""
        self._database.write(
            lambda connection: move(connection, _locked(connection, order_id), "cancel", by, now, why=why)
        )

    def get(self, order_id: int) -> OrderRecord:
        """One order. Raises: NotCatalogued."""
        statement = select(OrderRow.__table__).where(OrderRow.id == order_id)
        return self._database.read(lambda connection: _record(one(connection, statement, f"order {order_id}")))

    def list(
        self,
        begin: datetime | None = None,
        end: datetime | None = None,
        states: Collection[OrderState] = (),
        patient_id: str | None = None,
        after: tuple[datetime, int] | None = None,
        limit: int = MOST,
    ) -> list[OrderRecord]:
        """Orders by the time of their appointment, `end` excluded; `after`: behind this one, to read on."""
        conditions: list[ColumnElement[bool]] = []
        if begin is not None:
            conditions.append(OrderRow.scheduled_at >= begin)
        if end is not None:
            conditions.append(OrderRow.scheduled_at < end)
        if states:
            conditions.append(OrderRow.state.in_(sorted(state.value for state in states)))
        if patient_id is not None:
            conditions.append(OrderRow.patient_id == patient_id)
        if after is not None:
            later = OrderRow.scheduled_at > after[0]
            conditions.append(or_(later, (OrderRow.scheduled_at == after[0]) & (OrderRow.id > after[1])))
        statement = select(OrderRow.__table__).where(*conditions).order_by(OrderRow.scheduled_at, OrderRow.id)
        return self._database.read(
            lambda connection: [_record(row) for row in connection.execute(statement.limit(limit))]
        )

    def of_study(self, study_uid: str) -> Sequence[OrderRecord]:
        """The orders that a study answers: the same UID, or the same patient and accession number."""

        def work(connection: Connection) -> Sequence[OrderRecord]:
            study = connection.execute(
                select(Study.accession_number).where(Study.study_instance_uid == study_uid)
            ).scalar()
            same = OrderRow.study_instance_uid == study_uid
            if study:
                same = or_(same, OrderRow.accession_number == study)
            rows = connection.execute(select(OrderRow.__table__).where(same).order_by(OrderRow.id))
            return [_record(row) for row in rows]

        return self._database.read(work)

    def arrived(self, order_ids: Collection[int]) -> dict[int, str]:
        """By order: the UID of its study, of those whose study the archive has."""
        joined = select(OrderRow.id, Study.study_instance_uid).join(Study, _answers()).where(OrderRow.id.in_(order_ids))
        return self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(joined)})

    def settle(self, quiet_for: timedelta, now: datetime) -> int:
        """Complete what has its study, unchanged for so long, and no modality that says so itself; how many."""

        def work(connection: Connection) -> int:
            statement = (
                select(OrderRow.__table__)
                .join(Study, _answers())
                .where(OrderRow.state == OrderState.SCHEDULED.value, Study.changed_at <= now - quiet_for)
                .where(Study.received_at >= OrderRow.created_at)
                .order_by(OrderRow.id)
                .limit(MOST)
            )
            rows = {row.id: row for row in connection.execute(statement)}
            for row in rows.values():
                move(connection, row, "complete", "the study that arrived", now)
            return len(rows)

        return self._database.write(work)

    def patient_changes(self, limit: int = 100, waiting: bool = False) -> Sequence[AnyRow]:
        """What was said about patients, newest first; `waiting`: only what was not applied to studies yet."""
        statement = select(PatientChangeRow.__table__).order_by(PatientChangeRow.id.desc()).limit(limit)
        if waiting:
            statement = statement.where(PatientChangeRow.settled_at.is_(None))
        return self._database.read(lambda connection: connection.execute(statement).all())

    def settle_patient_change(self, change_id: int, now: datetime) -> None:
        """Note that a patient's studies say what was said. Raises: NotCatalogued."""
        statement = update(PatientChangeRow).where(PatientChangeRow.id == change_id).values(settled_at=now)

        def work(connection: Connection) -> None:
            if not connection.execute(statement).rowcount:
                raise NotCatalogued(f"the catalog knows no change {change_id} of a patient")

        self._database.write(work)


# -- inside a caller's transaction -----------------------------------------------------------------------------------


def apply(connection: Connection, changes: Collection[OrderChange], by: str, now: datetime) -> list[int]:
    """Do what a message wants, all of it or nothing; the numbers of the orders.

    A change of an order that is not known places it, if enough was said. Raises: OrderRefused, IllegalTransition.
    """
    numbers: list[int] = []
    for change in changes:
        rows = _named(connection, change)
        if not rows:
            if change.doing in (Doing.CANCEL, Doing.DISCONTINUE):
                raise OrderRefused({"placer_number": "No order has this number; nothing is taken back."})
            number = _place(connection, made(change.values), by, now)
            rows = [_locked(connection, number)]
            if change.doing in (Doing.NEW, Doing.CHANGE):
                numbers.append(number)
                continue
        for row in rows:
            if change.doing in (Doing.NEW, Doing.CHANGE):
                _update(connection, row, changed(_fields(row), change.values), by, now)
            else:
                move(connection, row, change.doing.value, by, now, why=change.why)
            numbers.append(row.id)
    return numbers


def apply_to_patient(connection: Connection, change: PatientChange, by: str, now: datetime) -> int:
    """Note what was said about a patient and say it in open orders; the number of the note."""
    old_id, old_issuer = (change.prior_id, change.prior_issuer) if change.prior_id else (change.patient_id, "")
    here = OrderRow.patient_id == old_id
    if old_issuer or change.issuer:
        here &= OrderRow.issuer.in_(sorted({"", old_issuer or change.issuer}))
    values = dict(change.values)
    if change.prior_id:
        values |= {"patient_id": change.patient_id, "issuer": change.issuer}
    rows = connection.execute(select(OrderRow.__table__).where(here, OrderRow.state.in_(OPEN))).all()
    for row in rows:
        _update(connection, row, changed(_fields(row), values), by, now)
    told = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in change.values.items()}
    number = insert_row(
        connection,
        PatientChangeRow,
        {
            "kind": "merge" if change.prior_id else "update",
            "patient_id": clean(change.patient_id),
            "issuer": clean(change.issuer),
            "prior_id": clean(change.prior_id),
            "prior_issuer": clean(change.prior_issuer),
            "fields": told,
            "source": clean(by),
            "said_at": now,
            "orders": len(rows),
            "settled_at": None,
        },
    )
    name = "patient_merge_said" if change.prior_id else "patient_update_said"
    add(connection, "info", name, str(number), {"change": number, "orders": len(rows), "by": by}, now)
    return number


def merged_ids(connection: Connection, patient_id: str) -> set[str]:
    """The IDs under which a patient was known before, by what was said, and this one."""
    known, new = {patient_id}, {patient_id}
    while new:
        rows = connection.execute(
            select(PatientChangeRow.prior_id).where(
                PatientChangeRow.kind == "merge", PatientChangeRow.patient_id.in_(sorted(new))
            )
        )
        new = {row[0] for row in rows} - known
        known |= new
    return known


def move(connection: Connection, row: AnyRow, event: str, by: str, now: datetime, why: str = "") -> OrderState:
    """Move an order by one event. Raises: IllegalTransition."""
    before = OrderState(row.state)
    state = step(ORDER_TABLE, before, event)
    if state is before:
        return state
    values: dict[str, Any] = {"state": state.value, "version": row.version + 1, "changed_at": now, "changed_by": by}
    values["ended_at"] = now if state in _ENDED else None
    if why:
        values["why"] = clean(why)
    connection.execute(update(OrderRow).where(OrderRow.id == row.id).values(**values))
    add(connection, "info", f"order_{state.value}", str(row.id), {"by": by, "why": why}, now)
    return state


def find_ordered(
    connection: Connection, study_uid: str, accession: str, step_id: str, patient_id: str
) -> AnyRow | None:
    """The order that a modality works on, by what it says of it; None when nobody ordered it."""
    for same in (
        OrderRow.study_instance_uid == study_uid if study_uid else None,
        (OrderRow.accession_number == accession) & (OrderRow.patient_id == patient_id) if accession else None,
    ):
        if same is None:
            continue
        rows = connection.execute(select(OrderRow.__table__).where(same).order_by(OrderRow.id)).all()
        named = [row for row in rows if row.step_id == step_id]
        if len(rows) == 1 or named:
            return (named or rows)[0]
    return None


def _named(connection: Connection, change: OrderChange) -> Sequence[AnyRow]:
    """The orders a change speaks of: the filler's number, or the placer's; of those, the step it names if it does.

    Raises: OrderRefused when that number is another patient's: senders may count alike.
    """
    values = change.values
    for name in ("filler_number", "placer_number"):
        if not (number := values.get(name)):
            continue
        same = getattr(OrderRow, name) == clean(number)
        rows = connection.execute(select(OrderRow.__table__).where(same).order_by(OrderRow.id).with_for_update()).all()
        if rows:
            patient = clean(str(values.get("patient_id") or ""))
            if patient and all(row.patient_id != patient for row in rows):
                raise OrderRefused({"placer_number": f"The order {clean(number)} is another patient's."})
            step_id = values.get("step_id")
            return [row for row in rows if row.step_id == step_id] if step_id else rows
    return ()


def _place(connection: Connection, fields: OrderFields, by: str, now: datetime) -> int:
    said = {name: getattr(fields, name) for name in FIELD_NAMES}
    said["study_instance_uid"] = said["study_instance_uid"] or f"2.25.{uuid4().int}"
    values = {
        **{name: clean(value) if isinstance(value, str) else value for name, value in said.items()},
        "state": OrderState.SCHEDULED.value,
        "source": clean(by),
        "why": "",
        "version": 1,
        "created_at": now,
        "changed_at": now,
        "changed_by": clean(by),
        "ended_at": None,
    }
    number = insert_row(connection, OrderRow, values)
    named = {"accession_number": f"F{number}", "procedure_id": f"RP{number}", "step_id": f"SPS{number}"}
    lacking = {name: made_up for name, made_up in named.items() if not said[name]}
    if lacking:
        connection.execute(update(OrderRow).where(OrderRow.id == number).values(**lacking))
    fields_told = {"modality": fields.modality, "scheduled_at": fields.scheduled_at.isoformat(), "by": by}
    add(connection, "info", "order_placed", str(number), fields_told, now)
    return number


def _update(connection: Connection, row: AnyRow, fields: OrderFields, by: str, now: datetime) -> None:
    step(ORDER_TABLE, OrderState(row.state), "change")
    names = differing(_fields(row), fields)
    kept = [name for name in names if name not in ("accession_number", "procedure_id", "step_id", "study_instance_uid")]
    names = [
        name for name in names if name in kept or getattr(fields, name)
    ]  # what was made up stays when none is said
    if not names:
        return
    values = {name: getattr(fields, name) for name in names}
    values |= {"version": row.version + 1, "changed_at": now, "changed_by": clean(by)}
    connection.execute(update(OrderRow).where(OrderRow.id == row.id).values(**values))
    add(connection, "info", "order_changed", str(row.id), {"fields": names, "by": by}, now)


def _answers() -> ColumnElement[bool]:
    same = (Study.accession_number == OrderRow.accession_number) & (OrderRow.accession_number != "")
    return or_(Study.study_instance_uid == OrderRow.study_instance_uid, same)


def _locked(connection: Connection, order_id: int) -> AnyRow:
    statement = select(OrderRow.__table__).where(OrderRow.id == order_id).with_for_update()
    return one(connection, statement, f"order {order_id}")


def _fields(row: AnyRow) -> OrderFields:
    return OrderFields(**{name: getattr(row, name) for name in FIELD_NAMES})


def _record(row: AnyRow) -> OrderRecord:
    return OrderRecord(
        id=row.id,
        state=OrderState(row.state),
        fields=_fields(row),
        source=row.source,
        why=row.why,
        version=row.version,
        created_at=row.created_at,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        ended_at=row.ended_at,
    )
