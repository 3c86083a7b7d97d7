"""Performed procedure steps: what modalities report, and what that means for orders."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.events import add
from hsm.catalog.orders import find_ordered, move
from hsm.catalog.rows import insert_new
from hsm.catalog.text import clean, clean_json
from hsm.orders import performed
from hsm.orders.model import PerformedRecord
from hsm.orders.performed import Refusal, StepRefused
from hsm.orders.tables import OrderRow, PerformedRow
from hsm.states import ORDER_TABLE, OrderState, PerformedState

_EVENTS = {PerformedState.COMPLETED: "complete", PerformedState.DISCONTINUED: "discontinue"}


class PerformedSteps:
    """Performed procedure steps by SOP Instance UID."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, sop_instance_uid: str, attributes: Mapping[str, Any], by: str, now: datetime) -> None:
        """Keep a new step, and move its order on. Raises: StepRefused."""
        kept = clean_json(performed.begun(attributes))
        named = performed.named(kept)
        study_uid, accession, step_id = named[0]
        patient_id = performed.text_of(kept, performed.PATIENT_ID)

        def work(connection: Connection) -> None:
            order = find_ordered(connection, study_uid, accession, step_id, patient_id)
            values = {
                "sop_instance_uid": sop_instance_uid,
                "state": PerformedState.IN_PROGRESS.value,
                "order_fk": None if order is None else order.id,
                "study_instance_uid": study_uid[:64],
                "accession_number": clean(accession),
                "patient_id": clean(patient_id),
                "modality": clean(performed.text_of(kept, performed.MODALITY)),
                "station_aet": clean(performed.text_of(kept, performed.STATION)),
                "attributes": kept,
                "created_at": now,
                "changed_at": now,
                "ended_at": None,
            }
            if insert_new(connection, PerformedRow, values) is None:
                raise StepRefused(Refusal.DUPLICATE, "there is a step with this SOP Instance UID already")
            if order is not None and (OrderState(order.state), "start") in ORDER_TABLE:
                move(connection, order, "start", by, now)
            fields = {"order": None if order is None else order.id, "by": by}
            add(connection, "info", "performed_step_began", sop_instance_uid, fields, now)

        self._database.write(work)

    def change(self, sop_instance_uid: str, said: Mapping[str, Any], by: str, now: datetime) -> PerformedState:
        """Set attributes of a step; its state afterwards. What has ended is never changed. Raises: StepRefused."""

        def work(connection: Connection) -> PerformedState:
            here = PerformedRow.sop_instance_uid == sop_instance_uid
            row = connection.execute(select(PerformedRow.__table__).where(here).with_for_update()).first()
            if row is None:
                raise StepRefused(Refusal.NO_SUCH_INSTANCE, "no step of this SOP Instance UID is known")
            state, after = performed.moved(PerformedState(row.state), row.attributes, clean_json(said))
            ended = None if state is PerformedState.IN_PROGRESS else now
            values = {"state": state.value, "attributes": dict(after), "changed_at": now, "ended_at": ended}
            connection.execute(update(PerformedRow).where(here).values(**values))
            if ended is not None:
                _end_order(connection, row, state, by, now)
                fields = {"state": state.value, "order": row.order_fk, "by": by}
                add(connection, "info", "performed_step_ended", sop_instance_uid, fields, now)
            return state

        return self._database.write(work)

    def find(self, sop_instance_uid: str) -> PerformedRecord | None:
        """One step, if it is known."""
        statement = select(PerformedRow.__table__).where(PerformedRow.sop_instance_uid == sop_instance_uid)
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else _record(row)

    def of_order(self, order_id: int) -> list[PerformedRecord]:
        """The steps that were performed for an order."""
        statement = select(PerformedRow.__table__).where(PerformedRow.order_fk == order_id).order_by(PerformedRow.id)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])


def _end_order(connection: Connection, step: AnyRow, state: PerformedState, by: str, now: datetime) -> None:
    """The order ends with the last of its steps that goes on; it is complete when any of them was completed."""
    if step.order_fk is None:
        return
    others = connection.execute(
        select(PerformedRow.state).where(PerformedRow.order_fk == step.order_fk, PerformedRow.id != step.id)
    ).scalars()
    states = {state.value, *others}
    if PerformedState.IN_PROGRESS.value in states:
        return
    order = connection.execute(select(OrderRow.__table__).where(OrderRow.id == step.order_fk).with_for_update()).one()
    event = _EVENTS[PerformedState.COMPLETED if PerformedState.COMPLETED.value in states else state]
    if (OrderState(order.state), event) in ORDER_TABLE:
        move(connection, order, event, by, now)


def _record(row: AnyRow) -> PerformedRecord:
    return PerformedRecord(
        sop_instance_uid=row.sop_instance_uid,
        state=PerformedState(row.state),
        order_id=row.order_fk,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient_id=row.patient_id,
        modality=row.modality,
        station_aet=row.station_aet,
        attributes=row.attributes,
        created_at=row.created_at,
        changed_at=row.changed_at,
        ended_at=row.ended_at,
    )
