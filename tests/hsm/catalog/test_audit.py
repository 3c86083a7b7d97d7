"""Who did what is kept apart, with the change it tells of, and is never changed."""

from datetime import timedelta

import pytest

from hsm.access.actor import FIRN, Actor, Via, acting, present
from hsm.access.roles import Role
from hsm.catalog import audit
from hsm.catalog.audit import AuditFilter, AuditOutcome, ObjectKind
from hsm.catalog.errors import VolumeRefused
from hsm.states import Place
from tests.hsm.catalog.world import START, TAPES, World, study_uid

ANNA = Actor("anna", Via.WEB, "192.0.2.7")
ALL = AuditFilter()


def entries(world: World, wanted: AuditFilter = ALL) -> list[tuple[str, str, str, str, str]]:
    found = world.catalog.audit.list(wanted, limit=1000)
    return [(e.actor, e.via, e.address, e.action, e.object) for e in found]


def test_a_change_is_audited_with_who_came_from_where(world: World) -> None:
    world.labelled(*TAPES[:1])
    with acting(ANNA):
        world.catalog.volumes.move(TAPES[0], Place.VAULT, "Bank", START)
    assert entries(world)[0] == ("anna", "web", "192.0.2.7", "volume_moved", "A00001L8")
    entry = world.catalog.audit.list(ALL)[0]
    assert (entry.kind, entry.outcome) == (ObjectKind.VOLUME, AuditOutcome.SUCCESS)
    assert entry.fields["location"] == "Bank"
    assert present() is None


def test_a_change_that_is_undone_leaves_no_entry(world: World) -> None:
    world.safe()
    before = entries(world)
    with acting(ANNA), pytest.raises(VolumeRefused):
        world.catalog.volumes.retire(TAPES[0], "old", START)
    assert entries(world) == before


def test_what_the_house_does_by_itself_has_its_own_name(world: World) -> None:
    world.labelled(*TAPES[:1])
    assert entries(world)[0] == ("firn", "engine", "", "volume_labelled", "A00001L8")


def test_without_somebody_at_the_edge_the_change_itself_says_who(world: World) -> None:
    world.receive()
    world.catalog.holds.place(study_uid(1), "court", "L. Counsel", START)
    entry = world.catalog.audit.list(ALL)[0]
    assert (entry.actor, entry.action, entry.kind) == ("L. Counsel", "hold_placed", ObjectKind.STUDY)
    assert "placed_by" not in entry.fields


def test_who_signs_in_is_who_acts_and_a_refusal_is_no_success(world: World) -> None:
    accounts = world.catalog.accounts
    accounts.add("anna", "Anna", Role.STAFF, "hash", False, "admin", START)
    with acting(Actor("", Via.WEB, "192.0.2.7")):
        accounts.failed("anna", "192.0.2.7", START)
        accounts.failed("my password", "192.0.2.7", START)
        accounts.sign_in("anna", "token", "192.0.2.7", START)
    assert entries(world)[:3] == [
        ("anna", "web", "192.0.2.7", "signed_in", "anna"),
        ("", "web", "192.0.2.7", "sign_in_refused", ""),
        ("anna", "web", "192.0.2.7", "sign_in_refused", "anna"),
    ]
    refused = world.catalog.audit.list(AuditFilter(outcome=AuditOutcome.REFUSED))
    assert {entry.action for entry in refused} == {"sign_in_refused"}
    assert "my password" not in str(world.catalog.audit.list(ALL))


def test_each_filter_confines(world: World) -> None:
    catalog = world.catalog
    for number in range(4):
        actor = Actor(f"p{number % 2}", Via.WEB)
        at = START + timedelta(hours=number)
        catalog.audit.record(actor, f"a{number}", ObjectKind.STUDY, f"1.2.{number}", at, AuditOutcome.REFUSED)
    for wanted, expected in (
        (AuditFilter(actor="p1"), ["a3", "a1"]),
        (AuditFilter(action="a2"), ["a2"]),
        (AuditFilter(kind="volume"), []),
        (AuditFilter(object="1.2.0"), ["a0"]),
        (AuditFilter(outcome="success"), []),
        (AuditFilter(since=START + timedelta(hours=1), until=START + timedelta(hours=3)), ["a2", "a1"]),
    ):
        assert [entry.action for entry in catalog.audit.list(wanted)] == expected


def test_a_long_trail_is_read_in_parts_and_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "STREAM_ROWS", 3)
    for number in range(8):
        world.catalog.audit.record(ANNA, "looked", ObjectKind.STUDY, str(number), START)
    read = [entry.object for entry in world.catalog.audit.stream(ALL)]
    assert read == [str(number) for number in reversed(range(8))]


def test_forgetting_what_is_old_is_itself_audited(world: World) -> None:
    for age in (0, 10, 20):
        world.catalog.audit.record(ANNA, "looked", ObjectKind.STUDY, str(age), START - timedelta(days=age))
    assert world.catalog.audit.prune(START - timedelta(days=5), START) == 2
    assert entries(world) == [
        (FIRN.name, "engine", "", "audit_pruned", ""),
        ("anna", "web", "192.0.2.7", "looked", "0"),
    ]
    assert world.catalog.audit.list(ALL)[0].fields["entries"] == 2
    assert world.catalog.audit.prune(START - timedelta(days=5), START) == 0
    assert len(entries(world)) == 2


def test_old_events_go_and_say_so(world: World) -> None:
    for age in (0, 10):
        world.catalog.events.record("info", "something", str(age), {}, START - timedelta(days=age))
    assert world.catalog.events.prune(START - timedelta(days=5), START) == 1
    assert world.names() == ["events_pruned", "something"]
    assert world.catalog.events.prune(START - timedelta(days=5), START) == 0
