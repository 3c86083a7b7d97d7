"""Drives that a person keeps for recalls do recalls and nothing else."""

from typing import Any

from tests.hsm.scheduler.test_reads import A1, A2, B1, given_out
from tests.hsm.scheduler.worlds import at_work, drive, migrate, recall, schedule, tape, verify

KEPT: Any = {"recalls_only": True}


def test_a_kept_drive_is_given_recalls_only() -> None:
    works = [verify(1, (A1, 5)), migrate(2, "tape_b"), recall(3, (A2, 5))]
    result = schedule(works, [drive(0, **KEPT), drive(1)], [tape(A1), tape(A2), tape(B1)])
    assert given_out(result)["S0"] == (A2, [3])
    assert given_out(result)["S1"][1] in ([1], [2])


def test_a_recall_takes_the_kept_drive_and_leaves_the_other_to_the_rest() -> None:
    result = schedule([recall(1, (A1, 5)), migrate(2, "tape_b")], [drive(0), drive(1, **KEPT)], [tape(A1), tape(B1)])
    assert given_out(result) == {"S1": (A1, [1]), "S0": (B1, [2])}


def test_nothing_rides_along_on_a_kept_drive() -> None:
    result = schedule([recall(1, (A1, 5)), verify(2, (A1, 9))], [drive(0, **KEPT), drive(1)], [tape(A1)])
    assert given_out(result) == {"S0": (A1, [1])}


def test_a_volume_that_lies_idle_in_a_kept_drive_is_taken_to_another() -> None:
    volumes = [tape(A1, mounted_in="S0")]
    result = schedule([verify(1, (A1, 5))], [drive(0, A1, **KEPT), drive(1)], volumes)
    assert given_out(result) == {"S1": (A1, [1])}


def test_what_only_kept_drives_could_do_waits_and_says_why() -> None:
    works = [verify(1, (A1, 5)), migrate(2, "tape_b"), recall(3, (A2, 7))]
    result = schedule(works, [drive(0, **KEPT)], [tape(A1), tape(A2), tape(B1)])
    assert given_out(result) == {"S0": (A2, [3])}
    assert {stuck.job_id: stuck.reason for stuck in result.stuck} == {
        1: "needs A00001L8, and the drives of library tape for it are kept for recalls",
        2: "no drive of library tape for pool tape_b does anything but recalls",
    }
    assert not any(stuck.needs_operator for stuck in result.stuck)


def test_estimates_count_on_the_drives_that_may_do_it() -> None:
    busy = [at_work(1, "A00009L8", seconds=600)]
    result = schedule([verify(1, (A1, 5)), recall(2, (A2, 5))], [drive(0, **KEPT)], [tape(A1), tape(A2)], busy)
    assert given_out(result) == {"S0": (A2, [2])}
    assert "drive 1" in result.etas[1].phase
