"""What is kept where and for how long, in sentences; pure."""

from hsm.policy.actions import (
    CopyAction,
    Count,
    Done,
    DoneToday,
    PinAction,
    Plan,
    Planned,
    PoolTotal,
    Problem,
    ReleaseAction,
    Totals,
    VerifyAction,
)
from hsm.policy.check import check
from hsm.policy.explain import explain
from hsm.policy.faults import Fault, Finding, PolicyInvalid
from hsm.policy.model import Policy, Rule
from hsm.policy.need import missing_packs
from hsm.policy.parse import parse
from hsm.policy.plan import plan
from hsm.policy.text import to_text

__all__ = [
    "CopyAction",
    "Count",
    "Done",
    "DoneToday",
    "Fault",
    "Finding",
    "PinAction",
    "Plan",
    "Planned",
    "Policy",
    "PolicyInvalid",
    "PoolTotal",
    "Problem",
    "ReleaseAction",
    "Rule",
    "Totals",
    "VerifyAction",
    "check",
    "explain",
    "missing_packs",
    "parse",
    "plan",
    "to_text",
]
