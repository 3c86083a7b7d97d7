"""Says, day after day, which certificates of this archive run out soon, and which have."""

from datetime import timedelta

import structlog

from appliance.config import Config
from appliance.tls import TlsUnusable, certificates, ends_at
from drivers.clock import Clock
from hsm.catalog import Catalog

LOOK_EVERY_S = 86400.0

log = structlog.get_logger()


def look_at_certificates(config: Config, catalog: Catalog, clock: Clock) -> None:
    """Record `certificate_expires` or `certificate_expired` for each that needs a person, `certificate_unreadable` too.

    Raises: CatalogUnavailable.
    """
    now = clock.now()
    for key, path in certificates(config).items():
        try:
            ends = ends_at(path)
        except TlsUnusable as error:
            catalog.events.record("error", "certificate_unreadable", key, {"reason": str(error)}, now)
            continue
        left = ends - now
        if left > timedelta(days=config.tls.warn_days):
            continue
        name, level = ("certificate_expires", "warning") if left > timedelta(0) else ("certificate_expired", "error")
        fields = {"file": str(path), "ends_at": ends.isoformat(), "days_left": left.days}
        catalog.events.record(level, name, key, fields, now)
        log.warning(name, key=key, file=str(path), days_left=left.days)
