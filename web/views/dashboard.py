"""The overview for the administrator: how full, how busy, how safe."""

from datetime import datetime

import structlog
from flask import Blueprint, render_template

from hsm.access.roles import Right
from hsm.catalog.figures import Flow
from hsm.facts import DiskFacts
from hsm.forecast import Forecast, days_to_full
from hsm.pool import PoolError
from hsm.states import ACTIVE_JOBS, CopyState, JobKind, JobState
from web import sparks, words
from web.access.gate import needs
from web.bars import Mark, used_pct
from web.memo import remembered
from web.reads import overview
from web.reads.studies import labels
from web.services import ENGINE_LEASE, Services, services

pages = Blueprint("dashboard", __name__)
log = structlog.get_logger()
LAST_EVENTS = 5
SHOWN_JOBS = 8
NEARLY_FULL_PCT = 97.0
COSTLY_MAX_AGE_S = 15.0  # what is read from many rows


def water_marks(disk: DiskFacts) -> tuple[Mark, ...]:
    """The marks between which releases move the disk."""
    return (Mark(disk.low_water_pct, "low water mark"), Mark(disk.high_water_pct, "high water mark"))


def pool_tone(disk: DiskFacts) -> str:
    """warn above the high water mark, bad when nearly nothing is left."""
    pct = used_pct(disk.used_bytes, disk.capacity_bytes)
    return "bad" if pct >= NEARLY_FULL_PCT else "warn" if pct >= disk.high_water_pct else ""


def disk_now(house: Services) -> DiskFacts | None:
    """How full the online pool is; None when it is not there, which the page then says."""
    try:
        return house.pool_usage()
    except PoolError as error:
        log.warning("pool_not_ready", error=type(error).__name__)
        return None


def full_in(forecast: Forecast | None) -> str:
    """When something is full, in words: "full in 40 days (between 30 and 55)". Pure."""
    if forecast is None:
        return "full in: not known yet, the samples of a few more hours are needed"
    past = f"from {words.length(forecast.observed_days)} of samples"
    if forecast.likely_days is None:
        risk = f", not before {words.length(forecast.soonest_days)}" if forecast.soonest_days is not None else ""
        return f"not filling up{risk} ({past})"
    if forecast.likely_days == 0:
        return "full now"
    soon = words.length(forecast.soonest_days) if forecast.soonest_days is not None else "10 years"
    late = words.length(forecast.latest_days) if forecast.latest_days is not None else "never"
    between = f"between {soon} and {late}" if soon != late else past
    return f"full in {words.length(forecast.likely_days)} ({between})"


def blank_lasts(tier: overview.Tier) -> str:
    """How long the blank volumes of a pool last, in words; "" when nothing can be said. Pure."""
    if tier.forecast is None:
        return ""
    if tier.blank_days is None:
        return "last longer than ten years"
    return f"with what is free they last {words.length(tier.blank_days)}"


def flow_drawing(catalog_flows: list[Flow], what: str) -> dict[str, object]:
    """A row of days as a drawing with its words. Pure."""
    titles = [f"{f.day.isoformat()}: {words.count(f.number)} {what}, {words.size(f.size_bytes)}" for f in catalog_flows]
    total, today = sum(f.number for f in catalog_flows), catalog_flows[-1]
    most = max(f.number for f in catalog_flows)
    label = f"{what} a day over {len(catalog_flows)} days: {total} in all, {most} at most, {today.number} today"
    return {
        "drawing": sparks.columns([f.size_bytes or f.number for f in catalog_flows], titles, label),
        "today": today,
        "total": total,
        "mean_bytes": sum(f.size_bytes for f in catalog_flows) // len(catalog_flows),
    }


def disk_forecast(house: Services, disk: DiskFacts | None, now: datetime) -> tuple[Forecast | None, object]:
    """When the disk is full, and the line of how full it was."""
    samples = overview.disk_samples(house.catalog, now)
    if disk is None or len(samples) < 2:
        return None, ""
    label = f"use of the disk over {words.length((now - samples[0].at).total_seconds() / 86400)}"
    every = max(1, len(samples) // 150)
    drawn = sparks.line([float(s.used_bytes) for s in samples[::every]], label, float(disk.capacity_bytes))
    return days_to_full(samples, disk.used_bytes, disk.capacity_bytes, now), drawn


@pages.get("/")
@needs(Right.LOOK)
def show() -> str:
    """The overview."""
    house = services()
    catalog, now = house.catalog, house.clock.now()
    disk = disk_now(house)
    running = catalog.jobs.list(states=(JobState.RUNNING,), limit=200)
    known = remembered(
        "figures", COSTLY_MAX_AGE_S, lambda: overview.figures(catalog, house.settings.safe_copies), now
    ).value
    tiers, blank = remembered(
        "tiers", COSTLY_MAX_AGE_S, lambda: overview.all_tiers(catalog, house.volume_pools, now), now
    ).value
    forecast, disk_line = remembered(
        "disk_forecast", COSTLY_MAX_AGE_S, lambda: disk_forecast(house, disk, now), now
    ).value
    jobs = overview.overview_matrix(catalog)
    backups = catalog.events.list(limit=1, name="catalog_copied")
    drives = catalog.drives.list()
    return render_template(
        "dashboard.html",
        disk=disk,
        disk_full=full_in(forecast),
        disk_line=disk_line,
        marks=water_marks(disk) if disk else (),
        pool_tone=pool_tone(disk) if disk else "bad",
        tiers=tiers,
        full_in=full_in,
        blank_lasts=blank_lasts,
        blank=blank,
        intake=flow_drawing(overview.flows(catalog, "intake", now), "studies"),
        recalled=flow_drawing(overview.flows(catalog, "recall", now), "recalls"),
        days_shown=overview.DAYS_SHOWN,
        drives=overview.drive_lines(drives, running),
        devices=known.devices,
        serials={drive.serial for drive in drives},
        running=running[:SHOWN_JOBS],
        more_running=len(running) > SHOWN_JOBS,
        labels=labels(catalog, [job.study_instance_uid for job in running[:SHOWN_JOBS]]),
        matrix=jobs,
        copies_wanted=sum(jobs.counts.get((JobKind.MIGRATE, state), 0) for state in ACTIVE_JOBS),
        safe=known.safe,
        safe_copies=house.settings.safe_copies,
        counts=known.counts,
        recalls=known.recalls,
        machine=known.machine,
        figures_at=known.at,
        figures_old=known.at is not None and now - known.at > overview.STALE_AFTER,
        backup=backups[0] if backups else None,
        copy_states=CopyState,
        engine=catalog.leases.holder(ENGINE_LEASE, now),
        events=catalog.events.list(limit=LAST_EVENTS),
    )
