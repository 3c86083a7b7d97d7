"""When a work will be done, and what is said about it."""

import itertools
from datetime import timedelta

import pytest

from hsm.scheduler import Learned, MediaTiming, assign
from hsm.states import JobKind, Place, VolumeState
from tests.hsm.scheduler.test_reads import A1, A2, B1
from tests.hsm.scheduler.test_writes import ROOM
from tests.hsm.scheduler.worlds import (
    GB,
    NOW,
    POOLS,
    TB,
    ago,
    at_work,
    disc,
    drive,
    migrate,
    recall,
    recorder,
    schedule,
    tape,
    verify,
)


def seconds(result: object, job_id: int) -> float:
    return float((result.etas[job_id].ready_at - NOW).total_seconds())  # type: ignore[attr-defined]


def test_an_assigned_recall_is_ready_when_it_was_read() -> None:
    result = schedule([recall(1, (A1, 0), size_bytes=36 * GB)], [drive()], [tape(A1)])
    assert seconds(result, 1) == pytest.approx(128.0)
    eta = result.etas[1]
    assert (eta.position, eta.barcode, eta.phase) == (1, A1, "begins now in drive 0 with A00001L8")


def test_each_work_of_a_mount_is_ready_in_its_turn() -> None:
    works = [recall(n, (A1, n * 300_000), size_bytes=36 * GB) for n in (1, 2, 3)]
    result = schedule(works, [drive()], [tape(A1)])
    order = [work.job_id for work in result.assignments[0].works]
    assert sorted(result.etas, key=lambda job: result.etas[job].position) == order
    assert seconds(result, order[-1]) == pytest.approx(result.assignments[0].duration_s)
    assert seconds(result, order[1]) >= seconds(result, order[0]) + 100


def test_packs_of_a_session_are_all_safe_at_its_end() -> None:
    result = schedule([migrate(1), migrate(2)], [drive()], [tape(A1)])
    assert seconds(result, 1) == seconds(result, 2) == pytest.approx(result.assignments[0].duration_s)


def test_who_waits_for_a_busy_drive_waits_until_it_is_free() -> None:
    result = schedule([recall(1, (A1, 0), size_bytes=36 * GB)], [], [tape(A1), tape(A2)], [at_work(0, A2, seconds=60)])
    # 60 s, unload 24 + 13, robot 13, load 15, 100 s of streaming
    assert seconds(result, 1) == pytest.approx(225.0)
    assert result.etas[1].phase == "waits for drive 0 of library tape, which then takes A00001L8"
    mounted = schedule([recall(1, (A2, 0), size_bytes=36 * GB)], [], [tape(A1), tape(A2)], [at_work(0, A2, seconds=60)])
    assert seconds(mounted, 1) == pytest.approx(160.0)
    overdue = schedule([recall(1, (A2, 0), size_bytes=36 * GB)], [], [tape(A2)], [at_work(0, A2, seconds=-500)])
    assert seconds(overdue, 1) == pytest.approx(100.0)


def test_the_drive_that_is_free_first_takes_it() -> None:
    busy = [at_work(0, A2, seconds=900), at_work(1, B1, seconds=60)]
    result = schedule([recall(1, (A1, 0))], [], [tape(A1), tape(A2), tape(B1)], busy)
    assert result.etas[1].phase.startswith("waits for drive 1")
    held = schedule([recall(1, (A2, 0))], [], [tape(A1), tape(A2), tape(B1)], busy)
    assert held.etas[1].phase.startswith("waits for drive 0")


def test_works_on_one_volume_share_the_mount_they_wait_for() -> None:
    works = [recall(1, (A1, 0)), recall(2, (A1, 9000)), recall(3, (A2, 0), created_at=NOW)]
    result = schedule(works, [], [tape(A1), tape(A2), tape(B1)], [at_work(0, B1)])
    assert [result.etas[n].position for n in (1, 2, 3)] == [1, 2, 3]
    assert seconds(result, 2) - seconds(result, 1) < 30
    assert seconds(result, 3) - seconds(result, 2) > 60


def test_a_writing_queue_waits_for_the_volume_that_is_being_read() -> None:
    result = schedule([recall(1, (A1, 0)), migrate(2)], [drive()], [tape(A1)])
    assert seconds(result, 2) > seconds(result, 1)
    assert result.etas[2].barcode == A1


def test_what_fits_no_present_volume_any_more_waits_for_a_further_one() -> None:
    works = [
        migrate(1, size_bytes=5 * TB),
        migrate(2, size_bytes=5 * TB),
        migrate(3, size_bytes=6 * TB, created_at=NOW),
    ]
    result = schedule(works, [drive()], [tape(A1, free_bytes=10 * TB)])
    assert [work.job_id for work in result.assignments[0].works] == [1, 2]
    later = result.etas[3]
    assert (later.barcode, later.phase) == (None, "waits for a further volume of pool tape_a")
    assert seconds(result, 3) > seconds(result, 1) + 6 * TB / 360e6


def test_a_second_volume_is_planned_when_the_first_is_full() -> None:
    works = [migrate(1, size_bytes=5 * TB), migrate(2, size_bytes=5 * TB)]
    volumes = [tape(A1), tape(A2, VolumeState.LABELLED, free_bytes=12 * TB)]
    result = schedule(works, [drive()], volumes)
    assert result.etas[1].barcode == A1
    assert result.etas[2].barcode == A2
    not_there = schedule([migrate(1, not_on=frozenset({A1}))], [], volumes, [at_work(0, B1)])
    assert not_there.etas[1].barcode == A2


def test_packs_that_wait_for_a_full_disc_say_until_when() -> None:
    result = schedule([migrate(1, "disc")], [recorder()], [disc()])
    assert result.etas[1].phase == "collected for a disc, burnt when it is full or in 59 min"
    assert seconds(result, 1) > 59 * 60
    soon = schedule([migrate(1, "disc", created_at=ago(seconds=3500))], [recorder()], [disc()])
    assert soon.etas[1].phase.endswith("in 100 s")


def test_a_full_disc_does_not_wait_and_the_next_one_is_collected() -> None:
    works = [migrate(1, "disc", ROOM, created_at=ago(minutes=9)), migrate(2, "disc", GB)]
    result = schedule(works, [recorder()], [disc(), disc("D00002")])
    assert result.etas[1].phase == "begins now in drive 0 with D00001"
    assert result.etas[2].barcode == "D00002"
    assert "collected" in result.etas[2].phase


def test_positions_count_from_one_in_the_order_of_readiness() -> None:
    works = [recall(n, (f"A{n % 5:05d}L8", n * 1000), created_at=ago(seconds=n)) for n in range(1, 60)]
    works += [migrate(n) for n in range(100, 110)] + [verify(n, (B1, n * 100_000)) for n in range(200, 210)]
    volumes = [tape(f"A{n:05d}L8") for n in range(5)] + [tape(B1)]
    result = schedule(works, [drive(0), drive(1)], volumes, [at_work(2, "A00003L8")])
    assert set(result.etas) == {work.job_id for work in works}
    ordered = sorted(result.etas.values(), key=lambda eta: eta.position)
    assert [eta.position for eta in ordered] == list(range(1, len(works) + 1))
    assert all(a.ready_at <= b.ready_at for a, b in itertools.pairwise(ordered))
    assert all(eta.ready_at > NOW and eta.phase for eta in ordered)


def test_a_long_queue_on_one_tape_is_estimated_by_the_way_a_good_order_takes() -> None:
    works = [recall(n, (A1, n * 50_000), size_bytes=1) for n in range(1, 101)]
    waiting = schedule(works, [], [tape(A1), tape(A2)], [at_work(0, A2, seconds=0)])
    begun = schedule(works, [drive(loaded=A2)], [tape(A1), tape(A2)])
    last = max(seconds(waiting, work.job_id) for work in works)
    assert last == pytest.approx(begun.assignments[0].duration_s, rel=0.6)


def test_a_queue_longer_than_a_mount_comes_in_several() -> None:
    works = [recall(n, (A1, n * 1000)) for n in range(1, 31)]
    result = schedule(works, [drive()], [tape(A1)], most_works=10)
    assert len(result.assignments[0].works) == 10
    assert len(result.etas) == 30
    assert all(eta.barcode == A1 for eta in result.etas.values())


def test_the_better_copy_is_the_one_that_is_waited_for() -> None:
    work = recall(1, (A1, 5), (A2, 5))
    busy = [at_work(0, B1)]
    assert schedule([work], [], [tape(A1, VolumeState.SUSPECT), tape(A2), tape(B1)], busy).etas[1].barcode == A2
    assert schedule([work, recall(2, (A2, 9))], [], [tape(A1), tape(A2), tape(B1)], busy).etas[1].barcode == A2
    assert schedule([work], [], [tape(A1), tape(A2, mounted_in="S0"), tape(B1)], busy).etas[1].barcode == A2
    assert schedule([work], [], [tape(A1, place=Place.SHELF), tape(A2), tape(B1)], busy).etas[1].barcode == A2


# timing


def test_measured_rates_replace_the_published_ones() -> None:
    timing = MediaTiming({"LTO-8": Learned(read_mb_s=180.0, write_mb_s=90.0, load_s=40.0)})
    assert timing.mount_s(tape(A1)) == 53.0
    assert timing.read_s(tape(A1), 36 * GB) == pytest.approx(200.0)
    assert timing.write_s(tape(A1), 36 * GB) == pytest.approx(403.0)
    assert timing.read_s(tape(A1, generation="LTO-9"), 36 * GB) == pytest.approx(90.0)
    result = assign([recall(1, (A1, 0), size_bytes=36 * GB)], [drive()], [tape(A1)], POOLS, timing, NOW)
    assert result.assignments[0].duration_s == pytest.approx(253.0)
    partly = MediaTiming({"LTO-8": Learned(read_mb_s=180.0)})
    assert partly.mount_s(tape(A1)) == 28.0
    assert partly.write_s(tape(A1), 36 * GB) == pytest.approx(103.0)


def test_published_times_of_tapes() -> None:
    timing = MediaTiming()
    assert timing.mount_s(tape(A1)) == 28.0
    assert timing.unmount_s(tape(A1), None) == 37.0
    assert timing.unmount_s(tape(A1), 110_000) > 37.0
    assert timing.locate_s(tape(A1), None, 0) == 0.0
    assert timing.locate_s(tape(A1), 0, 100_000) > 10
    small = tape(A1, capacity_bytes=12 * GB)
    assert timing.locate_s(small, 0, 100) > timing.locate_s(tape(A1), 0, 100) + 10
    unknown = tape(A1, generation="", capacity_bytes=0)
    assert timing.read_s(unknown, 36 * GB) == pytest.approx(100.0)


def test_published_times_of_discs() -> None:
    timing = MediaTiming()
    assert timing.mount_s(disc()) == 38.0
    assert timing.mount_s(disc(generation="DVD+R")) == 33.0
    assert timing.unmount_s(disc(), None) == 17.0
    assert timing.locate_s(disc(), 0, 10**6) == pytest.approx(0.18)
    assert timing.read_s(disc(), 36_000_000) == pytest.approx(1.0)
    assert timing.write_s(disc(), 27_000_000) == pytest.approx(21.0)
    learned = MediaTiming({"BD-R": Learned(load_s=2.0, read_mb_s=1.0, write_mb_s=1.0)})
    assert learned.mount_s(disc()) == 15.0
    assert learned.read_s(disc(), 1_000_000) == pytest.approx(1.0)
    assert learned.write_s(disc(), 1_000_000) == pytest.approx(21.0)


def test_the_age_of_a_work_is_never_negative() -> None:
    result = schedule([recall(1, (A1, 0), created_at=NOW + timedelta(days=1))], [drive()], [tape(A1)])
    assert "has waited 0 seconds" in result.assignments[0].reason
    assert JobKind.RECALL in {work.kind for work in result.assignments[0].works}
