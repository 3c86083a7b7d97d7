"""Recalls that are due at some time: behind whoever waits, and in a hurry when the time nears."""

from datetime import timedelta

from tests.hsm.scheduler.test_reads import A1, A2, B1, given_out
from tests.hsm.scheduler.worlds import NOW, ago, at_work, drive, migrate, recall, schedule, tape

SOON, LATER = NOW + timedelta(hours=1), NOW + timedelta(hours=9)
VOLUMES = [tape(A1), tape(A2), tape(B1)]


def test_somebody_who_waits_goes_before_what_is_due_soon_however_long_that_has_waited() -> None:
    works = [recall(1, (A1, 5), created_at=ago(hours=9), due_at=SOON), recall(2, (A2, 5))]
    result = schedule(works, [drive(0)], VOLUMES)
    assert given_out(result) == {"S0": (A2, [2])}
    assert result.etas[2].position == 1


def test_what_is_due_later_waits_for_copies_and_what_is_due_soon_does_not() -> None:
    copying = migrate(2, "tape_b", created_at=ago(hours=5))
    assert given_out(schedule([recall(1, (A1, 5), due_at=LATER), copying], [drive(0)], VOLUMES)) == {"S0": (B1, [2])}
    hurried = recall(1, (A1, 5), created_at=ago(hours=9), due_at=SOON)
    fresh = migrate(2, "tape_b")
    assert given_out(schedule([hurried, fresh], [drive(0)], VOLUMES)) == {"S0": (A1, [1])}


def test_one_mount_serves_all_that_is_due_and_who_waits_for_the_same_volume() -> None:
    works = [recall(1, (A1, 900), due_at=SOON), recall(2, (A1, 50), due_at=LATER), recall(3, (A1, 90_000))]
    assert given_out(schedule(works, [drive(0)], VOLUMES)) == {"S0": (A1, [3, 2, 1])}


def test_what_is_due_leaves_reserved_drives_free() -> None:
    busy = [at_work(1, A2)]
    works = [recall(1, (A1, 5), due_at=SOON)]
    assert given_out(schedule(works, [drive(0)], VOLUMES, busy=busy, reserve_recall_drives=1)) == {"S0": (A1, [1])}
    for_nobody = [at_work(1, A2, waited_for=False)]
    assert given_out(schedule(works, [drive(0)], VOLUMES, busy=for_nobody, reserve_recall_drives=1)) == {}
