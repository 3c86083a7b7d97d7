"""What the overview shows, gathered from rows that are quick to read however large the archive is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from drivers.base import MediumKind
from hsm.catalog import Catalog
from hsm.catalog.figures import Flow, Published
from hsm.catalog.records import CatalogCounts, DriveRecord
from hsm.catalog.safety import Unsafe, safety
from hsm.facts import JobRecord, VolumePool
from hsm.figures.observer import ONLINE, series_of_pool
from hsm.figures.questions import VolumeGroup, blank_barcodes, jobs_by_outcome, volume_groups
from hsm.forecast import WINDOW, Forecast, Sample, days_to_full
from hsm.states import LABEL_VOLUMES, WRITABLE_VOLUMES, CopyState, JobKind, JobState, Place, VolumeState
from web.reads.work import JobMatrix

GONE = frozenset({VolumeState.RETIRED, VolumeState.LOST})
DAYS_SHOWN = 30
STALE_AFTER = timedelta(minutes=10)  # figures that old are said to be


@dataclass(frozen=True)
class Tier:
    """One pool of volumes of the same kind, added up."""

    name: str
    kind: MediumKind
    volumes: int = 0
    used_bytes: int = 0
    capacity_bytes: int = 0
    writable: int = 0
    suspect: int = 0
    elsewhere: int = 0  # on shelves or missing
    blank: int = 0  # volumes that could be labelled for it
    forecast: Forecast | None = None  # of the volumes that are labelled
    blank_days: float | None = None  # how long those and the blank ones last; None: not known, or for ever


@dataclass(frozen=True)
class DriveLine:
    """One drive, the job on its volume, and how fast that goes."""

    drive: DriveRecord
    job: JobRecord | None

    @property
    def rate_bytes_s(self) -> int:
        """How fast bytes move through it now; 0 when none do."""
        return self.job.rate_bytes_s if self.job else 0


@dataclass(frozen=True)
class Figures:
    """What the clock worked out, or was worked out now where it has not yet."""

    safe: Unsafe
    counts: CatalogCounts
    recalls: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] | None = None
    devices: Mapping[str, Any] | None = None
    at: datetime | None = None  # None: now


def tiers(
    groups: Iterable[VolumeGroup], blanks: Sequence[tuple[str, MediumKind]], pools: Mapping[str, VolumePool]
) -> list[Tier]:
    """Every configured pool, also an empty one, and every pool that volumes name; tapes before discs. Pure."""
    by_pool: dict[tuple[str, MediumKind], list[VolumeGroup]] = {(p.name, p.kind): [] for p in pools.values()}
    for group in groups:
        if group.pool and group.state not in GONE:
            by_pool.setdefault((group.pool, group.kind), []).append(group)
    found = [
        Tier(
            name=name,
            kind=kind,
            volumes=sum(g.volumes for g in members),
            used_bytes=sum(g.used_bytes for g in members),
            capacity_bytes=sum(g.capacity_bytes for g in members),
            writable=sum(g.volumes for g in members if g.state in WRITABLE_VOLUMES),
            suspect=sum(g.volumes for g in members if g.state is VolumeState.SUSPECT),
            elsewhere=sum(g.volumes for g in members if g.place is not Place.LIBRARY),
            blank=_blanks_for(pools.get(name), kind, blanks),
        )
        for (name, kind), members in by_pool.items()
    ]
    return sorted(found, key=lambda tier: (tier.kind is not MediumKind.TAPE, tier.name))


def _blanks_for(pool: VolumePool | None, kind: MediumKind, blanks: Sequence[tuple[str, MediumKind]]) -> int:
    if pool is None:
        return 0
    return sum(k is kind and any(fnmatchcase(code, pattern) for pattern in pool.barcodes) for code, k in blanks)


def lasting(tier: Tier, samples: Sequence[Sample], now: datetime) -> Tier:
    """The tier with its forecast, and with how long its blank volumes last. Pure.

    A blank volume counts as much as one of the pool's does on average.
    """
    forecast = days_to_full(samples, tier.used_bytes, tier.capacity_bytes, now, shrinks=False)
    each = tier.capacity_bytes // tier.volumes if tier.volumes else 0
    with_blanks = tier.capacity_bytes + tier.blank * each
    longer = days_to_full(samples, tier.used_bytes, with_blanks, now, shrinks=False)
    values = {**tier.__dict__, "forecast": forecast, "blank_days": longer.likely_days if longer else None}
    return Tier(**values)


def all_tiers(catalog: Catalog, pools: Mapping[str, VolumePool], now: datetime) -> tuple[list[Tier], int]:
    """The tiers with their forecasts, and how many volumes are blank."""
    groups = volume_groups(catalog.database)
    blanks = blank_barcodes(catalog.database)
    found = [
        lasting(tier, catalog.figures.samples(series_of_pool(tier.name), now - WINDOW), now)
        for tier in tiers(groups, blanks, pools)
    ]
    return found, sum(group.volumes for group in groups if group.state in LABEL_VOLUMES)


def disk_samples(catalog: Catalog, now: datetime) -> list[Sample]:
    """How full the disk was in the time that counts for a forecast."""
    return catalog.figures.samples(ONLINE, now - WINDOW)


def figures(catalog: Catalog, safe_copies: int) -> Figures:
    """The published figures; what nobody published is asked now, which is quick in a young archive."""
    found = catalog.figures.latest(("safety", "holdings", "recalls", "machine", "devices"))
    safe, counts = found.get("safety"), found.get("holdings")
    if safe is not None and safe.value.get("safe_copies") != safe_copies:
        safe = None
    return Figures(
        safe=_unsafe(safe) if safe else safety(catalog.database, safe_copies),
        counts=_counts(counts) if counts else catalog.studies.counts(),
        recalls=found["recalls"].value if "recalls" in found else {},
        machine=found["machine"].value if "machine" in found else None,
        devices=found["devices"].value if "devices" in found else None,
        at=min((one.at for one in found.values()), default=None),
    )


def _unsafe(published: Published) -> Unsafe:
    value = published.value
    at = value["oldest_received_at"]
    return Unsafe(
        value["studies"], value["size_bytes"], value["oldest_uid"], datetime.fromisoformat(at) if at else None
    )


def _counts(published: Published) -> CatalogCounts:
    value = dict(published.value)
    copies = {CopyState(state): number for state, number in value.pop("copies").items()}
    return CatalogCounts(copies=copies, **value)


def overview_matrix(catalog: Catalog) -> JobMatrix:
    """All jobs by kind and outcome: those under way as they are now, those that ended as they were last counted."""
    published = catalog.figures.latest(("jobs",)).get("jobs")
    if published is None:
        counts = jobs_by_outcome(catalog.database)
    else:
        counts = jobs_by_outcome(catalog.database, ended=False)
        for kind, state, number in published.value["ended"]:
            counts[JobKind(kind), JobState(state)] = number
    kinds = tuple(kind for kind in JobKind if any(k is kind for k, _ in counts))
    states = tuple(state for state in JobState if any(s is state for _, s in counts))
    return JobMatrix(kinds, states, counts)


def drive_lines(drives: Iterable[DriveRecord], running: Iterable[JobRecord]) -> list[DriveLine]:
    """Each drive with the running job that moves bytes on its volume. Pure."""
    by_barcode: dict[str, JobRecord] = {}
    for job in running:
        if job.barcode and (job.barcode not in by_barcode or job.rate_bytes_s):
            by_barcode[job.barcode] = job
    return [DriveLine(drive, by_barcode.get(drive.barcode) if drive.barcode else None) for drive in drives]


def flows(catalog: Catalog, name: str, now: datetime) -> list[Flow]:
    """What moved on each of the last days."""
    return catalog.figures.flows(name, now.date(), DAYS_SHOWN)
