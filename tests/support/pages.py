"""The pages over a whole archive of tests/support/world."""

from typing import Any

from hsm.facts import DiskFacts
from tests.support.world import World
from web.services import Services, WebSettings

DISK = DiskFacts(capacity_bytes=10**12, used_bytes=10**11, high_water_pct=85, low_water_pct=75)


def services_over(world: World, **more: Any) -> Services:
    """What the pages reach; `more` are further services, or others in place of these."""
    usual: dict[str, Any] = {
        "catalog": world.catalog,
        "archive": world.archive,
        "pool_usage": lambda: DISK,
        "pool_check": world.pool.check,
        "volume_pools": world.volume_pools,
        "settings": WebSettings(secret_key=b"s" * 32),
        "clock": world.clock,
    }
    return Services(**{**usual, **more})
