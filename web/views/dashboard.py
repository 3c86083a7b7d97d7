"""The overview for the administrator: how full, how busy, how safe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from flask import Blueprint, render_template

from drivers.base import MediumKind
from hsm.access.roles import Right
from hsm.facts import DiskFacts, VolumePool, VolumeRecord
from hsm.pool import PoolError
from hsm.states import ACTIVE_JOBS, WRITABLE_VOLUMES, CopyState, JobKind, JobState, Place, VolumeState
from web.access.gate import needs
from web.bars import Mark, used_pct
from web.memo import remembered
from web.reads.studies import labels, safety
from web.reads.work import matrix
from web.services import ENGINE_LEASE, Services, services

pages = Blueprint("dashboard", __name__)
log = structlog.get_logger()
LAST_EVENTS = 8
SHOWN_JOBS = 10
NEARLY_FULL_PCT = 97.0
COSTLY_MAX_AGE_S = 15.0  # figures that look at every study
GONE = frozenset({VolumeState.RETIRED, VolumeState.LOST})


@dataclass(frozen=True)
class Tier:
    """One pool of volumes of the same kind, added up."""

    name: str
    kind: MediumKind
    volumes: int
    used_bytes: int
    capacity_bytes: int
    writable: int
    suspect: int
    elsewhere: int  # on shelves or missing


def tiers(volumes: Iterable[VolumeRecord], pools: Mapping[str, VolumePool]) -> list[Tier]:
    """Every configured pool, also an empty one, and every pool that volumes name; tapes before discs. Pure."""
    by_pool: dict[tuple[str, MediumKind], list[VolumeRecord]] = {(p.name, p.kind): [] for p in pools.values()}
    for volume in volumes:
        if volume.pool and volume.state not in GONE:
            by_pool.setdefault((volume.pool, volume.kind), []).append(volume)
    found = [
        Tier(
            name=name,
            kind=kind,
            volumes=len(members),
            used_bytes=sum(v.used_bytes for v in members),
            capacity_bytes=sum(v.capacity_bytes for v in members),
            writable=sum(v.state in WRITABLE_VOLUMES for v in members),
            suspect=sum(v.state is VolumeState.SUSPECT for v in members),
            elsewhere=sum(v.place is not Place.LIBRARY for v in members),
        )
        for (name, kind), members in by_pool.items()
    ]
    return sorted(found, key=lambda tier: (tier.kind is not MediumKind.TAPE, tier.name))


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


@pages.get("/")
@needs(Right.LOOK)
def show() -> str:
    """The overview."""
    house = services()
    catalog, now = house.catalog, house.clock.now()
    disk = disk_now(house)
    volumes = catalog.volumes.list()
    running = catalog.jobs.list(states=(JobState.RUNNING,), limit=SHOWN_JOBS + 1)
    safe = remembered("safety", COSTLY_MAX_AGE_S, lambda: safety(catalog, house.settings.safe_copies), now).value
    counts = remembered("counts", COSTLY_MAX_AGE_S, catalog.studies.counts, now).value
    jobs = matrix(catalog)
    return render_template(
        "dashboard.html",
        disk=disk,
        marks=water_marks(disk) if disk else (),
        pool_tone=pool_tone(disk) if disk else "bad",
        tiers=tiers(volumes, house.volume_pools),
        blank=sum(v.state is VolumeState.BLANK for v in volumes),
        drives=catalog.drives.list(),
        running=running[:SHOWN_JOBS],
        more_running=len(running) > SHOWN_JOBS,
        labels=labels(catalog, [job.study_instance_uid for job in running]),
        matrix=jobs,
        copies_wanted=sum(jobs.counts.get((JobKind.MIGRATE, state), 0) for state in ACTIVE_JOBS),
        safe=safe,
        safe_copies=house.settings.safe_copies,
        counts=counts,
        copy_states=CopyState,
        engine=catalog.leases.holder(ENGINE_LEASE, now),
        events=catalog.events.list(limit=LAST_EVENTS),
    )
