"""Water marks, the order of releases, limits and caps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.facts import DiskFacts, StudyFacts, StudyUid
from hsm.policy import Done, Plan, parse, plan
from hsm.policy.release import space_is_needed, used_pct
from hsm.states import CopyState, JobKind
from tests.hsm.policy.worlds import GB, HALF_FULL, NOW, POOLS, ago, copy, pack, study

ROOM = 'rule "room":\n release when space is needed'
SETTLE = 'rule "settle":\n release'
TICK = 'rule "r":\n at most {} per {}\n release'


def ready(number: int, size_bytes: int = 10 * GB, **changes: Any) -> StudyFacts:
    """A releasable study, last used so many hours ago."""
    base = study(
        pack(copy(), copy("tape_b")),
        study_instance_uid=StudyUid(f"1.{number}"),
        size_bytes=size_bytes,
        online_bytes=size_bytes,
        received_at=ago(hours=number),
        changed_at=ago(hours=number),
    )
    return replace(base, **changes)


def disk(used: int, high: float = 85.0, low: float = 70.0) -> DiskFacts:
    """A disk of 100 GB."""
    return DiskFacts(100 * GB, used * GB, high, low)


def released(result: Plan) -> list[int]:
    return [int(action.study_instance_uid.split(".")[1]) for action in result.releases]


def planned(text: str, *studies: StudyFacts, at: DiskFacts = HALF_FULL, **options: Any) -> Plan:
    return plan(parse(text), studies, at, POOLS, NOW, **options)


def test_space_is_needed_above_the_high_mark_only() -> None:
    assert not space_is_needed(disk(85))
    assert space_is_needed(DiskFacts(100 * GB, 85 * GB + 1, 85.0, 70.0))
    assert not planned(ROOM, ready(1), at=disk(85)).releases
    assert planned(ROOM, ready(1), at=disk(86)).releases


def test_the_longest_unused_leave_until_the_disk_is_below_the_low_mark() -> None:
    studies = [ready(n) for n in (3, 1, 4, 2, 5)]
    assert released(planned(ROOM, *studies, at=disk(86))) == [5, 4]
    # exactly at the low mark is not below it
    assert released(planned(ROOM, *studies, at=disk(90))) == [5, 4, 3]


def test_an_access_makes_a_study_younger() -> None:
    studies = [ready(3), ready(2), ready(1, accessed_at=ago(minutes=1)), ready(4, accessed_at=ago(minutes=5))]
    assert released(planned(ROOM, *studies, at=disk(100))) == [3, 2, 4, 1]


def test_the_same_age_leaves_in_the_order_of_uids() -> None:
    first, second = (ready(n, received_at=ago(hours=1), changed_at=ago(hours=1)) for n in (1, 2))
    assert released(planned(ROOM, second, first, at=disk(86, low=80))) == [1]


def test_what_leaves_anyway_counts_for_the_low_mark() -> None:
    text = 'rule "old":\n when received more than 4 hours ago\n release\n' + ROOM
    assert released(planned(text, *(ready(n) for n in range(1, 7)), at=disk(86))) == [6, 5]
    assert released(planned(text, *(ready(n) for n in range(1, 7)), at=disk(95))) == [6, 5, 4]


def test_what_is_on_its_way_out_counts_for_the_low_mark() -> None:
    leaving = ready(9, active_jobs=frozenset({(JobKind.RELEASE, "")}))
    assert released(planned(ROOM, leaving, ready(1), ready(2), at=disk(86))) == [2]
    assert (
        released(planned(ROOM, leaving, replace(leaving, study_instance_uid=StudyUid("1.8")), ready(1), at=disk(86)))
        == []
    )


def test_only_bytes_on_disk_count() -> None:
    partly = ready(3, online_bytes=1 * GB, online_instances=3)
    result = planned(ROOM, partly, ready(2), ready(1), at=disk(86))
    assert released(result) == [3, 2, 1]
    assert result.releases[0].size_bytes == 1 * GB


def test_a_release_for_space_says_how_full_the_disk_is() -> None:
    (action,) = planned(ROOM, ready(1), at=DiskFacts(1000 * GB, 912 * GB, 85.0, 70.0)).releases
    assert action.reason == (
        'Rule "room" (line 1): 2 verified copies on A00001L8 and B00001L8 and the disk is 91.2 % full, above 85 %, '
        "so its 10.0 GB leave the disk."
    )


def test_a_disk_of_unknown_size_needs_no_space() -> None:
    assert used_pct(DiskFacts(0, 5, 85.0, 70.0)) == 0.0
    assert not space_is_needed(DiskFacts(0, 5, 85.0, 70.0))
    assert used_pct(DiskFacts(1, 1, 85.0, 70.0)) == 100.0
    assert used_pct(disk(40), 10 * GB) == 30.0
    assert used_pct(disk(40), 50 * GB) == 0.0


@given(
    st.lists(st.integers(1, 20), max_size=12),
    st.integers(0, 100),
    st.integers(1, 100).flatmap(lambda high: st.tuples(st.just(high), st.integers(0, high))),
)
def test_space_is_made_as_asked_and_not_a_study_more(sizes: list[int], used: int, marks: tuple[int, int]) -> None:
    at = disk(used, *map(float, marks))
    studies = [ready(n, size * GB) for n, size in enumerate(sizes, 1)]
    result = planned(ROOM, *studies, at=at)
    if used <= marks[0]:
        assert not result.releases
        return
    freed = [action.size_bytes for action in result.releases]
    assert released(result) == sorted(range(1, len(sizes) + 1), reverse=True)[: len(freed)]
    if len(freed) < len(sizes):
        assert used_pct(at, sum(freed)) < marks[1]
    if freed:
        assert used_pct(at, sum(freed[:-1])) >= marks[1]


# limits


def test_a_limit_in_studies_lets_the_longest_unused_go_first() -> None:
    result = planned(TICK.format("2 studies", "tick"), *(ready(n) for n in (1, 2, 3)))
    assert released(result) == [3, 2]
    assert result.held_back == {"r": 1}


def test_a_limit_in_bytes_is_not_passed() -> None:
    assert released(planned(TICK.format("20 GB", "tick"), *(ready(n) for n in (1, 2, 3)))) == [3, 2]
    assert released(planned(TICK.format("19 GB", "tick"), *(ready(n) for n in (1, 2, 3)))) == [3]


def test_a_study_larger_than_the_limit_goes_alone() -> None:
    big = ready(3, 500 * GB)
    assert released(planned(TICK.format("20 GB", "tick"), big, ready(2), ready(1))) == [3]
    assert released(planned(TICK.format("20 GB", "tick"), ready(4), big, ready(2))) == [4, 2]


@pytest.mark.parametrize(
    ("amount", "done", "expected"),
    [
        ("2 studies", Done(0, 0), [3, 2]),
        ("2 studies", Done(1, 0), [3]),
        ("2 studies", Done(2, 0), []),
        ("20 GB", Done(5, 10 * GB), [3]),
        ("20 GB", Done(5, 10 * GB + 1), []),
        ("5 GB", Done(5, 1), []),
    ],
)
def test_a_limit_per_day_counts_what_was_done_today(amount: str, done: Done, expected: list[int]) -> None:
    studies = [ready(n) for n in (1, 2, 3)]
    assert released(planned(TICK.format(amount, "day"), *studies, done_today={"r": done})) == expected
    per_tick = released(planned(TICK.format(amount, "tick"), *studies, done_today={"r": done}))
    assert per_tick == released(planned(TICK.format(amount, "tick"), *studies))


def test_a_limit_counts_a_study_once_for_all_its_copies() -> None:
    text = 'rule "c":\n at most 1 studies per tick\n copy to tape_a, tape_b, disc'
    older = study(study_instance_uid=StudyUid("1.4"), received_at=ago(hours=2))
    result = planned(text, study(), older)
    assert {(a.study_instance_uid, a.pool) for a in result.copies} == {
        ("1.4", "tape_a"),
        ("1.4", "tape_b"),
        ("1.4", "disc"),
    }
    assert result.held_back == {"c": 3}


def test_a_limit_counts_bytes_of_every_copy() -> None:
    text = 'rule "c":\n at most 25 MB per tick\n copy to tape_a, tape_b, disc'
    assert len(planned(text, study()).copies) == 2


def test_limits_of_one_rule_bind_all_and_other_rules_not() -> None:
    text = 'rule "r":\n when size above 1 GB\n at most 5 studies per tick\n at most 10 GB per tick\n release\n' + SETTLE
    assert released(planned(text, ready(3), ready(2), ready(1, size_bytes=GB))) == [3, 1]


def test_a_limited_release_does_not_stop_the_release_for_space() -> None:
    text = 'rule "old":\n when received more than 4 hours ago\n at most 1 studies per tick\n release\n' + ROOM
    assert released(planned(text, *(ready(n) for n in (1, 2, 5, 6)), at=disk(86))) == [6, 2]


def test_verifications_and_pins_are_limited_too() -> None:
    again = 'rule "again":\n at most 1 studies per tick\n verify every 1 day'
    result = planned(
        again, study(pack(copy(), copy("tape_b"))), study(pack(copy()), study_instance_uid=StudyUid("1.9"))
    )
    assert {v.study_instance_uid for v in result.verifies} == {"1.2.3"}
    pins = 'rule "pin":\n at most 1 studies per tick\n pin for 1 year'
    assert len(planned(pins, ready(1), ready(2)).pins) == 1
    written = 'rule "again":\n at most 1 studies per tick\n verify every 9 years'
    one = study(pack(copy("tape_a", CopyState.WRITTEN)))
    two = replace(one, study_instance_uid=StudyUid("1.9"))
    assert len(planned(written, one, two).verifies) == 2


# the cap


def test_a_cap_leaves_the_rest_to_a_person() -> None:
    result = planned(SETTLE, *(ready(n) for n in (1, 2, 3)), max_releases=2)
    assert released(result) == [3, 2]
    assert result.capped_releases == 1
    assert result.totals.release.actions == 2
    assert planned(SETTLE, ready(1), max_releases=0).capped_releases == 1
    within = planned(SETTLE, *(ready(n) for n in (1, 2)), max_releases=3)
    assert (len(within.releases), within.capped_releases) == (2, 0)
    assert planned(SETTLE, ready(1)).capped_releases == 0


def test_a_study_used_in_the_future_is_used_now() -> None:
    future = ready(1, accessed_at=NOW + timedelta(days=1))
    assert released(planned(ROOM, future, ready(2), at=disk(99))) == [2, 1]
