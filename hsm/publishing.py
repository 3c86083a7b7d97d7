"""Puts rules in force: read, checked against the pools there are, and only over the version that was seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hsm.catalog import Catalog
from hsm.facts import VolumePool
from hsm.policy import Policy, PolicyInvalid, check, parse
from hsm.policy.faults import Fault, Finding


@dataclass(frozen=True)
class Judged:
    """What is to be said about a text of rules."""

    policy: Policy | None  # None when it cannot be understood
    findings: tuple[Finding, ...]  # faults first

    @property
    def valid(self) -> bool:
        """Whether it can be put in force."""
        return self.policy is not None and not any(finding.is_fault for finding in self.findings)


def judge(text: str, pools: Mapping[str, VolumePool], name: str = "policy") -> Judged:
    """Everything that is wrong with a text of rules, and what is to be read before it is used. Pure."""
    try:
        policy = parse(text, name)
    except PolicyInvalid as error:
        faults = (Finding(fault.line, fault.column, True, fault.message, fault.advice) for fault in error.faults)
        return Judged(None, tuple(faults))
    return Judged(policy, check(policy, pools))


def publish(
    catalog: Catalog,
    text: str,
    pools: Mapping[str, VolumePool],
    author: str,
    now: datetime,
    seen: int | None = None,
    reason: str = "",
) -> int:
    """Put rules in force; their version. `seen`: the version that their author took for the one in force, 0 for none.

    Raises: PolicyInvalid when they have a fault, PolicyOutdated when another version is in force than was seen.
    """
    judged = judge(text, pools)
    if not judged.valid:
        faults = [Fault(f.line, f.column, f.message, None, f.advice) for f in judged.findings if f.is_fault]
        raise PolicyInvalid("policy", faults)
    return catalog.policies.publish(text, author, now, seen, reason)
