"""One round of working figures out. The engine's process does it, beside its loop; pages only read."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.catalog.figures import Usage
from hsm.catalog.safety import SAFE_COPIES, safety
from hsm.facts import DiskFacts
from hsm.figures import machine
from hsm.figures.questions import (
    filled_by,
    intake_by_day,
    jobs_by_outcome,
    recall_waits,
    recalls_by_day,
    volume_groups,
)
from hsm.pool import PoolError
from hsm.states import VolumeState

EVERY_S = 60.0
REST = 20.0  # a costly question is asked again after so many times what it took
WAITS_OF = timedelta(days=30)
FIRST_DAYS = 90  # so far back the first round counts what came in
NO_ROOM = frozenset({VolumeState.RETIRED, VolumeState.LOST, VolumeState.BLANK, VolumeState.SCRATCH})
ONLINE = "online"

log = structlog.get_logger()


def series_of_pool(pool: str) -> str:
    """The name under which the use of a volume pool is sampled."""
    return f"pool:{pool}"


class Observer:
    """Works figures out and publishes them. One thread at a time."""

    def __init__(
        self,
        catalog: Catalog,
        disk: Callable[[], DiskFacts],
        folders: Sequence[Path],
        clock: Clock,
        devices: Callable[[], dict[str, Any]] = machine.devices,
    ) -> None:
        """`disk`: how full the online pool is; raises PoolError. `folders`: whose file systems are watched."""
        self._catalog = catalog
        self._disk = disk
        self._folders = folders
        self._clock = clock
        self._devices = devices
        self._costly_at_s = 0.0

    def observe(self) -> None:
        """One round. Raises: CatalogUnavailable."""
        now, database = self._clock.now(), self._catalog.database
        waits = recall_waits(database, now - WAITS_OF)
        figures: dict[str, dict[str, Any]] = {
            "machine": machine.machine(self._folders),
            "devices": self._devices(),
            "recalls": {"recalls": waits.recalls, "median_s": waits.median_s, "p95_s": waits.p95_s},
            "jobs": {
                "ended": [
                    [kind.value, state.value, number]
                    for (kind, state), number in jobs_by_outcome(database, ended=True).items()
                ]
            },
        }
        began_s = time.monotonic()
        if began_s >= self._costly_at_s:
            figures |= self._costly()
            took_s = time.monotonic() - began_s
            self._costly_at_s = began_s + took_s * REST
        self._catalog.figures.publish(figures, now)
        self._catalog.figures.sample(self._usages(), now)
        self._count_days()

    def tidy(self) -> None:
        """Forget samples that their age makes superfluous. Raises: CatalogUnavailable."""
        gone = self._catalog.figures.thin(self._clock.now())
        log.info("samples_thinned", samples=gone)

    def _costly(self) -> dict[str, dict[str, Any]]:
        """What looks at every pack or instance."""
        waiting, counts = safety(self._catalog.database), self._catalog.studies.counts()
        oldest = waiting.oldest_received_at
        return {
            "safety": {
                "safe_copies": SAFE_COPIES,
                "studies": waiting.studies,
                "size_bytes": waiting.size_bytes,
                "oldest_uid": waiting.oldest_uid,
                "oldest_received_at": oldest.isoformat() if oldest else None,
            },
            "holdings": {
                "patients": counts.patients,
                "studies": counts.studies,
                "series": counts.series,
                "instances": counts.instances,
                "size_bytes": counts.size_bytes,
                "online_instances": counts.online_instances,
                "online_bytes": counts.online_bytes,
                "packs": counts.packs,
                "copies": {state.value: number for state, number in counts.copies.items()},
            },
        }

    def _usages(self) -> dict[str, Usage]:
        """How full disk and volume pools are. A pool that is away is no sample of an empty one."""
        found: dict[str, Usage] = {}
        try:
            disk = self._disk()
        except PoolError as error:
            log.warning("online_pool_not_sampled", error=type(error).__name__)
        else:
            found[ONLINE] = Usage(disk.used_bytes, disk.capacity_bytes)
        for group in volume_groups(self._catalog.database):
            if group.pool and group.state not in NO_ROOM:
                name = series_of_pool(group.pool)
                before = found.get(name, Usage(0, 0))
                found[name] = Usage(before.used_bytes + group.used_bytes, before.capacity_bytes + group.capacity_bytes)
        return found

    def _count_days(self) -> None:
        """Count the days since the last one that was counted, and that one again: it was not over."""
        today = self._clock.now().date()
        for name, ask in (("intake", intake_by_day), ("recall", recalls_by_day)):
            last = self._catalog.figures.last_flow(name)
            first = (min(last, today) if last else today - timedelta(days=FIRST_DAYS)) - timedelta(days=1)
            self._catalog.figures.flowed(name, filled_by(ask(self._catalog.database, first), first, today))
