"""What a text of rules would do to the real catalog tonight, in a month and in a year, against the rules in force."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from flask import current_app

from hsm.catalog.records import PolicyVersion
from hsm.policy.compare import Comparison
from hsm.policy.cost import Cost, cost
from hsm.pool import PoolError
from hsm.trial import House, try_rules
from web.memo import Aside, Kept, Working
from web.reads.drafts import readable
from web.reads.policy import NO_POOL, DryRunImpossible, Horizon, capacities, moment_of
from web.services import Services, services

HORIZONS = (Horizon.TONIGHT, Horizon.MONTH, Horizon.YEAR)
KEPT_S = 900.0  # so that what was seen is still what is published a few minutes later
NOT_READABLE = "The draft has faults, so it cannot be tried: see what is said at its lines."


@dataclass(frozen=True)
class Trial:
    """The answer for one moment."""

    horizon: Horizon
    moment: datetime
    worked_out_at: datetime
    found: Comparison
    cost: Cost | None

    @property
    def mounts(self) -> int:
        """At least so often a volume is mounted: each that is filled, and each that is read back, once."""
        return self.found.reading_mounts + sum(pool.volumes for pool in self.found.totals.pools.values())


@dataclass(frozen=True)
class Pending:
    """A moment that is still being worked out."""

    horizon: Horizon
    since: datetime
    studies: int  # looked at so far
    studies_total: int


@dataclass(frozen=True)
class Trials:
    """What is known by now."""

    known: tuple[Trial, ...] = ()
    pending: tuple[Pending, ...] = ()
    trouble: str = ""

    @property
    def releases_more(self) -> int | None:
        """The most studies that would leave the disk at one of the moments and not by the rules in force.

        None while that is not known.
        """
        if self.pending or not self.known:
            return None
        return max(trial.found.releases_more for trial in self.known)


@dataclass
class _Progress:
    studies: dict[str, int] = field(default_factory=dict)


def trials(house: Services, text: str, current: PolicyVersion | None, only: Horizon | None = None) -> Trials:
    """Try rules at every moment, or at one; what takes long is worked out aside. Raises: CatalogUnavailable."""
    known: list[Trial] = []
    pending: list[Pending] = []
    patience_s = house.settings.patience_s
    for horizon in HORIZONS if only is None else (only,):
        try:
            found = _asked(house, text, current, horizon, patience_s)
        except DryRunImpossible as error:
            return Trials(trouble=str(error))
        if isinstance(found, Working):
            patience_s = 0.0
            done = _progress().studies.get(_name(text, current, horizon), 0)
            pending.append(Pending(horizon, found.since, done, house.catalog.studies.counts().studies))
        else:
            known.append(found.value)
    return Trials(tuple(known), tuple(pending))


def _asked(
    house: Services, text: str, current: PolicyVersion | None, horizon: Horizon, patience_s: float
) -> Kept[Trial] | Working:
    name, progress = _name(text, current, horizon), _progress()
    fresh = Aside[Trial](KEPT_S, house.clock.now)
    aside = cast("Aside[Trial]", current_app.extensions.setdefault("firn.trials", fresh))
    return aside.get(name, lambda: _work(house, text, current, horizon, progress, name), patience_s)


def _name(text: str, current: PolicyVersion | None, horizon: Horizon) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{digest}.{current.version if current else 0}.{horizon.value}"


def _progress() -> _Progress:
    return cast(_Progress, current_app.extensions.setdefault("firn.trial-progress", _Progress()))


def _work(
    house: Services, text: str, current: PolicyVersion | None, horizon: Horizon, progress: _Progress, name: str
) -> Trial:
    new, now = readable(text), house.clock.now()
    if new is None:
        raise DryRunImpossible(NOT_READABLE)
    try:
        disk = house.pool_usage()
    except PoolError as error:
        raise DryRunImpossible(NO_POOL) from error
    moment = moment_of(horizon, now, house.settings.zone)
    found = try_rules(
        new,
        readable(current.text) if current else None,
        house.catalog.facts.studies_for_policy(moment),
        House(disk, house.volume_pools, capacities(house), house.settings.zone),
        moment,
        lambda studies: progress.studies.__setitem__(name, studies),
    )
    progress.studies.pop(name, None)
    return Trial(horizon, moment, now, found, cost(found.totals, house.prices))


def trial_now(text: str, current: PolicyVersion | None) -> Trials:
    """Try rules at every moment, for the application that answers the present request."""
    return trials(services(), text, current)
