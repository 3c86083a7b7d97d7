"""Policies, holds, events and leases."""

from datetime import timedelta

import pytest

from hsm.catalog import Catalog, DraftChanged, HoldRefused, NotCatalogued, PolicyOutdated
from tests.hsm.catalog.world import LATER, START, World, study_uid


def test_the_newest_policy_is_in_force_and_the_others_are_kept(catalog: Catalog) -> None:
    assert catalog.policies.current() is None
    first = catalog.policies.publish("keep everything", "anna", START)
    second = catalog.policies.publish("copy to tape", "bo", LATER)
    current = catalog.policies.current()
    assert current is not None
    assert (current.version, current.text, current.author, current.created_at) == (second, "copy to tape", "bo", LATER)
    assert [version.version for version in catalog.policies.history()] == [second, first]
    assert [version.version for version in catalog.policies.history(limit=1)] == [second]


def test_a_hold_binds_until_it_is_lifted_or_over(world: World) -> None:
    world.receive(1)
    world.receive(2)
    holds = world.catalog.holds
    first = holds.place(study_uid(1), "trial", "judge", START)
    second = holds.place(study_uid(2), "study", "ethics", START, until=LATER)
    assert [hold.id for hold in holds.list()] == [first, second]
    assert [hold.id for hold in holds.list(in_force_at=LATER)] == [first]
    [one] = holds.list(study_uid(1))
    assert (one.study_instance_uid, one.reason, one.placed_by, one.until) == (study_uid(1), "trial", "judge", None)
    holds.lift(first, LATER)
    holds.lift(first, LATER + timedelta(days=1))
    [one] = holds.list(study_uid(1))
    assert one.lifted_at == LATER
    assert world.names() == ["hold_lifted", "hold_placed", "hold_placed"]
    with pytest.raises(NotCatalogued, match="hold 4711"):
        holds.lift(4711, START)
    with pytest.raises(NotCatalogued, match="study 9"):
        holds.place("9", "x", "y", START)


def test_rules_are_published_over_the_version_that_was_seen_or_not_at_all(catalog: Catalog) -> None:
    policies = catalog.policies
    first = policies.publish("one", "anna", START, seen=0, reason="a beginning")
    with pytest.raises(PolicyOutdated, match=f"version {first} is in force by now, not 0"):
        policies.publish("two", "bo", LATER, seen=0)
    second = policies.publish("two", "bo", LATER, seen=first)
    assert [(v.version, v.reason) for v in policies.history()] == [(second, ""), (first, "a beginning")]
    assert [v.version for v in policies.history(before=second)] == [first]
    assert policies.get(first).text == "one"
    with pytest.raises(NotCatalogued, match="rules 4711"):
        policies.get(4711)


def test_a_draft_outlives_its_page_and_two_pages_do_not_undo_each_other(catalog: Catalog) -> None:
    drafts = catalog.drafts
    assert drafts.get("anna") is None
    begun = drafts.begin("anna", "one", 3, START)
    assert drafts.begin("anna", "other", 4, LATER) == begun
    saved = drafts.save("anna", "two", begun.revision, LATER)
    assert (saved.text, saved.base, saved.begun_at, saved.changed_at) == ("two", 3, START, LATER)
    with pytest.raises(DraftChanged):
        drafts.save("anna", "three", begun.revision, LATER)
    assert drafts.save("anna", "two", saved.revision, LATER, base=4).base == 4
    drafts.begin("bo", "his", 4, LATER + timedelta(days=1))
    assert [draft.account for draft in drafts.list()] == ["bo", "anna"]
    drafts.discard("anna")
    drafts.discard("anna")
    with pytest.raises(DraftChanged):
        drafts.save("anna", "late", saved.revision + 1, LATER)


def test_a_hold_is_changed_as_it_was_seen_and_only_while_it_binds(world: World) -> None:
    world.receive(1)
    holds = world.catalog.holds
    hold = holds.place(study_uid(1), "trial", "judge", START)
    holds.change(hold, "appeal", LATER, "clerk", START, ("trial", None))
    with pytest.raises(HoldRefused, match="somebody else"):
        holds.change(hold, "other", None, "clerk", START, ("trial", None))
    holds.change(hold, "appeal", LATER, "clerk", START)  # changes nothing, and says nothing
    one = holds.get(hold)
    assert (one.reason, one.until) == ("appeal", LATER)
    with pytest.raises(HoldRefused, match="is over"):
        holds.change(hold, "again", None, "clerk", LATER)
    holds.lift(hold, LATER, "judge", "settled")
    assert (holds.get(hold).lifted_by, holds.get(hold).lift_reason) == ("judge", "settled")
    with pytest.raises(HoldRefused, match="is over"):
        holds.change(hold, "again", None, "clerk", START)
    assert world.names() == ["hold_lifted", "hold_changed", "hold_placed"]


def test_events_are_found_newest_first(catalog: Catalog) -> None:
    for number in range(5):
        level = "error" if number == 3 else "info"
        at = START + timedelta(minutes=number)
        catalog.events.record(level, f"name{number % 2}", f"s{number}", {"n": number}, at)
    assert [e.fields["n"] for e in catalog.events.list()] == [4, 3, 2, 1, 0]
    assert [e.fields["n"] for e in catalog.events.list(level="error")] == [3]
    assert [e.fields["n"] for e in catalog.events.list(name="name0", limit=2)] == [4, 2]
    assert [e.fields["n"] for e in catalog.events.list(subject="s1")] == [1]
    assert [e.fields["n"] for e in catalog.events.list(since=START + timedelta(minutes=3))] == [4, 3]
    third = catalog.events.list()[2]
    assert third.at == START + timedelta(minutes=2)
    assert [e.fields["n"] for e in catalog.events.list(before=third.id)] == [1, 0]


def test_a_lease_has_one_holder_until_it_runs_out(catalog: Catalog) -> None:
    leases = catalog.leases
    assert leases.take("library", "engine-1", START, 60)
    assert not leases.take("library", "engine-2", START + timedelta(seconds=59), 60)
    assert leases.take("other", "engine-2", START, 60)
    assert leases.renew("library", "engine-1", START + timedelta(seconds=59), 60)
    assert leases.holder("library", START + timedelta(seconds=118)) == "engine-1"
    assert leases.holder("library", START + timedelta(seconds=119)) is None
    assert leases.take("library", "engine-2", START + timedelta(seconds=119), 60)
    assert not leases.renew("library", "engine-1", START + timedelta(seconds=120), 60)
    assert not leases.drop("library", "engine-1")
    assert leases.drop("library", "engine-2")
    assert leases.holder("library", START) is None
    assert leases.take("library", "engine-1", START, 60)


def test_a_lease_that_ran_out_is_not_renewed_but_can_be_taken_again(catalog: Catalog) -> None:
    catalog.leases.take("library", "engine-1", START, 60)
    assert not catalog.leases.renew("library", "engine-1", LATER, 60)
    assert catalog.leases.take("library", "engine-1", LATER, 60)
