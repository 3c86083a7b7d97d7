"""Rules held against those in force: more, fewer, and what the volumes cost."""

import pytest

from hsm.facts import StudyFacts, StudyUid
from hsm.policy import parse, plan
from hsm.policy.actions import PoolTotal, Totals
from hsm.policy.changes import Kind, line_changes, rule_changes
from hsm.policy.compare import Verb
from hsm.policy.cost import Cost, Prices, cost
from hsm.states import CopyState
from hsm.trial import House, try_rules
from tests.hsm.policy.worlds import HALF_FULL, NOW, POOLS, copy, pack, study

OLD = """rule "copies":
    copy to tape_a
rule "settle":
    when modality is CT
    release after 2 verified copies
"""
NEW = """rule "copies":
    copy to tape_a, disc
rule "settle":
    when modality is MR
    release after 2 verified copies
rule "pin":
    pin for 1 year
"""


def archive() -> list[StudyFacts]:
    both = pack(copy("tape_a", CopyState.VERIFIED), copy("tape_b", CopyState.VERIFIED))
    return [
        study(both, study_instance_uid=StudyUid("1.1"), modalities=("CT",)),
        study(both, study_instance_uid=StudyUid("1.2"), modalities=("MR",)),
    ]


def test_what_only_the_new_rules_do_and_what_only_the_old_ones_did() -> None:
    house = House(HALF_FULL, POOLS, {})
    told: list[int] = []
    try_rules(parse(OLD), None, archive() * 500, house, NOW, told.append)
    assert told == [500, 1000]
    found = try_rules(parse(NEW), parse(OLD), archive(), house, NOW)
    assert [action.study_instance_uid for action in found.fewer[Verb.RELEASE].actions] == ["1.1"]
    assert {action.study_instance_uid for action in found.more[Verb.COPY].actions} == {"1.1", "1.2"}
    assert found.more[Verb.PIN].count.actions == 2 and found.releases_more == 0
    assert found.totals == plan(parse(NEW), archive(), HALF_FULL, POOLS, NOW).totals


def test_without_rules_in_force_everything_is_more() -> None:
    rules = parse('rule "go":\n    release after 2 verified copies\n')
    found = try_rules(rules, None, archive(), House(HALF_FULL, POOLS, {}), NOW)
    assert found.releases_more == found.does[Verb.RELEASE].count.actions == 2
    assert found.fewer[Verb.RELEASE].count.actions == 0


@pytest.mark.parametrize(
    ("by_pool", "expected"),
    [
        ({}, None),
        ({"tape_b": 60.0}, None),
        ({"tape_a": 60.0}, Cost(120.0, "EUR", ("disc",))),
        ({"tape_a": 60.0, "disc": 1.5}, Cost(124.5, "EUR", ())),
    ],
)
def test_a_cost_is_told_only_where_prices_are_given(by_pool: dict[str, float], expected: Cost | None) -> None:
    totals = Totals(pools={"tape_a": PoolTotal(1, 1, 1, 2), "disc": PoolTotal(1, 1, 1, 3)})
    assert cost(totals, Prices("EUR", by_pool)) == expected


def test_a_comparison_of_texts_names_lines_and_rules() -> None:
    lines = line_changes("\n".join("abcdefghij"), "\n".join("abcdeXghij"))
    assert [(line.kind, line.text) for line in lines if line.kind in (Kind.ADDED, Kind.REMOVED)] == [
        (Kind.REMOVED, "f"),
        (Kind.ADDED, "X"),
    ]
    assert (lines[0].kind, lines[0].text) == (Kind.SKIPPED, "2 unchanged lines")
    assert line_changes("same", "same") == []
    old = parse('rule "a": keep online rule "b": release rule "c": keep online rule "d": keep online')
    new = parse('rule "b": release rule "a": keep online rule "c": pin for 1 day rule "e": keep online')
    found = {(change.kind, change.name) for change in rule_changes(old, new)}
    assert {(Kind.CHANGED, "c"), (Kind.ADDED, "e"), (Kind.REMOVED, "d")} < found
    assert len([kind for kind, _ in found if kind is Kind.MOVED]) == 1
    assert rule_changes(None, new) == [] and len(rule_changes(parse(""), new)) == 4
