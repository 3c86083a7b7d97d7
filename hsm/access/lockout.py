"""How long an account stays closed after wrong passwords. Pure."""

from datetime import datetime, timedelta

FREE_TRIES = 5
FIRST_LOCK_S = 60.0
LONGEST_LOCK_S = 3600.0


def locked_until(failures: int, now: datetime) -> datetime | None:
    """Until when nobody may try again after so many wrong passwords in a row; None while tries are left.

    The first lock is a minute and each further failure doubles it, up to an hour: guessing gets hopeless, and nobody
    can shut a colleague out for longer than that.
    """
    if failures < FREE_TRIES:
        return None
    lock_s = FIRST_LOCK_S * 2.0 ** min(failures - FREE_TRIES, 16)
    return now + timedelta(seconds=min(lock_s, LONGEST_LOCK_S))
