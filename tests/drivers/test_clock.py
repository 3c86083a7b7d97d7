"""Three clocks, one behaviour."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from drivers.clock import Clock, ScaledClock, SystemClock, VirtualClock

_START = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "clock", [SystemClock(), ScaledClock(100), VirtualClock(_START)], ids=lambda c: type(c).__name__
)
def test_time_passes_while_sleeping(clock: Clock) -> None:
    before = clock.now()
    clock.sleep(0.01)
    clock.sleep(0)
    clock.sleep(-5)
    assert before.tzinfo is not None
    assert clock.now() - before >= timedelta(seconds=0.0099)


def test_a_virtual_clock_moves_only_when_somebody_sleeps() -> None:
    clock = VirtualClock(_START)

    def nap() -> None:
        for _ in range(100):
            clock.sleep(1)

    threads = [threading.Thread(target=nap) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == _START + timedelta(seconds=400)


def test_a_scaled_clock_passes_faster() -> None:
    clock = ScaledClock(100_000)
    before, real = clock.now(), datetime.now(UTC)
    clock.sleep(1000)
    assert clock.now() - before >= timedelta(seconds=999)
    assert datetime.now(UTC) - real < timedelta(seconds=500)


def test_senseless_clocks_are_refused() -> None:
    with pytest.raises(ValueError, match="factor above 0"):
        ScaledClock(0)
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(datetime(2024, 5, 1))  # noqa: DTZ001
