"""What the mover decides without any device: retries, breaking off a run, cutting a recall, giving a copy up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import (
    Blame,
    CommandFailed,
    DeviceError,
    DriverError,
    EndOfData,
    MediumError,
    UnitAttention,
    WriteProtected,
)
from hsm.facts import Member, SeriesUid, SopInstanceUid
from hsm.format.errors import PackDamaged
from hsm.library import ForeignVolume, SessionClosed, VolumeNotInLibrary, WrongVolume
from hsm.mover.breaker import Breaker
from hsm.mover.judging import is_lost
from hsm.mover.outcome import RetrySettings, backoff_s, decide
from hsm.mover.recall import GAP_BYTES, runs
from hsm.pool import PoolFull
from hsm.states import JobKind

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SETTINGS = RetrySettings(first_s=30, max_s=3600, max_attempts=5)


@pytest.mark.parametrize(("error", "blame", "again"), [
    (DeviceError("x"), Blame.DRIVE, True),
    (UnitAttention("x"), Blame.DRIVE, True),
    (MediumError("x"), Blame.VOLUME, True),
    (WriteProtected("x"), Blame.VOLUME, False),
    (WrongVolume("x"), Blame.VOLUME, False),
    (ForeignVolume("x"), Blame.VOLUME, False),
    (EndOfData("x"), Blame.CALLER, False),
    (VolumeNotInLibrary("x"), Blame.LIBRARY, True),
    (SessionClosed("x"), Blame.CALLER, True),
    (CommandFailed("x"), Blame.UNKNOWN, True),
    (DriverError("x"), Blame.UNKNOWN, False),
    (PackDamaged("x"), Blame.VOLUME, True),
    (PoolFull("x"), Blame.CALLER, True),
    (OSError("x"), Blame.UNKNOWN, False),
    (ValueError("x"), Blame.UNKNOWN, False),
])  # fmt: skip
def test_what_follows_from_a_failure_is_read_from_its_class(error: Exception, blame: Blame, again: bool) -> None:
    outcome = decide(error, 1, NOW, SETTINGS)
    assert (outcome.blame, outcome.retry_at) == (blame, NOW + timedelta(seconds=30) if again else None)
    assert outcome.message == f"{type(error).__name__}: x"


def test_the_last_attempt_allowed_is_not_followed_by_another() -> None:
    assert decide(DeviceError("x"), 4, NOW, SETTINGS).retry_at == NOW + timedelta(seconds=240)
    assert decide(DeviceError("x"), 5, NOW, SETTINGS).retry_at is None
    assert decide(DeviceError("x"), 6, NOW, SETTINGS).retry_at is None


def test_waiting_doubles_from_the_first_time_on() -> None:
    assert [backoff_s(attempts, SETTINGS) for attempts in (0, 1, 2, 3, 4)] == [30, 30, 60, 120, 240]


@given(st.integers(-5, 100_000))
def test_waiting_never_shrinks_and_is_bounded(attempts: int) -> None:
    assert SETTINGS.first_s <= backoff_s(attempts, SETTINGS) <= backoff_s(attempts + 1, SETTINGS) <= SETTINGS.max_s


def test_a_run_that_mostly_fails_is_stopped_once_and_says_so_once() -> None:
    breaker = Breaker(error_pct=50, after_items=4)
    results = [breaker.record(JobKind.MIGRATE, succeeded) for succeeded in (True, False, False, False, False)]
    assert results == [False, False, False, True, False]
    assert breaker.stopped(JobKind.MIGRATE)
    assert not breaker.stopped(JobKind.RECALL)
    assert breaker.counts(JobKind.MIGRATE) == (5, 4)


def test_exactly_the_allowed_share_of_errors_stops_nothing() -> None:
    breaker = Breaker(error_pct=50, after_items=4)
    assert not any(breaker.record(JobKind.VERIFY, n % 2 == 0) for n in range(10))
    assert breaker.record(JobKind.VERIFY, False)


def test_few_errors_stop_nothing_however_bad_they_look() -> None:
    breaker = Breaker(error_pct=50, after_items=100)
    assert not any(breaker.record(JobKind.RECALL, False) for _ in range(99))
    assert breaker.record(JobKind.RECALL, False)


def test_a_new_run_begins_with_nothing_counted() -> None:
    breaker = Breaker(error_pct=50, after_items=1)
    assert breaker.record(JobKind.RECALL, False)
    breaker.reset()
    assert not breaker.stopped(JobKind.RECALL)
    assert breaker.counts(JobKind.RECALL) == (0, 0)


def member(offset_bytes: int, size_bytes: int, number: int = 0) -> Member:
    return Member(number, SopInstanceUid(f"1.{number}"), SeriesUid("1"), offset_bytes, size_bytes, "")


def test_a_gap_is_read_over_until_a_locate_is_cheaper() -> None:
    near = [member(0, 10), member(10 + GAP_BYTES, 10)]
    far = [member(0, 10), member(11 + GAP_BYTES, 10)]
    assert runs(near) == [near]
    assert runs(far) == [[far[0]], [far[1]]]


def test_nothing_wanted_needs_no_run() -> None:
    assert runs([]) == []


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50)), max_size=30), st.integers(0, 100))
def test_runs_hold_each_member_once_in_order_of_the_pack(pieces: list[tuple[int, int]], gap_bytes: int) -> None:
    at, members = 0, []
    for number, (gap, size) in enumerate(pieces):
        members.append(member(at + gap, size, number))
        at += gap + size
    shuffled = sorted(members, key=lambda m: (m.instance_id * 7919) % 31)
    found = runs(shuffled, gap_bytes)
    assert [m for run in found for m in run] == members
    for run, following in pairwise(found):
        assert following[0].offset_bytes - (run[-1].offset_bytes + run[-1].size_bytes) > gap_bytes
    for run in found:
        for one, other in pairwise(run):
            assert other.offset_bytes - (one.offset_bytes + one.size_bytes) <= gap_bytes


@pytest.mark.parametrize(("doubts", "drive", "doubted_by", "lost"), [
    (1, "T0", None, False),
    (2, "T0", None, False),  # the first doubt named no drive: as if it had been this one
    (1, "T1", "T0", False),
    (2, "T1", "T0", True),
    (2, "T0", "T0", False),
    (3, "T0", "T0", True),
    (4, "T0", "T0", True),
])  # fmt: skip
def test_a_copy_is_given_up_after_two_drives_or_three_times_one(
    doubts: int, drive: str, doubted_by: str | None, lost: bool
) -> None:
    assert is_lost(doubts, drive, doubted_by) is lost
