"""What becomes of a job that failed: pure, read from the error's class alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.errors import Blame, DriverError, Retry
from hsm.format.errors import FormatError
from hsm.pool import PoolError


@dataclass(frozen=True)
class RetrySettings:
    """How patiently failing work is tried again. Seconds."""

    first_s: float = 30.0
    max_s: float = 86400.0
    max_attempts: int = 12


@dataclass(frozen=True)
class Outcome:
    """What to do with the job, and what the failure speaks against."""

    message: str
    blame: Blame
    retry_at: datetime | None  # None: give up until a person asks again


def backoff_s(attempts: int, settings: RetrySettings) -> float:
    """Seconds to wait after that many attempts: doubled each time, bounded."""
    doublings = min(max(attempts, 1) - 1, 40)
    return min(settings.first_s * float(2**doublings), settings.max_s)


def decide(error: Exception, attempts: int, now: datetime, settings: RetrySettings) -> Outcome:
    """Retry, wait or give up.

    A driver's error says so itself. Damage found while reading speaks against the volume and is tried from another
    copy. A pool that is full or missing waits for a person or for space.
    """
    blame, retry = Blame.UNKNOWN, Retry.NEVER
    if isinstance(error, DriverError):
        blame, retry = error.blame, error.retry
    elif isinstance(error, FormatError):
        blame, retry = Blame.VOLUME, Retry.LATER
    elif isinstance(error, PoolError):
        blame, retry = Blame.CALLER, Retry.LATER
    message = f"{type(error).__name__}: {error}"
    if retry is Retry.NEVER or attempts >= settings.max_attempts:
        return Outcome(message, blame, None)
    return Outcome(message, blame, now + timedelta(seconds=backoff_s(attempts, settings)))
