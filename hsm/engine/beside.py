"""Chores of the engine's process that must not hold up its loop: each in its own thread, while the lease is ours."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from hsm.catalog.errors import CatalogError

GOODBYE_S = 30.0  # a chore that talks to somebody is let finish that long

log = structlog.get_logger()


@dataclass(frozen=True)
class Chore:
    """Something to do again and again; `work` may take long and is never run twice at a time."""

    name: str
    every_s: float
    work: Callable[[], object]


class Beside:
    """Runs chores until the block ends. A chore that fails is tried again at its next time, and the log says so."""

    def __init__(self, chores: Sequence[Chore], allowed: Callable[[], bool]) -> None:
        """`allowed`: whether this process is the one to do them now, asked before each round."""
        self._allowed = allowed
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(chore,), name=f"chore-{chore.name}", daemon=True)
            for chore in chores
        ]

    def __enter__(self) -> "Beside":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(GOODBYE_S)

    def _run(self, chore: Chore) -> None:
        wait_s = min(1.0, chore.every_s)  # until the lease is ours, ask often
        while not self._stop.wait(wait_s):
            wait_s = chore.every_s if self._once(chore) else min(1.0, chore.every_s)

    def _once(self, chore: Chore) -> bool:
        """Whether the chore's turn is over, well or not."""
        try:
            if not self._allowed():
                return False
            chore.work()
        except CatalogError as error:
            log.error("catalog_unavailable", chore=chore.name, reason=str(error))
        except Exception as error:  # the edge of a thread: nothing may get past it unlogged
            log.exception("chore_failed", chore=chore.name, error=type(error).__name__)
        return True
