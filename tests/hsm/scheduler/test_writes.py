"""Migrations and labelling: which volume is filled, and when a disc is burnt."""

from dataclasses import replace

import pytest

from drivers.base import Barcode
from hsm.scheduler import Purpose
from hsm.states import JobKind, Place, VolumeState
from tests.hsm.scheduler.test_reads import A1, A2, B1, given_out
from tests.hsm.scheduler.worlds import (
    GB,
    MB,
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
)

A3, A4 = "A00003L8", "A00004L8"
ROOM = int(25_025_314_816 * 0.92)


def test_packs_of_a_pool_share_a_mount_oldest_first() -> None:
    works = [migrate(1), migrate(2, created_at=ago(hours=1)), migrate(3, "tape_b")]
    result = schedule(works, [drive(0), drive(1)], [tape(A1), tape(B1)])
    assert given_out(result) == {"S0": (A1, [2, 1]), "S1": (B1, [3])}
    first = result.assignments[0]
    assert first.purpose is Purpose.WRITE
    assert first.reason == (
        "2 packs of 2.0 GB for pool tape_a go onto A00001L8, which is filling and has 6000.0 GB free, in drive 0."
    )
    assert result.assignments[1].reason.startswith("1 pack of 1.0 GB for pool tape_b")


def test_filling_volumes_come_before_labelled_ones_before_blank_ones() -> None:
    blank, labelled = (
        tape(A1, VolumeState.BLANK, free_bytes=12 * TB),
        tape(A2, VolumeState.LABELLED, free_bytes=12 * TB),
    )
    scratch, filling = tape(A4, VolumeState.SCRATCH), tape(A3)
    assert given_out(schedule([migrate(1)], [drive()], [blank, labelled, filling]))["S0"][0] == A3
    assert given_out(schedule([migrate(1)], [drive(loaded=A1)], [blank, labelled]))["S0"][0] == A2
    assert given_out(schedule([migrate(1)], [drive()], [blank]))["S0"][0] == A1
    assert given_out(schedule([migrate(1)], [drive()], [scratch]))["S0"][0] == A4


def test_of_two_filling_volumes_the_mounted_one_and_then_the_fullest_is_taken() -> None:
    fuller, emptier = tape(A1, free_bytes=TB), tape(A2, free_bytes=5 * TB)
    assert given_out(schedule([migrate(1)], [drive()], [emptier, fuller]))["S0"][0] == A1
    assert given_out(schedule([migrate(1)], [drive(loaded=A2)], [emptier, fuller]))["S0"][0] == A2
    twins = [tape(A2), tape(A1)]
    assert given_out(schedule([migrate(1)], [drive()], twins))["S0"][0] == A1


@pytest.mark.parametrize(
    "volume",
    [
        tape(A1, VolumeState.FULL),
        tape(A1, VolumeState.SUSPECT),
        tape(A1, VolumeState.WRITE_PROTECTED),
        tape(A1, VolumeState.REPACKING),
        tape(A1, place=Place.SHELF),
        tape(A1, place=Place.MISSING),
        tape(A1, pool="tape_b"),
        tape(A1, pool=None),
        tape(A1, free_bytes=GB - 1),
        tape(A1, generation="LTO-9"),
        tape(A1, mounted_in="S9"),
        replace(disc("A0001"), pool="tape_a"),
        tape("X00001L8", VolumeState.BLANK, pool="tape_a"),
    ],
)
def test_what_cannot_be_written_is_not(volume: object) -> None:
    assert not schedule([migrate(1)], [drive()], [volume]).assignments  # type: ignore[list-item]


def test_a_blank_volume_is_taken_only_by_a_pool_that_labels_by_itself() -> None:
    assert not schedule([migrate(1, "tape_b")], [drive()], [tape(B1, VolumeState.BLANK)]).assignments
    assert schedule([migrate(1, "tape_b")], [drive()], [tape(B1, VolumeState.LABELLED)]).assignments


def test_a_volume_is_filled_to_its_last_byte_and_not_beyond() -> None:
    works = [
        migrate(1, size_bytes=3 * GB, created_at=ago(hours=3)),
        migrate(2, size_bytes=2 * GB, created_at=ago(hours=2)),
        migrate(3, size_bytes=GB),
    ]
    assert given_out(schedule(works, [drive()], [tape(A1, free_bytes=4 * GB)]))["S0"][1] == [1, 3]
    assert given_out(schedule(works, [drive()], [tape(A1, free_bytes=6 * GB)]))["S0"][1] == [1, 2, 3]


def test_what_does_not_fit_goes_onto_the_next_volume() -> None:
    volumes = [tape(A1, free_bytes=GB), tape(A2, VolumeState.LABELLED, free_bytes=12 * TB)]
    result = schedule([migrate(1, size_bytes=2 * GB)], [drive()], volumes)
    assert given_out(result) == {"S0": (A2, [1])}


def test_a_session_has_an_end() -> None:
    works = [migrate(n) for n in range(1, 9)]
    assert len(schedule(works, [drive()], [tape(A1)], most_works=5).assignments[0].works) == 5


def test_no_second_volume_is_begun_while_a_filling_one_is_only_in_use() -> None:
    in_use = tape(A1, busy=True)
    volumes = [in_use, tape(A2, VolumeState.LABELLED)]
    assert not schedule([migrate(1, created_at=ago(seconds=3599))], [drive()], volumes).assignments
    assert given_out(schedule([migrate(1, created_at=ago(seconds=3600))], [drive()], volumes)) == {"S0": (A2, [1])}
    for state in (VolumeState.LABELLED, VolumeState.BLANK):  # about to be filling
        assert not schedule(
            [migrate(1)], [drive()], [tape(A1, state, busy=True), tape(A2, VolumeState.BLANK)]
        ).assignments
    full = tape(A1, busy=True, free_bytes=1)
    assert given_out(schedule([migrate(1)], [drive()], [full, volumes[1]])) == {"S0": (A2, [1])}


@pytest.mark.parametrize("state", [VolumeState.FILLING, VolumeState.LABELLED, VolumeState.BLANK])
def test_a_tape_pool_is_written_by_one_drive_at_a_time(state: VolumeState) -> None:
    volumes = [tape(A1, state), tape(A2, state)]
    result = schedule([migrate(1), migrate(2)], [drive(0), drive(1)], volumes, most_works=1)
    assert given_out(result) == {"S0": (A1, [1])}


def test_a_copy_goes_to_no_volume_that_holds_one() -> None:
    work = migrate(1, not_on=frozenset({Barcode(A1)}))
    assert given_out(schedule([work], [drive()], [tape(A1), tape(A2)])) == {"S0": (A2, [1])}
    alone = schedule([work, migrate(2)], [drive()], [tape(A1)])
    assert given_out(alone) == {"S0": (A1, [2])}
    assert [stuck.job_id for stuck in alone.stuck] == [1]


def test_a_volume_wanted_for_reading_and_writing_serves_recalls_first() -> None:
    result = schedule([migrate(1), recall(2, (A1, 5))], [drive(0), drive(1)], [tape(A1)])
    assert given_out(result) == {"S0": (A1, [2])}


def test_the_way_to_the_end_of_data_and_the_flush_take_time() -> None:
    at_begin = schedule([migrate(1, size_bytes=36 * GB)], [drive()], [tape(A1, end_address=0)]).assignments[0]
    assert at_begin.duration_s == pytest.approx(13 + 15 + 100 + 3)
    far = schedule([migrate(1, size_bytes=36 * GB)], [drive()], [tape(A1, end_address=24_000_000)]).assignments[0]
    assert far.duration_s > at_begin.duration_s + 20


# labelling


def test_a_blank_volume_is_labelled_on_request() -> None:
    work = reading(JobKind.LABEL, 1, (B1, 0), size_bytes=0)
    result = schedule([work], [drive()], [tape(B1, VolumeState.BLANK)])
    (assignment,) = result.assignments
    assert (assignment.barcode, assignment.purpose) == (B1, Purpose.WRITE)
    assert assignment.reason == "B00001L8 is to be labelled, in drive 0."
    assert not schedule([work], [], [tape(B1, VolumeState.BLANK)], [at_work(0, A1)]).assignments
    assert not schedule([work], [drive()], [tape(B1, VolumeState.BLANK, busy=True)]).assignments
    for state in (VolumeState.LABELLED, VolumeState.FILLING, VolumeState.FULL):
        assert not schedule([work], [drive()], [tape(B1, state)]).assignments


def test_a_label_goes_before_a_migration_and_after_a_recall() -> None:
    label = reading(JobKind.LABEL, 1, (B1, 0), size_bytes=0)
    volumes = [tape(B1, VolumeState.BLANK), tape(A1), tape(A2)]
    assert given_out(schedule([migrate(2), label], [drive()], volumes)) == {"S0": (B1, [1])}
    assert given_out(schedule([recall(2, (A2, 5)), label], [drive()], volumes)) == {"S0": (A2, [2])}


# discs


def test_a_disc_is_burnt_when_what_waits_fills_it() -> None:
    halves = [migrate(1, "disc", ROOM // 2), migrate(2, "disc", ROOM - ROOM // 2)]
    assert given_out(schedule(halves, [recorder()], [disc()])) == {"R0": ("D00001", [1, 2])}
    less = [migrate(1, "disc", ROOM // 2), migrate(2, "disc", ROOM - ROOM // 2 - 1)]
    assert not schedule(less, [recorder()], [disc()]).assignments
    assert not schedule(less, [recorder()], [disc()]).stuck


def test_a_disc_that_is_not_full_is_burnt_when_its_oldest_pack_waited_long_enough() -> None:
    young, old = migrate(1, "disc"), migrate(2, "disc", created_at=ago(seconds=3600))
    assert not schedule([young, migrate(2, "disc", created_at=ago(seconds=3599))], [recorder()], [disc()]).assignments
    assert given_out(schedule([young, old], [recorder()], [disc()])) == {"R0": ("D00001", [2, 1])}


def test_a_disc_takes_the_oldest_and_then_the_largest_that_fit() -> None:
    works = [
        migrate(1, "disc", 5 * GB, created_at=ago(hours=3)),
        migrate(2, "disc", 4 * GB, created_at=ago(hours=2)),
        migrate(3, "disc", 10 * GB, created_at=ago(hours=1)),
        migrate(4, "disc", 9 * GB),
        migrate(5, "disc", 8 * GB),
    ]
    # 23.02 GB: the oldest (5), then 10, then 8 fits no more after 9 does not; 4 would
    assert given_out(schedule(works, [recorder()], [disc()]))["R0"][1] == [1, 3, 5]


def test_two_recorders_burn_two_full_discs_at_once() -> None:
    works = [migrate(n, "disc", 12 * GB) for n in range(1, 4)]
    both = schedule(works, [recorder(0), recorder(1)], [disc(), disc("D00002")])
    assert given_out(both) == {"R0": ("D00001", [1]), "R1": ("D00002", [2])}
    one = schedule(works[:2], [recorder(0), recorder(1)], [disc(), disc("D00002")])
    assert given_out(one) == {"R0": ("D00001", [1])}


def test_a_disc_once_written_is_not_written_again() -> None:
    due = [migrate(1, "disc", created_at=ago(hours=2))]
    for state in (VolumeState.FILLING, VolumeState.FULL):
        assert not schedule(due, [recorder()], [disc("D00001", state)]).assignments
    for state in (VolumeState.BLANK, VolumeState.LABELLED):
        assert schedule(due, [recorder()], [disc("D00001", state)]).assignments


def test_a_pack_too_large_for_a_small_disc_waits_for_a_large_one() -> None:
    small = disc("D00001", generation="DVD+R", capacity_bytes=4_700_372_992, free_bytes=4_700_372_992)
    works = [
        migrate(1, "disc", 10 * GB, created_at=ago(hours=2)),
        migrate(2, "disc", 100 * MB, created_at=ago(hours=2)),
    ]
    assert given_out(schedule(works, [recorder()], [small])) == {"R0": ("D00001", [2])}
    assert given_out(schedule(works[:1], [recorder()], [small, disc("D00002")])) == {"R0": ("D00002", [1])}


def test_how_much_of_a_disc_packs_may_take_is_a_setting() -> None:
    works = [migrate(1, "disc", 20 * GB, created_at=ago(hours=2))]
    assert schedule(works, [recorder()], [disc()], disc_fill_pct=80.0).assignments
    assert not schedule(works, [recorder()], [disc()], disc_fill_pct=79.0).assignments
