"""The manual's examples are policies, and what it lists is the language."""

import re
from pathlib import Path

import pytest

from drivers.base import MediumKind
from hsm.facts import VolumePool
from hsm.policy import PolicyInvalid, check, parse, to_text

ROOT = Path(__file__).parents[3]
MANUAL = (ROOT / "docs" / "POLICIES.md").read_text("utf-8")
EXAMPLES = re.findall(r"```policy\n(.*?)```", MANUAL, re.DOTALL)
ROWS = re.findall(r"^\| `([^`]+)` \|", MANUAL, re.MULTILINE)
ACTION_WORDS = ("copy", "keep", "release", "pin", "verify", "compress", "prefetch")
POOLS = {
    name: VolumePool(name, MediumKind.DISC if name == "disc" else MediumKind.TAPE, "lib", ("*",))
    for name in ("tape_a", "tape_b", "tape_r", "disc")
}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    assert len(ROWS) >= 25


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_manual_is_a_policy(text: str) -> None:
    policy = parse(text)
    assert policy.rules
    assert parse(to_text(policy)) == policy
    assert not [finding for finding in check(policy, POOLS) if finding.is_fault]


@pytest.mark.parametrize("row", ROWS)
def test_every_sentence_in_a_table_is_of_the_language(row: str) -> None:
    is_action = row.split(" ", maxsplit=1)[0] in ACTION_WORDS
    assert parse(f'rule "r":\n {row}' if is_action else f'rule "r":\n when {row}\n keep online').rules


def test_every_kind_of_condition_and_action_is_in_the_manual() -> None:
    grammar = (ROOT / "hsm" / "policy" / "grammar.lark").read_text("utf-8")
    keywords = set(re.findall(r'"([a-z]+)"', grammar)) - {"second", "minute", "hour", "day", "week", "month", "year"}
    manual = MANUAL.lower()
    singular = {"byte", "copy", "kind", "prior", "tuesday", "wednesday", "thursday", "friday", "sunday"}
    assert sorted(word for word in keywords - singular if not re.search(rf"\b{word}\b", manual)) == []


def test_the_refusal_in_the_manual_is_the_one_given() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse('rule "a":\n    when modalty is MG\n    keep online')
    assert str(caught.value.faults[0]) in MANUAL


def test_the_sample_policy_fits_the_demo_pools() -> None:
    sample = parse((ROOT / "appliance" / "sample.policy").read_text("utf-8"))
    pools = {name: POOLS[name] for name in ("tape_a", "tape_b", "disc")}
    assert check(sample, pools) == ()
