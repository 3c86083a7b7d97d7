"""Two plans for one moment, side by side: what the one does that the other does not; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hsm.policy.actions import CopyAction, Count, PinAction, Plan, Planned, ReleaseAction, Totals, VerifyAction

SHOWN = 1000  # lines of each list that are kept; the figures count all


class Verb(StrEnum):
    """The kinds of action, in the order they are told."""

    COPY = "copy"
    VERIFY = "verify"
    RELEASE = "release"
    PIN = "pin"


@dataclass(frozen=True)
class Part:
    """Some actions of one kind: how many, how much, and the first of them."""

    count: Count
    actions: tuple[Planned, ...] = ()


Parts = Mapping[Verb, Part]


@dataclass(frozen=True)
class Comparison:
    """What rules would do at one moment, and how that differs from what those in force would do."""

    totals: Totals
    does: Parts
    more: Parts = field(default_factory=dict)  # what only the new rules do
    fewer: Parts = field(default_factory=dict)  # what only the rules in force do
    reading_mounts: int = 0  # volumes that are read back, each mounted once

    @property
    def releases_more(self) -> int:
        """Studies that would leave the disk by the new rules and not by those in force."""
        return self.more[Verb.RELEASE].count.actions if Verb.RELEASE in self.more else 0


def compare(new: Plan, old: Plan | None, shown: int = SHOWN) -> Comparison:
    """Hold two plans of one moment against each other; without an old one, nothing was in force."""
    mine = by_verb(new)
    theirs = by_verb(old) if old is not None else dict.fromkeys(Verb, ())
    return Comparison(
        totals=new.totals,
        does={verb: _part(mine[verb], shown) for verb in Verb},
        more={verb: _part(_without(mine[verb], theirs[verb]), shown) for verb in Verb},
        fewer={verb: _part(_without(theirs[verb], mine[verb]), shown) for verb in Verb},
        reading_mounts=len({action.barcode for action in new.verifies}),
    )


def by_verb(plan: Plan) -> dict[Verb, tuple[Planned, ...]]:
    """The actions of a plan, by their kinds."""
    return {Verb.COPY: plan.copies, Verb.VERIFY: plan.verifies, Verb.RELEASE: plan.releases, Verb.PIN: plan.pins}


def _key(action: Planned) -> tuple[str, str]:
    match action:
        case CopyAction():
            return action.study_instance_uid, action.pool
        case VerifyAction():
            return action.study_instance_uid, str(action.copy_id)
        case ReleaseAction() | PinAction():
            return action.study_instance_uid, ""


def _without(actions: Collection[Planned], others: Collection[Planned]) -> tuple[Planned, ...]:
    known = {_key(other) for other in others}
    return tuple(action for action in actions if _key(action) not in known)


def _part(actions: Collection[Planned], shown: int) -> Part:
    kept = tuple(actions)[:shown]
    return Part(Count(len(actions), sum(action.size_bytes for action in actions)), kept)
