"""What the rules say: about one study, and about the whole catalog at some moment, without doing anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from hsm.catalog.records import PolicyVersion
from hsm.facts import JobRecord, StudyUid
from hsm.policy import (
    CopyAction,
    Plan,
    Policy,
    PolicyInvalid,
    Problem,
    ReleaseAction,
    VerifyAction,
    parse,
    plan,
)
from hsm.policy.actions import Planned, Totals
from hsm.policy.explain import Explanation, explanation
from hsm.pool import PoolError
from hsm.states import JobKind, JobState
from web.services import Services

NO_POLICY = "No rules are in force yet: nothing is copied and nothing leaves the disk."
NOT_READABLE = "The rules in force cannot be read by this version; an archivist must publish them again."
NO_POOL = "The online pool is not there at the moment, so the rules cannot be worked out."
TONIGHT = time(23, 0)
SHOWN_PROBLEMS = 50


class Horizon(StrEnum):
    """The moment a dry run looks at."""

    NOW = "now"
    TONIGHT = "tonight"  # rules may be confined to the night
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Why:
    """Why a study is where it is, or why that cannot be said."""

    told: Explanation | None = None
    left: JobRecord | None = None  # the release by which it left the disk, when nothing of it is there
    trouble: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is told, in order."""
        told = self.told
        return () if told is None else (*told.where, *told.copies, *told.rules, *told.fate, *told.next)


@dataclass(frozen=True)
class Line:
    """One action of a dry run."""

    verb: str
    study_instance_uid: StudyUid
    target: str  # pool or barcode, "" where there is none
    size_bytes: int
    rule: str
    reason: str


@dataclass(frozen=True)
class DryRun:
    """What the rules would do at one moment; the first lines of it, and all of it in figures."""

    version: int
    moment: datetime
    totals: Totals
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    problems_total: int
    held_back: Mapping[str, int]
    capped_releases: int
    space_needed: bool


class DryRunImpossible(Exception):
    """The rules cannot be worked out now; the message is fit for the page."""


def moment_of(horizon: Horizon, now: datetime, zone: tzinfo) -> datetime:
    """The time a dry run looks at. Tonight is 23:00 of the house's zone, today's or, after that, tomorrow's."""
    match horizon:
        case Horizon.NOW:
            return now
        case Horizon.MONTH:
            return now + timedelta(days=30)
        case Horizon.YEAR:
            return now + timedelta(days=365)
        case Horizon.TONIGHT:
            local = now.astimezone(zone)
            tonight = datetime.combine(local.date(), TONIGHT, tzinfo=zone)
            return (tonight if tonight > local else tonight + timedelta(days=1)).astimezone(now.tzinfo)


def in_force(house: Services) -> tuple[PolicyVersion, Policy]:
    """The rules in force. Raises: DryRunImpossible, CatalogUnavailable."""
    version = house.catalog.policies.current()
    if version is None:
        raise DryRunImpossible(NO_POLICY)
    try:
        return version, parse(version.text)
    except PolicyInvalid as error:
        raise DryRunImpossible(NOT_READABLE) from error


def why_here(house: Services, uid: str, now: datetime) -> Why:
    """What each rule says about one study. Raises: CatalogUnavailable."""
    try:
        _, policy = in_force(house)
        disk = house.pool_usage()
    except DryRunImpossible as error:
        return Why(trouble=str(error))
    except PoolError:
        return Why(trouble=NO_POOL)
    for facts in house.catalog.facts.studies_for_policy(now, only=[StudyUid(uid)]):
        told = explanation(policy, facts, disk, house.volume_pools, now, zone=house.settings.zone)
        return Why(told, _release_of(house, uid) if facts.online_instances <= 0 else None)
    return Why(trouble="It has just left the catalog.")


def _release_of(house: Services, uid: str) -> JobRecord | None:
    done = house.catalog.jobs.list(states=(JobState.DONE,), kinds=(JobKind.RELEASE,), study_uid=uid, limit=1)
    return next(iter(done), None)


def dry_run(house: Services, horizon: Horizon, now: datetime) -> DryRun:
    """What the rules would do to the real catalog as it is now, were it the moment of the horizon.

    Raises: DryRunImpossible, CatalogUnavailable.
    """
    version, policy = in_force(house)
    moment = moment_of(horizon, now, house.settings.zone)
    try:
        disk = house.pool_usage()
    except PoolError as error:
        raise DryRunImpossible(NO_POOL) from error
    planned = plan(
        policy,
        house.catalog.facts.studies_for_policy(moment),
        disk,
        house.volume_pools,
        moment,
        max_releases=house.settings.max_releases,
        zone=house.settings.zone,
        volume_bytes=capacities(house),
    )
    return told(planned, version.version, moment, house.settings.dry_run_reasons)


def capacities(house: Services) -> dict[str, int]:
    """The capacity of the largest volume of each pool, in bytes; pools whose volumes have none are left out."""
    largest: dict[str, int] = {}
    for volume in house.catalog.volumes.list():
        if volume.pool and volume.capacity_bytes > largest.get(volume.pool, 0):
            largest[volume.pool] = volume.capacity_bytes
    return largest


def told(planned: Plan, version: int, moment: datetime, shown: int) -> DryRun:
    """The part of a plan that a page shows. Pure."""
    return DryRun(
        version=version,
        moment=moment,
        totals=planned.totals,
        lines=tuple(line_of(action) for action in planned.actions[:shown]),
        problems=planned.problems[:SHOWN_PROBLEMS],
        problems_total=len(planned.problems),
        held_back=planned.held_back,
        capped_releases=planned.capped_releases,
        space_needed=planned.space_needed,
    )


def line_of(action: Planned) -> Line:
    """One action as a line. Pure."""
    match action:
        case CopyAction():
            verb, target = "copy", action.pool
        case VerifyAction():
            verb, target = "read back", action.barcode
        case ReleaseAction():
            verb, target = "free disk space", ""
        case _:
            verb, target = "keep on disk", ""
    return Line(verb, action.study_instance_uid, target, action.size_bytes, action.rule, action.reason)
