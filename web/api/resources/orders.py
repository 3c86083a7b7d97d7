"""Orders: appointments of patients at modalities, and whether their priors are on disk."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hsm.access.roles import Right
from hsm.orders.model import FIELD_NAMES, OrderRecord, OrderRefused, changed, made
from hsm.states import OrderState
from web.access.gate import known_person
from web.api.operations import Operations
from web.api.shape import Limit, Line, Listed, Number, Shape, Time, Uid, Words
from web.problems import Fault, Refused
from web.services import services

operations = Operations("Orders")
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_ ]{0,16}$")]
Short = Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\x00-\x1f\x7f\\]*$")]
Long = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f\\]*$")]
PersonName = Annotated[
    str,
    StringConstraints(max_length=194, pattern=r"^[^\x00-\x1f\x7f\\=]{0,64}(=[^\x00-\x1f\x7f\\=]{0,64}){0,2}$"),
    Field(description="As DICOM writes names: family^given^middle^prefix^suffix; further groups behind =."),
]
AeText = Annotated[str, StringConstraints(max_length=16, pattern=r"^([!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?)?$")]
State = Literal["scheduled", "in_progress", "completed", "discontinued", "cancelled"]


class OrderQuery(Shape):
    """Which orders."""

    since: Time | None = Field(None, description="Appointments from then on.")
    until: Time | None = Field(None, description="Appointments before then.")
    state: State | None = None
    patient_id: Words = ""
    limit: Limit = 50


class OrderBody(Shape):
    """What is ordered: one scheduled procedure step."""

    patient_id: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f\\]*[^\s\x00-\x1f\x7f\\]$")]
    modality: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{1,16}$")]
    scheduled_at: Time
    issuer: Long = ""
    patient_name: PersonName = ""
    birth_date: date | None = None
    sex: Literal["", "F", "M", "O"] = ""
    accession_number: Short = Field("", description="Made up when it is empty, like the IDs and the UID.")
    placer_number: Long = ""
    filler_number: Long = ""
    study_instance_uid: Uid | Literal[""] = ""
    procedure_id: Short = ""
    procedure: Long = ""
    procedure_code: Short = ""
    procedure_scheme: Short = ""
    step_id: Short = ""
    body_part: Code = ""
    station_aet: AeText = ""
    station_name: Short = ""
    location: Short = ""
    performing_physician: PersonName = ""
    referring_physician: PersonName = ""
    duration_s: Annotated[int, Field(ge=1, le=86400)] = 1800


class Cancelling(Shape):
    """Why an order is cancelled."""

    reason: Line


class Prior(Shape):
    """A prior that was asked for."""

    study_instance_uid: str
    request_id: int | None = Field(description="The recall; null when it was on disk, or cannot be had.")
    why: str
    in_time: bool | None = Field(description="Whether it was on disk when the appointment began; null before that.")


class Order(Shape):
    """An order and what became of it."""

    id: int
    patient_id: str
    modality: str
    scheduled_at: Time
    issuer: str
    patient_name: str
    birth_date: date | None
    sex: str
    accession_number: str
    placer_number: str
    filler_number: str
    study_instance_uid: str
    procedure_id: str
    procedure: str
    procedure_code: str
    procedure_scheme: str
    step_id: str
    body_part: str
    station_aet: str
    station_name: str
    location: str
    performing_physician: str
    referring_physician: str
    duration_s: int
    state: State
    source: str
    reason: str
    created_at: Time
    changed_at: Time
    changed_by: str
    ended_at: Time | None
    arrived: bool = Field(description="Whether the archive has its study.")
    priors: tuple[Prior, ...]


@operations.get("/orders", Right.LOOK)
def list_orders(query: OrderQuery) -> Listed[Order]:
    """Orders by the time of their appointment."""
    states = (OrderState(query.state),) if query.state else ()
    patient_id = query.patient_id or None
    found = services().catalog.orders.list(query.since, query.until, states, patient_id, limit=query.limit)
    return Listed(items=_orders(found))


@operations.get("/orders/{order_id}", Right.LOOK, tagged=True)
def get_order(order_id: Number) -> Order:
    """One order."""
    return _orders([services().catalog.orders.get(order_id)])[0]


@operations.post("/orders", Right.RECALL, status=201, located=lambda made: f"/orders/{made.id}")
def place_order(body: OrderBody) -> Order:
    """Place an order: modalities see it in their worklist, and its priors are prefetched."""
    house = services()
    try:
        fields = made(body.model_dump())
    except OrderRefused as refused:
        raise _refused(refused) from refused
    return get_order(house.catalog.orders.place(fields, known_person().name, house.clock.now()))


@operations.put("/orders/{order_id}", Right.RECALL, conflicts=True, matches=get_order)
def change_order(order_id: Number, body: OrderBody) -> Order:
    """Put other values in the place of those it has; IDs that are left empty stay."""
    house = services()
    before = house.catalog.orders.get(order_id)
    try:
        fields = changed(before.fields, body.model_dump())
        house.catalog.orders.change(order_id, fields, before.version, known_person().name, house.clock.now())
    except OrderRefused as refused:
        raise _refused(refused) from refused
    return get_order(order_id)


@operations.post("/orders/{order_id}/cancel", Right.RECALL, conflicts=True, matches=get_order)
def cancel_order(order_id: Number, body: Cancelling) -> Order:
    """Take an order back; one that has begun is discontinued."""
    house = services()
    house.catalog.orders.cancel(order_id, body.reason.strip(), known_person().name, house.clock.now())
    return get_order(order_id)


def _refused(refused: OrderRefused) -> Refused:
    if "" in refused.faults:
        return Refused(409, refused.faults[""])
    return Refused(422, "Nothing was changed: see what is wrong.", [Fault(*pair) for pair in refused.faults.items()])


def _orders(records: list[OrderRecord]) -> tuple[Order, ...]:
    catalog, ids = services().catalog, [record.id for record in records]
    arrived, priors = catalog.orders.arrived(ids), catalog.prefetches.of_orders(ids)
    return tuple(
        Order(
            **{name: getattr(record.fields, name) for name in FIELD_NAMES},
            id=record.id,
            state=record.state.value,
            source=record.source,
            reason=record.why,
            created_at=record.created_at,
            changed_at=record.changed_at,
            changed_by=record.changed_by,
            ended_at=record.ended_at,
            arrived=record.id in arrived,
            priors=tuple(
                Prior(
                    study_instance_uid=prior.study_instance_uid,
                    request_id=prior.request_id,
                    why=prior.why,
                    in_time=prior.in_time,
                )
                for prior in priors.get(record.id, ())
            ),
        )
        for record in records
    )
