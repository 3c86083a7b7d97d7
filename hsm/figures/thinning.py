"""Which samples are kept: close together when they are new, far apart when they are old. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

# (younger than, one for each): the last rule holds for everything older, up to KEPT
RULES: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(days=2), timedelta(minutes=5)),
    (timedelta(days=60), timedelta(hours=1)),
    (timedelta(days=3660), timedelta(days=1)),
)
SAMPLE_EVERY = RULES[0][1]


def superfluous(times: Sequence[datetime], now: datetime) -> list[datetime]:
    """Those of one series that may go: of each stretch the first stays, and what is older than all rules goes."""
    gone: list[datetime] = []
    kept: set[tuple[timedelta, int]] = set()
    for at in sorted(times):
        every = next((every for younger, every in RULES if now - at < younger), None)
        if every is None:
            gone.append(at)
            continue
        stretch = (every, int(at.timestamp() // every.total_seconds()))
        if stretch in kept:
            gone.append(at)
        kept.add(stretch)
    return gone
