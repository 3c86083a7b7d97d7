"""Whose wish a recall is: what became of it, taking it back, and who still waits for the same work."""

import pytest

from hsm.catalog import NotCatalogued
from hsm.catalog.carts import MOST
from hsm.catalog.errors import CartFull
from hsm.facts import JobRecord
from hsm.states import IllegalTransition, JobKind, JobState, OnlineState, RequestState
from tests.hsm.catalog.world import LATER, START, World, pool_file, sop_uid, study_uid


def ask(world: World, who: str = "anna", sops: tuple[str, ...] = ()) -> int:
    return world.catalog.recalls.request(study_uid(1), (), sops, requested_by=who, now=LATER)


def job_of(world: World, request: int) -> JobRecord:
    (job,) = world.catalog.requests.jobs_of([request])[request]
    return job


def bring_back(world: World, job: int) -> None:
    gone = [i for i in world.instances(1) if i.online_state is not OnlineState.ONLINE]
    world.catalog.jobs.start(job, LATER)
    world.catalog.recalls.recalled({i.id: pool_file(i.sop_instance_uid) for i in gone}, LATER, LATER)
    world.catalog.jobs.finish(job, LATER)


def test_who_waits_is_told_when_all_is_back(world: World) -> None:
    world.released()
    whole, part = ask(world), ask(world, "WS1", (sop_uid(1, 1, 1),))
    bring_back(world, job_of(world, whole).id)
    for number, who in ((whole, "anna"), (part, "WS1")):
        record = world.catalog.requests.get(number)
        assert (record.state, record.ended_at) == (RequestState.READY, LATER)
        assert world.catalog.requests.news(who, START) == ([record], 1)
    told = world.catalog.events.list(name="recall_ready")
    assert {(e.subject, e.fields["requester"], e.fields["request"]) for e in told} == {
        (study_uid(1), "anna", whole),
        (study_uid(1), "WS1", part),
    }
    world.catalog.requests.put_away("WS1", LATER)
    assert world.catalog.requests.news("WS1", START) == ([], 0)
    assert world.catalog.requests.news("anna", START)[1] == 1


def test_a_wish_fails_when_its_last_job_does_and_waits_again_with_it(world: World) -> None:
    world.released()
    number = ask(world)
    job = job_of(world, number).id
    world.catalog.jobs.start(job, LATER)
    world.catalog.jobs.fail(job, "unreadable", LATER)
    record = world.catalog.requests.get(number)
    assert (record.state, record.why) == (RequestState.FAILED, "unreadable")
    assert world.catalog.events.list(name="recall_failed")[0].level == "warning"
    world.catalog.jobs.requeue(job, LATER)
    assert world.catalog.requests.get(number).state is RequestState.WAITING
    world.catalog.jobs.cancel(job, LATER)
    assert world.catalog.requests.get(number).why == "its job was cancelled: unreadable"


def test_a_job_that_ends_without_bringing_all_is_a_failure(world: World) -> None:
    world.released()
    number = ask(world)
    job = job_of(world, number).id
    world.catalog.jobs.start(job, LATER)
    world.catalog.jobs.finish(job, LATER)
    assert "without bringing all" in world.catalog.requests.get(number).why


def test_one_wish_taken_back_leaves_the_job_to_the_others(world: World) -> None:
    world.released()
    first, second = ask(world), ask(world, "ben")
    job = job_of(world, first).id
    assert world.catalog.shelf.requesters([job]) == {job: ("anna", "ben")}
    assert world.catalog.requests.cancel(first, "anna", LATER) == 0
    assert world.catalog.shelf.requesters([job]) == {job: ("ben",)}
    assert world.catalog.jobs.get(job).state is JobState.QUEUED
    state = world.catalog.recalls.state(first)
    assert (state.failed, state.state, state.message) == (
        True,
        RequestState.CANCELLED,
        "taken back by who asked for it",
    )
    with pytest.raises(IllegalTransition):
        world.catalog.requests.cancel(first, "anna", LATER)
    assert world.catalog.requests.cancel(second, "ben", LATER) == 1
    assert world.catalog.jobs.get(job).state is JobState.CANCELLED
    assert [r.state for r in world.catalog.requests.list()] == [RequestState.CANCELLED] * 2
    with pytest.raises(NotCatalogued):
        world.catalog.requests.cancel(99, "anna", LATER)


def test_a_running_job_stops_unless_somebody_wants_it_again(world: World) -> None:
    world.released()
    first = ask(world)
    job = job_of(world, first).id
    world.catalog.jobs.start(job, LATER)
    assert world.catalog.requests.cancel(first, "anna", LATER) == 1
    assert world.catalog.jobs.cancel_requested(job)
    second = ask(world, "ben")
    assert job_of(world, second).id == job
    assert not world.catalog.jobs.cancelled(job, LATER), "it is wanted again, and goes on"
    assert world.catalog.requests.cancel(second, "ben", LATER) == 1
    assert world.catalog.jobs.cancelled(job, LATER)
    assert [job.kind for job in world.catalog.jobs.list()] == [JobKind.RECALL]


def test_what_is_on_disk_is_ready_at_once_and_no_news(world: World) -> None:
    world.receive(1)
    number = ask(world)
    assert world.catalog.requests.get(number).state is RequestState.READY
    assert world.catalog.requests.news("anna", START) == ([], 0)
    assert world.catalog.events.list(name="recall_ready") == []
    assert world.catalog.requests.jobs_of([number]) == {}


def test_requests_are_listed_by_who_study_and_state(world: World) -> None:
    world.receive(1)
    first, second = ask(world), ask(world, "ben")
    requests = world.catalog.requests
    assert [r.id for r in requests.list()] == [second, first]
    assert [r.id for r in requests.list("ben", (RequestState.READY,), study_uid(1))] == [second]
    assert [r.id for r in requests.list(before=second, limit=1)] == [first]
    assert requests.list(states=(RequestState.WAITING,)) == []


# -- carts -------------------------------------------------------------------------------------------------------


def account(world: World, name: str = "anna") -> int:
    from hsm.access.roles import Role

    return world.catalog.accounts.add(name, "", Role.STAFF, "x", False, "test", START).id


def test_a_cart_keeps_its_order_and_belongs_to_one_account(world: World) -> None:
    anna, ben, carts = account(world), account(world, "ben"), world.catalog.carts
    for study in (1, 2, 3):
        world.receive(study)
    assert carts.add(anna, [study_uid(2), study_uid(1), study_uid(2), "9.9"], START) == 2
    assert carts.add(anna, [study_uid(3), study_uid(1)], LATER) == 1
    assert carts.list(anna)[-1] == study_uid(3)
    assert (carts.count(anna), carts.count(ben), carts.list(ben)) == (3, 0, ())
    assert carts.holds(anna, [study_uid(1), "9.9"]) == {study_uid(1)}
    assert carts.remove(anna, [study_uid(1), "9.9"]) == 1
    assert carts.remove(anna) == 2


def test_a_cart_takes_no_more_than_it_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsm.catalog.carts.MOST", 1)
    anna = account(world)
    world.receive(1)
    world.receive(2)
    with pytest.raises(CartFull, match="holds 1 studies: 0 are in it, 2 more do not fit"):
        world.catalog.carts.add(anna, [study_uid(1), study_uid(2)], START)
    assert world.catalog.carts.count(anna) == 0
    assert MOST >= 500
