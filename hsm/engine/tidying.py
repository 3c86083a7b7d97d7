"""Forgets what was kept long enough, and what somebody left behind."""

from datetime import datetime, timedelta

import structlog

from hsm.catalog import Catalog
from hsm.engine.settings import EngineSettings
from hsm.pool import OnlinePool, PoolError

LEFTOVER_AGE = timedelta(days=1)

log = structlog.get_logger()


def tidy(catalog: Catalog, pool: OnlinePool, settings: EngineSettings, now: datetime) -> None:
    """Forget jobs that ended long ago; remove arrivals that were interrupted and that nobody touched for a day.

    Raises: CatalogError.
    """
    catalog.jobs.prune(now - timedelta(seconds=settings.keep_jobs_s))
    catalog.jobs.prune_lines(now - timedelta(seconds=settings.keep_job_lines_s))
    if settings.keep_events_s is not None:
        catalog.events.prune(now - timedelta(seconds=settings.keep_events_s), now)
    if settings.keep_audit_s is not None:
        catalog.audit.prune(now - timedelta(seconds=settings.keep_audit_s), now)
    try:
        swept = pool.sweep(catalog.intake.known, now - LEFTOVER_AGE)
    except PoolError as error:
        log.error("pool_not_swept", reason=str(error))
        return
    if swept.leftovers or swept.orphans:
        log.info("pool_swept", leftovers=swept.leftovers, orphans=len(swept.orphans))
