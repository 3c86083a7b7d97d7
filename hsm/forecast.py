"""How long something lasts that fills up: from samples of how full it was, to days with an interval. Pure.

The past is cut into steps of equal length; what was used in each is one observation. The future is taken to be such
steps, drawn again and again: its mean grows with the time, its spread with the root of the time, and the mean itself is
known only as well as the number of steps allows. So a forecast from three days says "between 4 and 40 days", one from
three months something narrower, and one that cannot say anything says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

WINDOW = timedelta(days=90)  # older samples tell of another time
LEAST_SPAN = timedelta(hours=6)
DAY_S = 86400.0
STEPS_WANTED = 12
LEAST_STEPS = 4
HORIZON_DAYS = 3650.0  # beyond it a number would be an invention
Z_80 = 1.2816  # four of five futures lie within the interval


@dataclass(frozen=True)
class Sample:
    """How much was used at a moment."""

    at: datetime
    used_bytes: int


@dataclass(frozen=True)
class Forecast:
    """When something is full. Days from now; None: not within ten years.

    Four of five times it is between soonest and latest, if the coming weeks are like the past ones.
    """

    growth_bytes_per_day: float
    soonest_days: float | None
    likely_days: float | None
    latest_days: float | None
    observed_days: float  # of how long a past this was concluded


def days_to_full(
    samples: Sequence[Sample], used_bytes: int, capacity_bytes: int, now: datetime, shrinks: bool = True
) -> Forecast | None:
    """When `capacity_bytes` will be used up, from what is used now; None when too little is known.

    `samples`: in any order. `shrinks`: whether less use is part of the pattern, as on a disk that is freed; otherwise
    it counts as no growth, as of a pool from which a volume was taken.
    """
    known = sorted((s for s in samples if now - WINDOW <= s.at <= now), key=lambda sample: sample.at)
    if len(known) < 2:
        return None
    span = known[-1].at - known[0].at
    if span < LEAST_SPAN:
        return None
    increments, step_days = _increments(known, span)
    if len(increments) < LEAST_STEPS:
        return None
    if not shrinks:
        increments = [max(0.0, one) for one in increments]
    mean, spread, number = fmean(increments), stdev(increments), len(increments)
    left = float(capacity_bytes - used_bytes)
    if left <= 0:
        return Forecast(mean / step_days, 0.0, 0.0, 0.0, span.total_seconds() / DAY_S)
    return Forecast(
        growth_bytes_per_day=mean / step_days,
        soonest_days=_days(left, mean, Z_80 * spread, number, step_days),
        likely_days=_days(left, mean, 0.0, number, step_days),
        latest_days=_days(left, mean, -Z_80 * spread, number, step_days),
        observed_days=span.total_seconds() / DAY_S,
    )


def _increments(known: Sequence[Sample], span: timedelta) -> tuple[list[float], float]:
    """What was added in each step, and the length of a step in days: whole days once there are enough of them."""
    step = timedelta(days=1) if span >= timedelta(days=STEPS_WANTED) else span / STEPS_WANTED
    levels: list[int] = []
    index, at = 0, known[-1].at - step * int(span / step)
    while at <= known[-1].at:
        while index + 1 < len(known) and known[index + 1].at <= at:
            index += 1
        levels.append(known[index].used_bytes)
        at += step
    return [float(b - a) for a, b in pairwise(levels)], step.total_seconds() / DAY_S


def _days(left: float, mean: float, spread: float, number: int, step_days: float) -> float | None:
    """The first time at which mean growth, more or less the spread, uses what is left; None beyond the horizon.

    After h steps the use has grown by mean * h + spread * sqrt(h + h * h / number): what lies ahead is uncertain by the
    root of h, the mean by the root of what it was taken from. That grows with h or never reaches what is left, so it is
    looked for by halving.
    """

    def grown(steps: float) -> float:
        return mean * steps + spread * sqrt(steps + steps * steps / number)

    low, high = 0.0, HORIZON_DAYS / step_days
    if grown(high) < left:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if grown(middle) < left:
            low = middle
        else:
            high = middle
    return high * step_days
