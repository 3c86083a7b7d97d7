"""Numbers as people say them, and hours and days of a schedule."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.policy.model import BetweenTimes, OnDays, Schedule, Weekday
from hsm.policy.when import in_hours, last_use, next_opening
from hsm.policy.words import count_words, exact_size, list_words, size_words, span_words, time_words
from tests.hsm.policy.worlds import NOW, ago, moments, study

NIGHT = BetweenTimes(time(20), time(6))
NOON = BetweenTimes(time(12), time(13))
WEEKDAYS = OnDays(tuple(Weekday)[:5])
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (12_100_000, "12.1 MB"),
        (99_940_000, "99.9 MB"),
        (100_000_000, "100 MB"),
        (3_200_000_000, "3.2 GB"),
        (10**12, "1.0 TB"),
        (10**15, "1.0 PB"),
    ],
)
def test_sizes_are_said_in_the_largest_fitting_unit(size_bytes: int, words: str) -> None:
    assert size_words(size_bytes) == words


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 bytes"),
        (1001, "1001 bytes"),
        (1000, "1 KB"),
        (1_500_000_000_000, "1500 GB"),
        (10**12, "1 TB"),
    ],
)
def test_sizes_are_written_without_loss(size_bytes: int, text: str) -> None:
    assert exact_size(size_bytes) == text


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=59), "59 seconds"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(seconds=119), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=1, minutes=1), "1 hour 1 minute"),
        (timedelta(hours=23, minutes=59), "23 hours 59 minutes"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2, hours=5), "2 days 5 hours"),
        (timedelta(days=59), "59 days"),
        (timedelta(days=60), "2 months"),
        (timedelta(days=365), "1 year"),
        (timedelta(days=730), "2 years"),
        (timedelta(days=1826), "5 years"),
        (timedelta(days=400), "1 year 1 month"),
    ],
)
def test_spans_are_said_in_their_largest_units(span: timedelta, words: str) -> None:
    assert span_words(span) == words


def test_counts_lists_and_moments_are_said_plainly() -> None:
    assert [count_words(n, "study", "studies") for n in (0, 1, 2)] == ["0 studies", "1 study", "2 studies"]
    assert count_words(2, "byte") == "2 bytes"
    assert [list_words(list(words)) for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert list_words(["a", "b"], "or") == "a or b"
    assert time_words(NOW) == "2026-03-02 12:00:00 UTC"


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    """A time in March 2026; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "moment", "inside"),
    [
        (NOON, at(11, 59), False),
        (NOON, at(12), True),
        (NOON, at(12, 59), True),
        (NOON, at(13), False),
        (NIGHT, at(19, 59), False),
        (NIGHT, at(20), True),
        (NIGHT, at(0), True),
        (NIGHT, at(5, 59), True),
        (NIGHT, at(6), False),
        (NIGHT, at(12), False),
        (BetweenTimes(time(8), time(8)), at(7), True),
        (BetweenTimes(time(8), time(8)), at(8), True),
        (WEEKDAYS, at(0, day=2), True),
        (WEEKDAYS, at(23, 59, day=6), True),
        (WEEKDAYS, at(0, day=7), False),
        (WEEKDAYS, at(0, day=8), False),
    ],
)
def test_a_schedule_opens_at_its_beginning_and_closes_at_its_end(
    schedule: Schedule, moment: datetime, inside: bool
) -> None:
    assert in_hours([schedule], moment, UTC) is inside


def test_all_schedules_of_a_rule_must_be_open() -> None:
    assert in_hours([], at(12), UTC)
    assert in_hours([NIGHT, WEEKDAYS], at(21), UTC)
    assert not in_hours([NIGHT, WEEKDAYS], at(21, day=7), UTC)
    assert not in_hours([NIGHT, WEEKDAYS], at(12), UTC)


def test_hours_are_meant_where_the_archive_is() -> None:
    assert in_hours([NOON], at(11, 30), BERLIN)
    assert not in_hours([NOON], at(12, 30), BERLIN)
    sunday_evening = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert in_hours([WEEKDAYS], sunday_evening, BERLIN)
    assert not in_hours([WEEKDAYS], sunday_evening, UTC)


@pytest.mark.parametrize(
    ("schedules", "moment", "opening"),
    [
        ([NIGHT], at(21), at(21)),
        ([NIGHT], at(12), at(20)),
        ([NOON], at(13), at(12, day=3)),
        ([WEEKDAYS], at(9, day=7), at(0, day=9)),
        ([NIGHT, WEEKDAYS], at(9, day=7), at(0, day=9)),
        ([NOON, OnDays((Weekday.MONDAY,))], at(13), at(12, day=9)),
        ([BetweenTimes(time(8), time(9)), NOON], at(7), None),
        ([OnDays((Weekday.MONDAY,)), OnDays((Weekday.SUNDAY,))], at(7), None),
    ],
)
def test_the_next_opening_is_found(schedules: list[Schedule], moment: datetime, opening: datetime | None) -> None:
    assert next_opening(schedules, moment, UTC) == opening


@given(
    st.lists(st.builds(BetweenTimes, st.times(), st.times()), max_size=2),
    moments,
)
def test_an_opening_is_open_and_not_in_the_past(schedules: list[Schedule], moment: datetime) -> None:
    opening = next_opening(schedules, moment, BERLIN)
    if opening is not None:
        assert opening >= moment
        assert in_hours(schedules, opening, BERLIN)


def test_the_last_use_is_the_latest_of_reception_change_and_access() -> None:
    base = {"received_at": ago(hours=3), "changed_at": ago(hours=2)}
    assert last_use(study(**base), NOW) == ago(hours=2)
    assert last_use(study(**base, accessed_at=ago(hours=1)), NOW) == ago(hours=1)
    assert last_use(study(**base, accessed_at=ago(hours=5)), NOW) == ago(hours=2)
    assert last_use(study(received_at=ago(hours=1), changed_at=ago(hours=2)), NOW) == ago(hours=1)
    assert last_use(study(**base, accessed_at=NOW + timedelta(days=1)), NOW) == NOW
