"""Recalls and verifications: one mount for everybody, the right drive, the right order, who goes first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hsm.scheduler import BusyDrive, Purpose, Schedule
from hsm.states import JobKind, Place, VolumeState
from tests.hsm.scheduler.worlds import (
    GB,
    NOW,
    TB,
    ago,
    at_work,
    disc,
    drive,
    migrate,
    reading,
    recall,
    recorder,
    schedule,
    tape,
    verify,
)

A1, A2, B1 = "A00001L8", "A00002L8", "B00001L8"
FAR = 20_000_000


def given_out(result: Schedule) -> dict[str, tuple[str, list[int]]]:
    """drive serial -> (barcode, job ids in order)."""
    return {a.drive.serial: (a.barcode, [work.job_id for work in a.works]) for a in result.assignments}


def test_one_mount_serves_everybody_who_waits_for_the_volume() -> None:
    result = schedule([recall(1, (A1, 5)), recall(2, (A2, 5)), recall(3, (A1, 9))], [drive()], [tape(A1), tape(A2)])
    (assignment,) = result.assignments
    assert assignment.barcode == A1
    assert assignment.purpose is Purpose.READ
    assert {work.job_id for work in assignment.works} == {1, 3}
    assert assignment.reason == (
        "A00001L8 serves 2 works (all recalls): the most urgent has waited 60 seconds, and drive 0 is empty."
    )


def test_reads_are_in_the_order_of_the_tape() -> None:
    works = [recall(1, (A1, 3_000_000)), recall(2, (A1, 1000)), recall(3, (A1, 3_010_000)), recall(4, (A1, 9000))]
    assert given_out(schedule(works, [drive()], [tape(A1)]))["S0"][1] == [2, 4, 1, 3]


def test_recalls_are_read_before_verifications_on_the_same_mount() -> None:
    works = [verify(1, (A1, 10)), recall(2, (A1, 3_000_000)), verify(3, (A1, 20_000)), recall(4, (A1, 2_000_000))]
    result = schedule(works, [drive()], [tape(A1)])
    assert set(given_out(result)["S0"][1][:2]) == {2, 4}
    assert set(given_out(result)["S0"][1][2:]) == {1, 3}
    assert "serves 4 works (2 of them recalls)" in result.assignments[0].reason


def test_the_duration_is_the_sum_of_all_steps() -> None:
    result = schedule([recall(1, (A1, 0), size_bytes=36 * GB)], [drive()], [tape(A1)])
    # robot 13 s, load 15 s, no locate, 100 s of streaming
    assert result.assignments[0].duration_s == pytest.approx(128.0)
    mounted = schedule([recall(1, (A1, 0), size_bytes=36 * GB)], [drive(loaded=A1)], [tape(A1)])
    assert mounted.assignments[0].duration_s == pytest.approx(100.0)
    other = schedule([recall(1, (A1, 0), size_bytes=36 * GB)], [drive(loaded=A2)], [tape(A1), tape(A2)])
    # before that unload 24 s and robot 13 s
    assert other.assignments[0].duration_s == pytest.approx(165.0)
    assert "drive 0 gives back A00002L8" in other.assignments[0].reason


# which volume


def test_a_mounted_volume_is_preferred() -> None:
    works = [recall(1, (A1, 5), (A2, 5))]
    assert given_out(schedule(works, [drive(0), drive(1, A2)], [tape(A1), tape(A2)])) == {"S1": (A2, [1])}


def test_the_volume_more_people_wait_for_is_preferred() -> None:
    works = [recall(1, (A1, 5), (A2, 5)), recall(2, (A2, 7))]
    assert given_out(schedule(works, [drive()], [tape(A1), tape(A2)])) == {"S0": (A2, [1, 2])}


def test_a_suspect_volume_or_copy_is_the_last_resort() -> None:
    works = [recall(1, (A1, 5), (A2, 5))]
    suspect = tape(A1, VolumeState.SUSPECT)
    assert given_out(schedule(works, [drive(0, A1), drive(1)], [suspect, tape(A2)])) == {"S1": (A2, [1])}
    assert given_out(schedule(works, [drive()], [suspect, tape(A2, place=Place.SHELF)])) == {"S0": (A1, [1])}


def test_a_doubtful_copy_is_the_last_resort_and_joins_no_other_mount() -> None:
    work = recall(1, (A1, 5), (A2, 5))
    work = replace(work, candidates=(replace(work.candidates[0], doubtful=True), work.candidates[1]))
    assert given_out(schedule([work], [drive(0, A1), drive(1)], [tape(A1), tape(A2)])) == {"S1": (A2, [1])}
    older = recall(2, (A1, 9), created_at=ago(hours=1))
    result = schedule([work, older], [drive()], [tape(A1), tape(A2)])
    assert given_out(result) == {"S0": (A1, [2])}
    alone = schedule([work, older], [drive()], [tape(A1), tape(A2, place=Place.MISSING)])
    assert given_out(alone) == {"S0": (A1, [1, 2])}


def test_a_volume_in_use_is_waited_for_unless_another_will_do() -> None:
    busy = [at_work(1, A1)]
    assert not schedule([recall(1, (A1, 5))], [drive()], [tape(A1, mounted_in="S1")], busy).assignments
    assert not schedule([recall(1, (A1, 5))], [drive()], [tape(A1, busy=True)]).assignments
    result = schedule([recall(1, (A1, 5), (A2, 5))], [drive()], [tape(A1), tape(A2)], busy)
    assert given_out(result) == {"S0": (A2, [1])}
    assert not schedule([recall(1, (A1, 5))], [drive()], [tape(A1)], busy).stuck


@pytest.mark.parametrize(
    "state",
    [VolumeState.FILLING, VolumeState.FULL, VolumeState.REPACKING, VolumeState.WRITE_PROTECTED, VolumeState.SUSPECT],
)
def test_a_volume_with_data_can_be_read(state: VolumeState) -> None:
    assert schedule([recall(1, (A1, 5))], [drive()], [tape(A1, state)]).assignments


# which drive


def test_a_volume_is_read_where_it_is() -> None:
    result = schedule([recall(1, (A1, 5))], [drive(0), drive(1, A1)], [tape(A1)])
    assert given_out(result) == {"S1": (A1, [1])}
    assert "it is mounted in drive 1 already" in result.assignments[0].reason


def test_an_empty_drive_is_preferred_and_then_one_whose_volume_nobody_wants() -> None:
    volumes = [tape(A1), tape(A2), tape(B1)]
    assert "S1" in given_out(schedule([recall(1, (A1, 5))], [drive(0, A2), drive(1)], volumes))
    works = [recall(1, (A1, 5)), recall(2, (A2, 5), created_at=NOW)]
    assert given_out(schedule(works, [drive(0, A2), drive(1, B1)], volumes)) == {"S1": (A1, [1]), "S0": (A2, [2])}


def test_drives_of_other_libraries_kinds_and_generations_are_not_used() -> None:
    works = [recall(1, (A1, 5))]
    assert not schedule(works, [drive(library="other")], [tape(A1)]).assignments
    assert not schedule(works, [drive(generation="LTO-7")], [tape(A1)]).assignments
    assert not schedule(works, [recorder(library="tape")], [tape(A1)]).assignments
    for good in ("LTO-8", "LTO-9", ""):
        assert schedule(works, [drive(generation=good)], [tape(A1)]).assignments
    assert schedule(works, [drive()], [tape(A1, generation="")]).assignments


def test_an_old_medium_can_be_read_where_it_cannot_be_written() -> None:
    old = tape(A1, generation="LTO-5", capacity_bytes=1_500 * GB, free_bytes=100 * GB)
    assert schedule([recall(1, (A1, 5))], [drive(generation="LTO-7")], [old]).assignments
    assert not schedule([migrate(1)], [drive(generation="LTO-7")], [old]).assignments
    assert schedule([migrate(1)], [drive(generation="LTO-7")], [tape(A1, generation="LTO-6")]).assignments


def test_no_volume_and_no_drive_is_given_twice() -> None:
    works = [recall(n, (A1, n)) for n in range(5)] + [migrate(10), verify(11, (A1, 3))]
    result = schedule(works, [drive(0), drive(1), drive(2)], [tape(A1)])
    assert len(result.assignments) == 1


# another drive than the writer's


def test_a_verification_goes_to_another_drive() -> None:
    works = [verify(1, (A1, 5), avoid_drive="S0")]
    assert given_out(schedule(works, [drive(0), drive(1)], [tape(A1)])) == {"S1": (A1, [1])}
    assert given_out(schedule(works, [drive(0, A1), drive(1)], [tape(A1)])) == {"S1": (A1, [1])}
    assert given_out(schedule(works, [drive(0), drive(1, A1)], [tape(A1)])) == {"S1": (A1, [1])}


def test_a_verification_waits_for_another_drive_and_not_for_ever() -> None:
    busy = [at_work(1, A2)]
    work = [verify(1, (A1, 5), avoid_drive="S0", created_at=ago(seconds=899))]
    assert not schedule(work, [drive(0)], [tape(A1)], busy).assignments
    waited = [verify(1, (A1, 5), avoid_drive="S0", created_at=ago(seconds=900))]
    assert schedule(waited, [drive(0)], [tape(A1)], busy).assignments


def test_a_verification_in_the_only_drive_does_not_wait() -> None:
    assert schedule([verify(1, (A1, 5), avoid_drive="S0")], [drive(0)], [tape(A1)]).assignments
    incapable = BusyDrive("tape", 1, "S1", drive().kind, "LTO-7", None, JobKind.RECALL, NOW)
    assert schedule([verify(1, (A1, 5), avoid_drive="S0")], [drive(0)], [tape(A1)], [incapable]).assignments


def test_a_verification_does_not_ride_along_in_the_drive_to_avoid() -> None:
    works = [recall(1, (A1, 5)), verify(2, (A1, 9), avoid_drive="S0"), verify(3, (A1, 12), avoid_drive="S1")]
    result = schedule(works, [drive(0)], [tape(A1)], [at_work(1, A2)])
    assert given_out(result) == {"S0": (A1, [1, 3])}


# what is not urgent


def test_verifications_do_not_ride_along_while_others_wait_for_a_drive() -> None:
    works = [recall(1, (A1, 5)), verify(2, (A1, 9)), recall(3, (A2, 5), created_at=NOW)]
    assert given_out(schedule(works, [drive(0)], [tape(A1), tape(A2)])) == {"S0": (A1, [1])}
    # with a second drive nobody waits once it has its work, but the first was given out before
    assert given_out(schedule(works, [drive(0), drive(1)], [tape(A1), tape(A2)]))["S1"] == (A2, [3])


def test_reading_that_is_no_recall_comes_in_portions() -> None:
    works = [verify(n, (A1, n * 1_000_000), size_bytes=216 * GB) for n in range(1, 6)]  # 600 s each
    result = schedule(works, [drive()], [tape(A1)])
    assert len(result.assignments[0].works) == 3
    assert "(no recall among them)" in result.assignments[0].reason
    big = [verify(1, (A1, 5), size_bytes=5 * TB)]
    assert schedule(big, [drive()], [tape(A1)]).assignments


def test_an_assignment_has_an_end() -> None:
    works = [recall(n, (A1, n * 1000)) for n in range(1, 30)] + [verify(50, (A1, 3))]
    result = schedule(works, [drive()], [tape(A1)], most_works=10)
    assert {work.job_id for work in result.assignments[0].works} == set(range(1, 11))
    fewer = schedule(works[:8] + works[-1:], [drive()], [tape(A1)], most_works=9)
    assert len(fewer.assignments[0].works) == 9


def test_a_repack_reads() -> None:
    result = schedule([reading(JobKind.REPACK, 1, (A1, 5))], [drive()], [tape(A1, VolumeState.REPACKING)])
    assert result.assignments[0].purpose is Purpose.READ
    assert "serves a repack" in result.assignments[0].reason


# who goes first


def test_recalls_go_before_older_other_work() -> None:
    works = [
        migrate(1, created_at=ago(hours=3, minutes=59)),
        verify(2, (B1, 5), created_at=ago(hours=11)),
        recall(3, (A2, 5), created_at=NOW),
    ]
    volumes = [tape(A1), tape(A2), tape(B1)]
    assert given_out(schedule(works, [drive(0)], volumes)) == {"S0": (A2, [3])}
    assert [a.barcode for a in schedule(works, [drive(0), drive(1)], volumes).assignments] == [A2, A1]


def test_what_waited_longer_than_its_head_start_goes_before_a_younger_recall() -> None:
    volumes = [tape(A1), tape(A2)]
    young = recall(3, (A2, 5), created_at=NOW)
    assert given_out(schedule([migrate(1, created_at=ago(hours=4)), young], [drive()], volumes)) == {"S0": (A1, [1])}
    late = migrate(1, created_at=ago(hours=4) + timedelta(seconds=1))
    assert given_out(schedule([late, young], [drive()], volumes)) == {"S0": (A2, [3])}
    older = recall(3, (A2, 5), created_at=ago(minutes=1))
    assert given_out(schedule([migrate(1, created_at=ago(hours=4)), older], [drive()], volumes)) == {"S0": (A2, [3])}


def test_a_drive_that_served_other_work_serves_recalls_next() -> None:
    works = [migrate(1, created_at=ago(hours=9)), recall(3, (A2, 5), created_at=NOW)]
    volumes = [tape(A1), tape(A2)]
    after_migrate = [drive(served_last=JobKind.MIGRATE)]
    assert given_out(schedule(works, after_migrate, volumes)) == {"S0": (A2, [3])}
    after_recall = [drive(served_last=JobKind.RECALL)]
    assert given_out(schedule(works, after_recall, volumes)) == {"S0": (A1, [1])}
    assert given_out(schedule(works[:1], after_migrate, volumes)) == {"S0": (A1, [1])}


def test_aged_work_overtakes_on_one_drive_only() -> None:
    works = [
        migrate(1, created_at=ago(hours=9)),
        migrate(2, "tape_b", created_at=ago(hours=9)),
        recall(3, (A2, 5), created_at=NOW),
    ]
    volumes = [tape(A1), tape(A2), tape(B1)]
    result = schedule(works, [drive(0), drive(1)], volumes)
    assert [a.barcode for a in result.assignments] == [A1, A2]
    # with a third drive nobody is kept from it
    assert len(schedule(works, [drive(0), drive(1), drive(2)], volumes).assignments) == 3


def test_drives_can_be_reserved_for_recalls() -> None:
    works = [migrate(1), migrate(2, "tape_b"), verify(3, (A2, 5)), recall(4, ("A00003L8", 5))]
    volumes = [tape(A1), tape(A2), tape(B1), tape("A00003L8")]
    drives = [drive(0), drive(1), drive(2), drive(3)]
    assert len(schedule(works, drives, volumes).assignments) == 4
    two = schedule(works, drives, volumes, reserve_recall_drives=2)
    assert [a.works[0].job_id for a in two.assignments] == [4, 1, 2]
    writing = [at_work(0, A1, JobKind.MIGRATE), at_work(1, B1, JobKind.VERIFY)]
    rest = schedule([verify(3, (A2, 5))], drives[2:], volumes, writing, reserve_recall_drives=2)
    assert not rest.assignments
    recalling = [at_work(0, A1), at_work(1, B1)]
    assert schedule([verify(3, (A2, 5))], drives[2:], volumes, recalling, reserve_recall_drives=2).assignments
    assert schedule([recall(4, (A2, 5))], drives[2:], volumes, writing, reserve_recall_drives=2).assignments


def test_one_drive_may_always_write_else_nothing_would_leave_the_disk() -> None:
    assert schedule([migrate(1)], [drive(0)], [tape(A1)], reserve_recall_drives=1).assignments
    assert not schedule(
        [migrate(1)], [drive(1)], [tape(A1)], [at_work(0, B1, JobKind.MIGRATE)], reserve_recall_drives=5
    ).assignments


def test_a_recall_that_carries_verifications_is_a_recall() -> None:
    works = [recall(1, (A1, 5)), verify(2, (A1, 9)), migrate(3, "tape_b")]
    result = schedule(works, [drive(0), drive(1)], [tape(A1), tape(B1)], reserve_recall_drives=1)
    assert [a.barcode for a in result.assignments] == [A1, B1]


def test_discs_are_read_in_the_order_of_urgency() -> None:
    works = [recall(1, ("D00001", 500)), recall(2, ("D00001", 100), created_at=ago(hours=1))]
    burnt = disc("D00001", VolumeState.FULL)
    assert given_out(schedule(works, [recorder()], [burnt])) == {"R0": ("D00001", [2, 1])}
