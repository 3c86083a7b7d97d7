"""When something is full: as sure as the past allows, and never surer."""

from datetime import UTC, datetime, timedelta

import pytest

from hsm.forecast import Sample, days_to_full

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TB = 10**12


def daily(*levels: float, every: timedelta = timedelta(days=1)) -> list[Sample]:
    """Samples at equal distances, the last now."""
    return [Sample(NOW - every * back, round(level * TB)) for back, level in enumerate(reversed(levels))]


def test_a_steady_growth_is_full_on_the_day_it_says() -> None:
    told = days_to_full(daily(*range(20)), 19 * TB, 29 * TB, NOW)
    assert told is not None
    assert told.growth_bytes_per_day == pytest.approx(TB)
    assert told.likely_days == pytest.approx(10)
    assert told.soonest_days == pytest.approx(10)
    assert told.latest_days == pytest.approx(10)
    assert told.observed_days == pytest.approx(19)


def test_an_uneven_growth_has_an_interval_around_the_likely_day() -> None:
    levels, level = [], 0.0
    for day in range(30):
        level += 2.0 if day % 7 < 5 else 0.0  # nobody works at the weekend
        levels.append(level)
    told = days_to_full(daily(*levels), round(level * TB), round((level + 30) * TB), NOW)
    assert told is not None
    assert told.soonest_days is not None and told.likely_days is not None and told.latest_days is not None
    assert told.soonest_days < told.likely_days < told.latest_days
    assert 18 < told.likely_days < 24


def test_a_longer_past_is_surer() -> None:
    def wide(days: int) -> float:
        levels = [day + (0.5 if day % 2 else 0.0) for day in range(days)]
        told = days_to_full(daily(*levels), round(levels[-1] * TB), round((levels[-1] + 60) * TB), NOW)
        assert told is not None and told.soonest_days is not None and told.latest_days is not None
        return told.latest_days - told.soonest_days

    assert wide(80) < wide(15)


def test_hours_are_enough_for_a_first_word_and_minutes_are_not() -> None:
    hours = daily(*range(10), every=timedelta(hours=1))
    told = days_to_full(hours, 9 * TB, 33 * TB, NOW)
    assert told is not None
    assert told.likely_days == pytest.approx(1.0, abs=0.15)
    assert days_to_full(daily(*range(10), every=timedelta(minutes=5)), 9 * TB, 33 * TB, NOW) is None
    assert days_to_full([], 0, TB, NOW) is None


def test_what_does_not_grow_is_never_full() -> None:
    told = days_to_full(daily(*[5.0] * 20), 5 * TB, 9 * TB, NOW)
    assert told is not None
    assert (told.soonest_days, told.likely_days, told.latest_days) == (None, None, None)


def test_a_disk_that_is_freed_goes_up_and_down_and_a_pool_only_up() -> None:
    levels = [5.0, 6.0, 7.0, 5.0] * 6
    as_disk = days_to_full(daily(*levels), 5 * TB, 9 * TB, NOW)
    as_pool = days_to_full(daily(*levels), 5 * TB, 9 * TB, NOW, shrinks=False)
    assert as_disk is not None and as_pool is not None
    assert as_disk.likely_days is None
    assert as_pool.likely_days is not None


def test_what_is_full_is_full_now() -> None:
    told = days_to_full(daily(*range(20)), 30 * TB, 30 * TB, NOW)
    assert told is not None
    assert told.likely_days == 0.0


def test_samples_of_another_time_and_of_the_future_count_for_nothing() -> None:
    old = [Sample(NOW - timedelta(days=400 + n), n) for n in range(30)]
    ahead = [Sample(NOW + timedelta(days=n), n) for n in range(30)]
    assert days_to_full(old + ahead, 0, TB, NOW) is None
