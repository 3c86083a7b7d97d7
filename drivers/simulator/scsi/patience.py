"""Device time that ends early when the command was given up."""

import time
from collections.abc import Callable

from drivers.clock import Clock

_SLICE_S = 0.05  # on the host's clock: how long a command that was given up may linger


def pass_time(clock: Clock, seconds: float, aborted: Callable[[], bool]) -> None:
    """Let device time pass in slices, whatever the speed of the clock, and return at once when `aborted` says so."""
    slice_s = _SLICE_S
    while seconds > 0 and not aborted():
        started = time.monotonic()
        clock.sleep(min(slice_s, seconds))
        seconds -= slice_s
        took_s = time.monotonic() - started
        if took_s < _SLICE_S / 2:
            slice_s *= 2
        elif took_s > _SLICE_S * 2:
            slice_s = max(slice_s / 2, _SLICE_S)
