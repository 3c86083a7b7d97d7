"""Where time comes from: the machine, a faster machine, or a test.

Device time (robot moves, locates, transfers of the simulator) and waiting loops go through a Clock, so that the same
code runs in real time, in a demo a hundred times faster, and at once in a test.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time that can be waited on."""

    def now(self) -> datetime:
        """The present moment, UTC and aware."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when that much time has passed on this clock. Zero and less return at once."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class ScaledClock:
    """A clock that passes `factor` times faster than this machine's, from the moment it was made."""

    def __init__(self, factor: float) -> None:
        if not factor > 0:
            raise ValueError(f"a clock cannot run at {factor} times real time; give a factor above 0")
        self._factor = factor
        self._epoch = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=(time.monotonic() - self._started) * self._factor)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds / self._factor)


class VirtualClock:
    """A clock that stands still unless somebody sleeps, and then jumps. Safe to share between threads.

    Threads that sleep at the same time add up: the clock tells how much device time was spent, not how it overlapped.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"a clock needs a start with a time zone, got {start.isoformat()}; use UTC")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self._now += timedelta(seconds=seconds)
