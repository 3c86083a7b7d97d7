"""Holds: reasons why a study may not go."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from hsm.access.roles import Right
from hsm.catalog.records import HoldRecord
from web.access.gate import known_person
from web.api.operations import Operations
from web.api.shape import Line, Listed, Number, Shape, Time, Uid, Words
from web.services import services

operations = Operations("Holds")


class HoldQuery(Shape):
    """Which holds."""

    study_instance_uid: Words = ""
    over: bool = Field(False, description="Also those that are over.")


class NewHold(Shape):
    """A hold to be placed."""

    study_instance_uid: Uid
    reason: Line
    days: Annotated[int, Field(ge=1, le=36500)] | None = Field(
        None, description="It lifts itself after so many days; without it only a person lifts it."
    )


class Lifting(Shape):
    """Why a hold is lifted."""

    reason: Line


class Hold(Shape):
    """A reason why a study is neither released nor destroyed."""

    id: int
    study_instance_uid: str
    reason: str
    placed_by: str
    placed_at: Time
    until: Time | None
    lifted_at: Time | None
    lifted_by: str
    lift_reason: str


@operations.get("/holds", Right.LOOK)
def list_holds(query: HoldQuery) -> Listed[Hold]:
    """Holds in the order they were placed."""
    house = services()
    at = None if query.over else house.clock.now()
    found = house.catalog.holds.list(query.study_instance_uid or None, at)
    return Listed(items=tuple(_hold(hold) for hold in found))


@operations.get("/holds/{hold_id}", Right.LOOK, tagged=True)
def get_hold(hold_id: Number) -> Hold:
    """One hold."""
    return _hold(services().catalog.holds.get(hold_id))


@operations.post("/holds", Right.RULES, status=201, located=lambda made: f"/holds/{made.id}")
def place_hold(body: NewHold) -> Hold:
    """Place a hold on a study."""
    house = services()
    now = house.clock.now()
    until = now + timedelta(days=body.days) if body.days else None
    number = house.catalog.holds.place(body.study_instance_uid, body.reason.strip(), known_person().name, now, until)
    return get_hold(number)


@operations.post("/holds/{hold_id}/lift", Right.RULES, matches=get_hold)
def lift_hold(hold_id: Number, body: Lifting) -> Hold:
    """Lift a hold; nothing happens when it was lifted before."""
    house = services()
    house.catalog.holds.lift(hold_id, house.clock.now(), known_person().name, body.reason.strip())
    return get_hold(hold_id)


def _hold(hold: HoldRecord) -> Hold:
    return Hold(
        id=hold.id,
        study_instance_uid=hold.study_instance_uid,
        reason=hold.reason,
        placed_by=hold.placed_by,
        placed_at=hold.placed_at,
        until=hold.until,
        lifted_at=hold.lifted_at,
        lifted_by=hold.lifted_by,
        lift_reason=hold.lift_reason,
    )
