"""The house as a whole."""

from pydantic import Field

from drivers.base import MediumKind
from hsm.access.roles import Right
from hsm.pool import PoolError
from hsm.states import JobKind, JobState
from web.api.operations import Operations
from web.api.shape import Shape, Time
from web.memo import remembered
from web.reads.overview import Tier, all_tiers, figures, overview_matrix
from web.services import ENGINE_LEASE, services

operations = Operations("Status")
COSTLY_MAX_AGE_S = 15.0  # figures that look at every study


class Disk(Shape):
    """The online pool."""

    capacity_bytes: int
    used_bytes: int
    high_water_pct: float
    low_water_pct: float


class Pool(Shape):
    """A pool of volumes."""

    name: str
    kind: MediumKind
    volumes: int
    writable_volumes: int
    suspect_volumes: int
    blank_volumes: int = Field(description="That could be labelled for it.")
    capacity_bytes: int
    used_bytes: int
    days_to_full: float | None = Field(
        description="As the intake of the last weeks foretells; null: not known, or never."
    )


class JobCount(Shape):
    """How many jobs of a kind are in a state."""

    kind: JobKind
    state: JobState
    jobs: int


class Status(Shape):
    """How full, how busy, how safe."""

    engine: str | None = Field(description="Who runs the engine; null when nobody does, and then nothing is moved.")
    disk: Disk | None = Field(description="Null when the online pool is not there.")
    pools: tuple[Pool, ...]
    studies: int
    instances: int
    size_bytes: int
    online_bytes: int
    unsafe_studies: int = Field(description="With too few verified copies.")
    oldest_unsafe_at: Time | None
    jobs: tuple[JobCount, ...]


@operations.get("/status", Right.LOOK)
def get_status() -> Status:
    """How full, how busy and how safe the house is."""
    house = services()
    catalog, now = house.catalog, house.clock.now()
    known = remembered("figures", COSTLY_MAX_AGE_S, lambda: figures(catalog, house.settings.safe_copies), now).value
    safe, counts = known.safe, known.counts
    tiers, _ = remembered("tiers", COSTLY_MAX_AGE_S, lambda: all_tiers(catalog, house.volume_pools, now), now).value
    jobs = overview_matrix(catalog).counts
    return Status(
        engine=catalog.leases.holder(ENGINE_LEASE, now),
        disk=_disk(),
        pools=tuple(_pool(tier) for tier in tiers),
        studies=counts.studies,
        instances=counts.instances,
        size_bytes=counts.size_bytes,
        online_bytes=counts.online_bytes,
        unsafe_studies=safe.studies,
        oldest_unsafe_at=safe.oldest_received_at,
        jobs=tuple(JobCount(kind=k, state=s, jobs=n) for (k, s), n in sorted(jobs.items())),
    )


def _disk() -> Disk | None:
    try:
        facts = services().pool_usage()
    except PoolError:
        return None
    return Disk(
        capacity_bytes=facts.capacity_bytes,
        used_bytes=facts.used_bytes,
        high_water_pct=facts.high_water_pct,
        low_water_pct=facts.low_water_pct,
    )


def _pool(tier: Tier) -> Pool:
    return Pool(
        name=tier.name,
        kind=tier.kind,
        volumes=tier.volumes,
        writable_volumes=tier.writable,
        suspect_volumes=tier.suspect,
        blank_volumes=tier.blank,
        capacity_bytes=tier.capacity_bytes,
        used_bytes=tier.used_bytes,
        days_to_full=tier.forecast.likely_days if tier.forecast else None,
    )
