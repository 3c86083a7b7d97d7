"""What the metrics are made from, read in a few quick questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from hsm.catalog import Catalog
from hsm.catalog.figures import Flow
from hsm.catalog.records import Compression
from hsm.facts import DiskFacts
from hsm.figures.questions import VolumeGroup, volume_groups
from hsm.models import Event
from hsm.pool import PoolError
from hsm.states import JobKind, JobState
from web.memo import remembered
from web.reads.overview import DriveLine, Figures, Tier, all_tiers, drive_lines, figures, flows, overview_matrix
from web.services import ENGINE_LEASE, Services

COSTLY_MAX_AGE_S = 15.0
LEVELS = ("info", "warning", "error")


@dataclass(frozen=True)
class Readings:
    """The house at one moment."""

    engine: str | None
    disk: DiskFacts | None  # None: the online pool is not there
    tiers: tuple[Tier, ...]
    groups: tuple[VolumeGroup, ...]
    wanted: int
    figures: Figures
    jobs: Mapping[tuple[JobKind, JobState], int]
    drives: tuple[DriveLine, ...]
    intake: Flow  # today
    recalled: Flow
    events: Mapping[str, int]  # of the last hour, by level
    copied_at: datetime | None
    compression: Compression


def readings(house: Services, now: datetime) -> Readings:
    """Ask for all of it. Raises: CatalogUnavailable."""
    catalog = house.catalog
    known = remembered("figures", COSTLY_MAX_AGE_S, lambda: figures(catalog, house.settings.safe_copies), now).value
    tiers, _ = remembered("tiers", COSTLY_MAX_AGE_S, lambda: all_tiers(catalog, house.volume_pools, now), now).value
    running = catalog.jobs.list(states=(JobState.RUNNING,), limit=200)
    copies = catalog.events.list(limit=1, name="catalog_copied")
    compression = remembered("compression", COSTLY_MAX_AGE_S, catalog.packs.compression, now).value
    return Readings(
        compression=compression,
        engine=catalog.leases.holder(ENGINE_LEASE, now),
        disk=_disk(house),
        tiers=tuple(tiers),
        groups=tuple(volume_groups(catalog.database)),
        wanted=len(catalog.shelf.wanted()),
        figures=known,
        jobs=overview_matrix(catalog).counts,
        drives=tuple(drive_lines(catalog.drives.list(), running)),
        intake=flows(catalog, "intake", now)[-1],
        recalled=flows(catalog, "recall", now)[-1],
        events=_events(catalog, now - timedelta(hours=1)),
        copied_at=copies[0].at if copies else None,
    )


def _disk(house: Services) -> DiskFacts | None:
    try:
        return house.pool_usage()
    except PoolError:
        return None


def _events(catalog: Catalog, since: datetime) -> dict[str, int]:
    statement = select(Event.level, func.count()).where(Event.at >= since).group_by(Event.level)
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    return dict.fromkeys(LEVELS, 0) | {str(level): int(number) for level, number in rows}
