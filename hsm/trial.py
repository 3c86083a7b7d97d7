"""Tries rules on the real catalog beside those in force, without doing anything: one pass over the studies for both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from hsm.facts import DiskFacts, StudyFacts, VolumePool
from hsm.policy.compare import Comparison, compare
from hsm.policy.model import Policy
from hsm.policy.plan import Planning


@dataclass(frozen=True)
class House:
    """What a plan needs to know beside the studies."""

    disk: DiskFacts
    pools: Mapping[str, VolumePool]
    volume_bytes: Mapping[str, int]  # capacity of one volume, by pool
    zone: tzinfo = UTC


def most_releases_more(
    new: Policy,
    old: Policy | None,
    studies_at: Callable[[datetime], Iterable[StudyFacts]],
    house: House,
    moments: Iterable[datetime],
) -> int:
    """The most studies that leave the disk at one of these moments by the new rules and not by those in force."""
    found = (try_rules(new, old, studies_at(moment), house, moment) for moment in moments)
    return max(comparison.releases_more for comparison in found)


def try_rules(
    new: Policy,
    old: Policy | None,
    studies: Iterable[StudyFacts],
    house: House,
    moment: datetime,
    tell: Callable[[int], object] = int,
) -> Comparison:
    """What rules would do to these studies at a moment, against what those in force would do; no cap is applied.

    `tell` is told now and then how many studies were looked at.
    """
    plannings = [
        Planning(policy, house.disk, house.pools, moment, zone=house.zone, volume_bytes=house.volume_bytes)
        for policy in (new, old)
        if policy is not None
    ]
    for number, study in enumerate(studies, 1):
        for planning in plannings:
            planning.add(study)
        if number % 500 == 0:
            tell(number)
    plans = [planning.finish() for planning in plannings]
    return compare(plans[0], plans[1] if old is not None else None)
