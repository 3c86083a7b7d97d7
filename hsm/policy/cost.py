"""What a plan would cost in media, as far as prices were given; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hsm.policy.actions import Totals


@dataclass(frozen=True)
class Prices:
    """What one blank volume costs, by pool; pools without a price are left out. Nothing is assumed."""

    currency: str = ""
    by_pool: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """The price of the volumes that a plan fills, as if beginning with empty ones."""

    amount: float
    currency: str
    unpriced: tuple[str, ...]  # pools that are written to and have no price


def cost(totals: Totals, prices: Prices) -> Cost | None:
    """The cost of a plan; None when no pool it writes to has a price."""
    priced = {pool: total.volumes for pool, total in totals.pools.items() if pool in prices.by_pool}
    if not priced:
        return None
    amount = sum(prices.by_pool[pool] * volumes for pool, volumes in priced.items())
    return Cost(amount, prices.currency, tuple(sorted(set(totals.pools) - set(priced))))
