"""What is to be sent to a node: durable, after its recall, tried until a deadline, taken back."""

from datetime import timedelta

import pytest

from hsm.catalog import NotCatalogued, NotRecallable
from hsm.catalog.deliveries import DeliveryRecord, MoveOrigin
from hsm.catalog.errors import DeliveryRefused
from hsm.states import DeliveryState, IllegalTransition, JobState, RequestState
from tests.hsm.catalog.test_requests import bring_back, job_of
from tests.hsm.catalog.world import LATER, START, TAPES, World, sop_uid, study_uid

DEADLINE = LATER + timedelta(days=2)
S, LEASE_S = DeliveryState, 60.0


def ask(world: World, to: str = "WS1", who: str = "anna", study: int = 1, request: int | None = None) -> int:
    uid = study_uid(study)
    asked = world.catalog.deliveries.ask
    return asked(uid, to, requested_by=who, now=LATER, deadline=DEADLINE, request_id=request)


def state(world: World, number: int) -> DeliveryState:
    return world.catalog.deliveries.get(number).state


def claim(world: World, holder: str = "a", at: float = 0) -> DeliveryRecord | None:
    return world.catalog.deliveries.claim(holder, LATER + timedelta(seconds=at), LEASE_S)


def test_what_is_on_disk_is_due_at_once_and_done_once(world: World) -> None:
    world.receive(1)
    number = ask(world)
    assert ask(world) == number, "the same wish is joined"
    assert ask(world, who="ben") != number
    taken = claim(world)
    assert taken is not None and (taken.id, taken.tries, taken.state) == (number, 1, S.SENDING)
    assert claim(world, "b") is None, "one sender at a time for a node"
    assert world.catalog.deliveries.progress(number, "a", 2, 1, LATER, LEASE_S)
    assert not world.catalog.deliveries.progress(number, "b", 2, 1, LATER, LEASE_S)
    world.catalog.deliveries.done(number, "a", 2, LATER)
    record = world.catalog.deliveries.get(number)
    assert (record.state, record.sent, record.total, record.ended_at) == (S.DONE, 2, 2, LATER)
    (event,) = world.catalog.events.list(name="delivery_done")
    assert (event.subject, event.fields["requester"], event.fields["destination"]) == (study_uid(1), "anna", "WS1")
    assert ask(world) != number, "once it is over it may be wanted anew"


def test_what_is_on_tape_is_recalled_first(world: World) -> None:
    world.released()
    number = ask(world)
    record = world.catalog.deliveries.get(number)
    assert record.state is S.WAITING and record.request_id is not None
    assert claim(world) is None
    bring_back(world, job_of(world, record.request_id).id)
    assert state(world, number) is S.QUEUED
    assert claim(world) is not None


def test_a_recall_that_was_asked_for_before_is_waited_for(world: World) -> None:
    world.released()
    request = world.catalog.recalls.request(study_uid(1), requested_by="anna", now=LATER)
    number = ask(world, request=request)
    assert world.catalog.deliveries.get(number).request_id == request
    world.catalog.deliveries.cancel(number, "anna", LATER)
    assert world.catalog.requests.get(request).state is RequestState.WAITING, "it was wanted without the delivery"
    with pytest.raises(NotCatalogued):
        ask(world, request=99)


def test_taking_a_delivery_back_takes_its_own_recall_back(world: World) -> None:
    world.released()
    number = ask(world)
    request = world.catalog.deliveries.get(number).request_id
    assert request is not None
    world.catalog.deliveries.cancel(number, "anna", LATER)
    assert state(world, number) is S.CANCELLED
    assert world.catalog.requests.get(request).state is RequestState.CANCELLED
    assert world.catalog.jobs.list()[0].state is JobState.CANCELLED
    with pytest.raises(IllegalTransition):
        world.catalog.deliveries.cancel(number, "anna", LATER)
    with pytest.raises(NotCatalogued):
        world.catalog.deliveries.cancel(99, "anna", LATER)


def test_who_takes_the_recall_back_takes_the_delivery_back(world: World) -> None:
    world.released()
    number = ask(world)
    request = world.catalog.deliveries.get(number).request_id
    assert request is not None
    world.catalog.requests.cancel(request, "anna", LATER)
    assert state(world, number) is S.CANCELLED


def test_a_failed_recall_fails_the_delivery_and_its_next_try_waits_again(world: World) -> None:
    world.released()
    number = ask(world)
    job = world.catalog.jobs.list()[0].id
    world.catalog.jobs.start(job, LATER)
    world.catalog.jobs.fail(job, "unreadable", LATER)
    record = world.catalog.deliveries.get(number)
    assert (record.state, record.message) == (S.FAILED, "its recall failed: unreadable")
    world.catalog.deliveries.again(number, LATER, DEADLINE)
    assert claim(world) is not None
    world.catalog.deliveries.recall_first(number, "a", LATER)
    assert state(world, number) is S.WAITING


def test_a_failed_try_is_repeated_without_what_arrived_until_the_deadline(world: World) -> None:
    world.receive(1)
    number = ask(world)
    claim(world)
    again = LATER + timedelta(seconds=30)
    world.catalog.deliveries.failed(number, "a", [sop_uid(1, 1, 1)], 2, "no answer", LATER, again)
    assert claim(world) is None
    second = claim(world, at=31)
    assert second is not None and (second.tries, second.sent_uids, second.message) == (2, (sop_uid(1, 1, 1),), "")
    world.catalog.deliveries.failed(number, "a", [], 2, "no answer", LATER, DEADLINE)
    record = world.catalog.deliveries.get(number)
    assert (record.state, record.message) == (S.FAILED, "no answer")
    assert world.catalog.events.list(name="delivery_failed")[0].level == "warning"
    world.catalog.deliveries.done(number, "a", 2, LATER)
    assert state(world, number) is S.FAILED, "who lost it cannot end it"


def test_what_waits_past_its_deadline_is_given_up(world: World) -> None:
    world.receive(1)
    number = ask(world)
    assert world.catalog.deliveries.expire(LATER) == 0
    assert world.catalog.deliveries.expire(DEADLINE + timedelta(seconds=1)) == 1
    assert world.catalog.deliveries.get(number).message == "not done by its deadline"


def test_a_sender_that_fell_silent_loses_it(world: World) -> None:
    world.receive(1)
    number = ask(world)
    claim(world)
    assert claim(world, "b", 59) is None
    taken = claim(world, "b", 61)
    assert taken is not None and taken.id == number
    assert not world.catalog.deliveries.progress(number, "a", 2, 1, LATER, LEASE_S)
    world.catalog.deliveries.failed(number, "a", [], 2, "late", LATER, None)
    world.catalog.deliveries.recall_first(number, "a", LATER)
    assert state(world, number) is S.SENDING


def test_two_nodes_are_sent_to_side_by_side(world: World) -> None:
    world.receive(1)
    first, second, third = ask(world), ask(world, who="ben"), ask(world, to="WS2")
    assert [taken and taken.id for taken in (claim(world), claim(world, "b"), claim(world, "c"))] == [
        first,
        third,
        None,
    ]
    assert state(world, second) is S.QUEUED


def test_a_failed_one_is_tried_again_unless_the_same_is_under_way(world: World) -> None:
    world.receive(1)
    number = ask(world)
    with pytest.raises(IllegalTransition):
        world.catalog.deliveries.cancel(number, "anna", LATER)
        world.catalog.deliveries.again(number, LATER, DEADLINE)
    number = ask(world)
    claim(world)
    world.catalog.deliveries.failed(number, "a", [], 2, "refused", LATER, None)
    other = ask(world)
    with pytest.raises(DeliveryRefused, match="another one does the same"):
        world.catalog.deliveries.again(number, LATER, DEADLINE)
    world.catalog.deliveries.cancel(other, "anna", LATER)
    world.catalog.deliveries.again(number, LATER, DEADLINE)
    assert state(world, number) is S.QUEUED


def test_what_cannot_be_recalled_is_not_promised(world: World) -> None:
    pack = world.released()
    for copy in world.catalog.copies.of_pack(pack.id):
        world.catalog.copies.doubt(copy.id, "S0", "unreadable", LATER)
    with pytest.raises(NotRecallable):
        ask(world)
    assert world.catalog.deliveries.list() == []
    assert TAPES


def test_deliveries_are_listed_and_say_for_which_move_they_go_on(world: World) -> None:
    world.receive(1)
    uids = [sop_uid(1, 1, 2)]
    number = world.catalog.deliveries.ask(
        study_uid(1),
        "WS1",
        (),
        uids,
        requested_by="WS1",
        now=START,
        deadline=DEADLINE,
        origin=MoveOrigin("WS1", 7),
    )
    second = ask(world)
    found = world.catalog.deliveries.list("WS1", (S.QUEUED,), study_uid(1))
    assert [(d.id, d.sop_uids, d.origin) for d in found] == [(number, tuple(uids), MoveOrigin("WS1", 7))]
    assert [d.id for d in world.catalog.deliveries.list(before=second)] == [number]


def test_what_ended_long_ago_is_forgotten_and_what_is_under_way_keeps_its_recall(world: World) -> None:
    world.released()
    over = ask(world)
    world.catalog.deliveries.cancel(over, "anna", LATER)
    kept = ask(world, who="ben")
    request = world.catalog.deliveries.get(kept).request_id
    assert request is not None
    job = job_of(world, request).id
    world.catalog.jobs.start(job, LATER)
    world.catalog.jobs.fail(job, "unreadable", LATER)
    world.catalog.deliveries.again(kept, LATER, DEADLINE)
    world.catalog.jobs.prune(LATER + timedelta(days=1))
    assert [delivery.id for delivery in world.catalog.deliveries.list()] == [kept]
    assert [one.id for one in world.catalog.requests.list()] == [request]
    assert world.catalog.jobs.list() == []
