"""What nobody can do, in the words an operator needs."""

import pytest

from drivers.base import Barcode
from hsm.scheduler import QueuedWork, Stuck, VolumeFacts
from hsm.states import JobKind, Place, VolumeState
from tests.hsm.scheduler.test_reads import A1, A2, B1
from tests.hsm.scheduler.worlds import (
    GB,
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


def only_stuck(works: list[QueuedWork], volumes: list[VolumeFacts]) -> Stuck:
    result = schedule(works, [drive(), recorder()], volumes)
    assert not result.assignments
    assert not result.etas
    (stuck,) = result.stuck
    return stuck


@pytest.mark.parametrize(
    ("volume", "operator", "reason"),
    [
        (
            tape(A1, place=Place.SHELF, location="vault 3"),
            True,
            "needs A00001L8, which is on the shelf (vault 3): bring it and put it into a mail slot of library tape",
        ),
        (
            tape(A1, place=Place.SHELF, library=None),
            True,
            "needs A00001L8, which is on the shelf: bring it and put it into a mail slot",
        ),
        (
            tape(A1, place=Place.MISSING),
            True,
            "needs A00001L8, which is missing: look for it and put it into a mail slot",
        ),
        (
            tape(A1, mounted_in="S7"),
            True,
            "needs A00001L8, which is in drive S7, out of service: take it out",
        ),
        (tape(A1, VolumeState.LOST), False, "needs A00001L8, which is lost"),
        (tape(A1, VolumeState.RETIRED), False, "needs A00001L8, which is retired"),
        (
            tape(A1, library="annex"),
            False,
            "needs A00001L8, and no drive of library annex is in service",
        ),
        (
            tape(A1, generation="LTO-9"),
            False,
            "needs A00001L8, and no drive of library tape in service can read LTO-9",
        ),
    ],
)
def test_a_recall_that_cannot_be_served_says_why(volume: VolumeFacts, operator: bool, reason: str) -> None:
    stuck = only_stuck([recall(1, (A1, 5))], [volume])
    assert stuck == Stuck(1, operator, volume.barcode, reason)


def test_a_recall_without_any_copy_says_so() -> None:
    assert only_stuck([recall(1)], []) == Stuck(1, False, None, "no readable copy of it is known")


def test_an_unknown_volume_is_named() -> None:
    stuck = only_stuck([recall(1, (A1, 5))], [])
    assert (stuck.needs_operator, stuck.reason) == (False, "needs A00001L8, which the catalog does not know")


def test_the_volume_a_person_brings_most_easily_is_named() -> None:
    lost, shelf = tape(A1, VolumeState.LOST), tape(A2, place=Place.SHELF)
    missing = tape(B1, place=Place.MISSING)
    assert only_stuck([recall(1, (A1, 5), (B1, 5), (A2, 5))], [lost, shelf, missing]).barcode == A2
    assert only_stuck([recall(1, (A1, 5), (B1, 5))], [lost, missing]).barcode == B1


def test_one_copy_in_reach_is_enough() -> None:
    result = schedule([recall(1, (A1, 5), (A2, 5))], [], [tape(A1, place=Place.SHELF), tape(A2)], [at_work(0, B1)])
    assert not result.stuck
    assert 1 in result.etas


def test_a_verification_on_a_shelf_needs_the_volume_itself() -> None:
    assert only_stuck([verify(1, (A1, 5))], [tape(A1, place=Place.SHELF)]).needs_operator


def test_a_volume_to_be_labelled_must_be_blank() -> None:
    label = reading(JobKind.LABEL, 1, (A1, 0))
    assert only_stuck([label], [tape(A1, VolumeState.FULL)]).reason == "needs A00001L8, which is full"
    assert (
        only_stuck([label], [tape(A1, VolumeState.WRITE_PROTECTED)]).reason
        == "needs A00001L8, which is write protected"
    )
    old = only_stuck([label], [tape(A1, VolumeState.BLANK, generation="LTO-5")])
    assert old.reason == "needs A00001L8, and no drive of library tape in service can write LTO-5"


def test_a_pool_without_room_says_how_much_and_what_to_do() -> None:
    stuck = only_stuck([migrate(1, size_bytes=3_200_000_000)], [tape(A1, free_bytes=GB)])
    assert stuck == Stuck(
        1,
        True,
        None,
        "pool tape_a has no writable volume with 3.2 GB free: put a blank one (A*) into library tape",
    )
    by_hand = only_stuck([migrate(1, "tape_b")], [])
    assert by_hand.reason.endswith("put a blank one (B*) into library tape and label it")


def test_a_volume_on_the_shelf_with_room_is_named() -> None:
    stuck = only_stuck([migrate(1)], [tape(A2, place=Place.SHELF, location="shelf 3")])
    assert (stuck.needs_operator, stuck.barcode) == (True, A2)
    assert stuck.reason.endswith(
        "bring A00002L8 (filling), which is on the shelf (shelf 3), and put it into a mail slot of library tape"
    )
    assert only_stuck([migrate(1)], [tape(A2, place=Place.SHELF, free_bytes=1)]).barcode is None
    assert only_stuck([migrate(1)], [tape(A2, VolumeState.FULL, place=Place.SHELF)]).barcode is None
    assert only_stuck([migrate(1)], [tape(B1, place=Place.SHELF)]).barcode is None
    assert only_stuck([migrate(1, not_on=frozenset({A2}))], [tape(A2, place=Place.SHELF)]).barcode is None


def test_a_shelf_is_nearer_than_a_vault_and_a_begun_tape_goes_before_a_blank_one() -> None:
    vault = tape(A1, place=Place.VAULT, location="bank")
    blank = tape(A2, VolumeState.BLANK, place=Place.SHELF)
    begun = tape("A00003L8", place=Place.SHELF)
    assert only_stuck([migrate(1)], [vault, blank]).barcode == A2
    assert only_stuck([migrate(1)], [vault, blank, begun]).barcode == "A00003L8"
    assert "(filling), which is in the vault (bank), and" in only_stuck([migrate(1)], [vault]).reason
    recalled = only_stuck([recall(1, (A1, 5), (A2, 5))], [vault, tape(A2, place=Place.SHELF)])
    assert recalled.barcode == A2


def test_nobody_is_asked_for_a_disc_before_there_is_enough_to_burn() -> None:
    shelf = disc(place=Place.SHELF, location="drawer")
    early = only_stuck([migrate(1, "disc")], [shelf])
    assert (early.needs_operator, early.barcode) == (False, "D00001")
    assert "D00001 (blank), which is on the shelf (drawer)" in early.reason
    assert only_stuck([migrate(1, "disc", created_at=ago(hours=2))], [shelf]).needs_operator
    many = schedule([migrate(n, "disc", size_bytes=4 * GB) for n in range(1, 8)], [recorder()], [shelf])
    assert all(stuck.needs_operator for stuck in many.stuck)
    assert not only_stuck([migrate(1, "disc")], []).needs_operator
    assert only_stuck([migrate(1, "disc", size_bytes=5 * GB)], []).needs_operator


BY_HAND = frozenset({"disc"})


def test_a_drive_without_a_robot_serves_only_what_a_person_put_into_it() -> None:
    here = disc(state=VolumeState.FULL, mounted_in="R0")
    held = schedule([recall(1, ("D00001", 1))], [recorder(0, "D00001"), recorder(1)], [here], by_hand=BY_HAND)
    assert [(a.drive.index, a.barcode) for a in held.assignments] == [(0, "D00001")]
    # Another drive would be better for a verification, but nobody carries the disc over.
    again = verify(1, ("D00001", 1), avoid_drive="R0")
    assert schedule([again], [recorder(0, "D00001"), recorder(1)], [here], by_hand=BY_HAND).assignments
    away = disc(state=VolumeState.FULL, place=Place.SHELF, location="shelf 3")
    (stuck,) = schedule([recall(1, ("D00001", 1))], [recorder(0)], [away], by_hand=BY_HAND).stuck
    assert stuck == Stuck(
        1,
        True,
        Barcode("D00001"),
        "needs D00001, which is on the shelf (shelf 3): bring it and put it into a drive of library disc",
    )


def test_the_next_blank_for_a_drive_without_a_robot_is_named_or_asked_to_be_named() -> None:
    work = migrate(1, "disc", created_at=ago(hours=2))
    blanks = [disc("D00002", place=Place.SHELF), disc("D00001", place=Place.SHELF)]
    (stuck,) = schedule([work], [recorder(0)], blanks, by_hand=BY_HAND).stuck
    assert (stuck.needs_operator, stuck.barcode) == (True, "D00001")
    (stuck,) = schedule([work], [recorder(0)], [], by_hand=BY_HAND).stuck
    assert (stuck.needs_operator, stuck.barcode) == (True, None)
    assert stuck.reason.endswith(
        "name a new blank one (D*) with `firn volumes add BARCODE --pool disc`, and put it into a drive of library disc"
    )
    mounted = disc("D00001", mounted_in="R0")
    result = schedule([work], [recorder(0, "D00001")], [mounted, blanks[0]], by_hand=BY_HAND)
    assert [a.barcode for a in result.assignments] == ["D00001"]


def test_a_pack_larger_than_any_volume_says_so() -> None:
    tapes = only_stuck([migrate(1, size_bytes=13 * TB)], [tape(A1)])
    assert tapes.reason == "13.0 TB do not fit on any tape of pool tape_a (at most 12.0 TB)"
    discs = only_stuck([migrate(1, "disc", 24 * GB, created_at=ago(hours=2))], [disc()])
    assert discs.reason == "24.0 GB do not fit on any disc of pool disc (at most 23.0 GB)"


def test_an_unknown_pool_and_a_library_without_drives_say_so() -> None:
    assert only_stuck([migrate(1, "nowhere")], []).reason == "there is no pool 'nowhere': look at the configuration"
    result = schedule([migrate(1)], [recorder()], [tape(A1)])
    assert result.stuck[0].reason == "no drive of library tape for pool tape_a is in service"


def test_small_sizes_are_told_in_small_units() -> None:
    assert "5.0 MB free" in only_stuck([migrate(1, size_bytes=5_000_000)], []).reason
    assert "500 bytes free" in only_stuck([migrate(1, size_bytes=500)], []).reason
    assert "5.0 KB free" in only_stuck([migrate(1, size_bytes=5_000)], []).reason


def test_a_release_is_refused() -> None:
    with pytest.raises(ValueError, match="job 7 is a release and needs no drive"):
        schedule([reading(JobKind.RELEASE, 7)], [drive()], [])
