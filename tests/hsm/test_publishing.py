"""Putting rules in force: only what can be understood, kept by pools there are, and over what was seen."""

import pytest

from drivers.base import MediumKind
from hsm.catalog import Catalog, PolicyOutdated
from hsm.facts import VolumePool
from hsm.policy import PolicyInvalid
from hsm.publishing import judge, publish
from tests.hsm.catalog.world import START

POOLS = {"tape_a": VolumePool("tape_a", MediumKind.TAPE, "tape", ("A*",))}
RULES = 'rule "copies":\n    copy to tape_a\n'


@pytest.fixture
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.open(f"sqlite:///{tmp_path_factory.mktemp('publishing') / 'catalog.db'}")


def test_rules_with_a_fault_are_not_put_in_force(catalog: Catalog) -> None:
    for text in ("rule x", RULES.replace("tape_a", "tape_b")):
        assert not judge(text, POOLS).valid
        with pytest.raises(PolicyInvalid, match="line"):
            publish(catalog, text, POOLS, "anna", START)
    assert catalog.policies.current() is None
    catalog.close()


def test_rules_are_put_in_force_with_their_reason_over_what_was_seen(catalog: Catalog) -> None:
    assert judge(RULES, POOLS).valid and judge(RULES, POOLS).findings  # warnings are no obstacle
    assert publish(catalog, RULES, POOLS, "anna", START, 0, "a beginning") == 1
    with pytest.raises(PolicyOutdated):
        publish(catalog, RULES, POOLS, "bo", START, 0)
    current = catalog.policies.current()
    assert current is not None and (current.author, current.reason) == ("anna", "a beginning")
    catalog.close()
