"""Deliveries: having studies sent to DICOM nodes."""

from pydantic import Field

from hsm.access.roles import Right
from hsm.catalog.deliveries import DeliveryRecord
from hsm.states import DeliveryState
from web.access.gate import known_person, may
from web.api.operations import Operations
from web.api.resources.recalls import Uids
from web.api.shape import Line, Number, Page, Paged, Shape, Time, Uid, Words, before
from web.problems import Fault, Refused
from web.services import services

operations = Operations("Deliveries")


class DeliveryQuery(Paged):
    """Which deliveries."""

    requested_by: Words = ""
    study_instance_uid: Words = ""
    state: DeliveryState | None = None


class NewDelivery(Shape):
    """What is to be sent where: a study, some of its series, or some of its instances."""

    study_instance_uid: Uid
    destination: Line = Field(description="AE title of a peer that takes studies.")
    series_instance_uids: Uids = ()
    sop_instance_uids: Uids = ()


class Delivery(Shape):
    """One wish to have something sent, and how far it is."""

    id: int
    study_instance_uid: str
    series_instance_uids: tuple[str, ...] = Field(description="Empty, as the next: the whole study.")
    sop_instance_uids: tuple[str, ...]
    destination: str
    state: DeliveryState
    requested_by: str
    created_at: Time
    deadline_at: Time = Field(description="It is not tried any more after it.")
    not_before: Time | None = Field(description="Of the next try.")
    ended_at: Time | None
    tries: int
    message: str = Field(description="What went wrong last.")
    recall_id: int | None = Field(description="The recall it waits for, or waited for.")
    instances: int
    instances_sent: int


@operations.get("/deliveries", Right.LOOK)
def list_deliveries(query: DeliveryQuery) -> Page[Delivery]:
    """Deliveries that fit, newest first."""
    found = services().catalog.deliveries.list(
        query.requested_by or None,
        (query.state,) if query.state else (),
        query.study_instance_uid or None,
        query.limit + 1,
        before(query),
    )
    shown = found[: query.limit]
    following = str(shown[-1].id) if len(found) > query.limit else None
    return Page(items=tuple(_delivery(one) for one in shown), next_cursor=following)


@operations.get("/deliveries/{delivery_id}", Right.LOOK)
def get_delivery(delivery_id: Number) -> Delivery:
    """One delivery."""
    return _delivery(services().catalog.deliveries.get(delivery_id))


@operations.post("/deliveries", Right.RECALL, status=201, conflicts=True, located=lambda made: f"/deliveries/{made.id}")
def ask_for_delivery(body: NewDelivery) -> Delivery:
    """Have something sent to a node, after its recall where that is needed; the same wish is joined while it lasts."""
    house = services()
    if body.destination not in house.destinations():
        detail = "There is no peer of this AE title that takes studies."
        raise Refused(422, detail, [Fault("destination", detail)])
    number = house.archive.deliver(
        body.study_instance_uid,
        body.destination,
        body.series_instance_uids,
        body.sop_instance_uids,
        requested_by=known_person().name,
    )
    return get_delivery(number)


@operations.post("/deliveries/{delivery_id}/cancel", Right.RECALL, conflicts=True)
def cancel_delivery(delivery_id: Number) -> Delivery:
    """Take one's own delivery back; a recall that was made for it alone is taken back, too."""
    _only_own(services().catalog.deliveries.get(delivery_id).requested_by)
    services().archive.cancel_delivery(delivery_id, by=known_person().name)
    return get_delivery(delivery_id)


@operations.post("/deliveries/{delivery_id}/again", Right.RECALL, conflicts=True)
def deliver_again(delivery_id: Number) -> Delivery:
    """Try one's own delivery again that failed."""
    _only_own(services().catalog.deliveries.get(delivery_id).requested_by)
    services().archive.deliver_again(delivery_id)
    return get_delivery(delivery_id)


def _only_own(requested_by: str) -> None:
    """Let only who asked for something, or an administrator, go on. Raises: Refused."""
    if requested_by != known_person().name and not may(Right.ADMINISTER):
        raise Refused(403, "It was asked for by somebody else; only they and an administrator can change it.")


def _delivery(one: DeliveryRecord) -> Delivery:
    return Delivery(
        id=one.id,
        study_instance_uid=one.study_instance_uid,
        series_instance_uids=one.series_uids,
        sop_instance_uids=one.sop_uids,
        destination=one.destination,
        state=one.state,
        requested_by=one.requested_by,
        created_at=one.created_at,
        deadline_at=one.deadline,
        not_before=one.not_before,
        ended_at=one.ended_at,
        tries=one.tries,
        message=one.message,
        recall_id=one.request_id,
        instances=one.total,
        instances_sent=one.sent,
    )
