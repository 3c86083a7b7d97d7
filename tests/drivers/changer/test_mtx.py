"""The robot driver against recorded answers: what is asked, what is made of what comes back.

The real mtx and a real kernel's changer keep the contract in tests/devices.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import ElementKind, Inventory
from drivers.changer import Limits, MtxChanger
from drivers.changer.failures import RobotAttention, error_of
from drivers.errors import (
    Blame,
    ChangerError,
    ChangerGone,
    CommandFailed,
    DeviceGone,
    DriverError,
    LibraryBusy,
    NoSuchElement,
    Retry,
    RobotBusy,
    SourceEmpty,
    TargetFull,
)
from tests.drivers.changer.recordings import Player, Recording, recording, recordings
from tests.support.library import virtual_clock

STATUS = recording("tgt/status")
ONE_LOADED = recording("tgt/status-loaded")
TWO_LOADED = recording("tgt/status-after-retry")  # VOL002L6 in drive 0
LOAD_1 = recording("tgt/load-1-0")
UNLOAD_1 = recording("tgt/unload-1-0")
BROKEN_LOAD = recording("tgt/load-hardware-error")  # of slot 2
LIMITS = Limits(answer_s=20, move_s=20, busy_s=4, settle_s=4, poll_s=2)

Robot = Callable[..., tuple[MtxChanger, Player]]


def sense(key: str, code: str, qualifier: str, sentence: str = "READ ELEMENT STATUS Command Failed") -> Recording:
    """An answer with other sense data than the recorded one."""
    dump = recording("full/unload-not-ready")
    text = dump.stderr.replace("Not Ready", key).replace("Code = 04", f"Code = {code}")
    text = text.replace("Qualifier = 03", f"Qualifier = {qualifier}")
    return Recording("status", 1, "", text.replace("MOVE MEDIUM from Element Address 256 to 1003 Failed", sentence))


ATTENTION = sense("Unit Attention", "29", "00")
MOVE_ATTENTION = sense("Unit Attention", "28", "01", "MOVE MEDIUM from Element Address 1001 to 256 Failed")
BECOMING_READY = sense("Not Ready", "04", "01")


@pytest.fixture
def robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Robot:
    def make(*answers: Recording) -> tuple[MtxChanger, Player]:
        player = Player(tmp_path / "bin", answers)
        monkeypatch.setenv("PATH", f"{player.path.parent}:/usr/bin:/bin")
        return MtxChanger("lib", Path("/dev/sg3"), ("10WT000001", None), virtual_clock(), LIMITS), player

    return make


def where(inventory: Inventory, barcode: str) -> tuple[ElementKind, int] | None:
    found = [(e.kind, e.index) for e in inventory.elements if e.full and e.barcode == barcode]
    return found[0] if found else None


def test_the_inventory_says_what_mtx_says_and_which_drive_is_which(robot: Robot) -> None:
    changer, player = robot(ONE_LOADED)
    inventory = changer.inventory()
    assert player.asked == ["status"]
    assert (inventory.library, changer.name, changer.by_hand) == ("lib", "lib", False)
    assert where(inventory, "VOL001L6") == (ElementKind.DRIVE, 0)
    assert [drive.drive_serial for drive in inventory.drives()] == ["10WT000001", None]


MOVES: dict[str, tuple[Callable[[MtxChanger], None], Sequence[Recording], str]] = {
    "load": (lambda c: c.load(1, 0), [STATUS, LOAD_1, ONE_LOADED], "load 1 0"),
    "unload": (lambda c: c.unload(0, 1), [ONE_LOADED, UNLOAD_1, STATUS], "unload 1 0"),
    "transfer": (
        lambda c: c.transfer(3, 11),
        [recording("tgt/status-2-in-9"), recording("tgt/transfer-3-11"), recording("tgt/status-export")],
        "transfer 3 11",
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_planned_ordered_and_looked_at(robot: Robot, name: str) -> None:
    move, answers, arguments = MOVES[name]
    assert answers[1].arguments == arguments, "what is asked is what was recorded"
    changer, player = robot(*answers)
    move(changer)
    assert player.asked == ["status", arguments, "status"]


def test_a_robot_that_shows_the_move_late_is_waited_for(robot: Robot) -> None:
    changer, player = robot(STATUS, LOAD_1, STATUS, STATUS, ONE_LOADED)
    changer.load(1, 0)
    assert player.asked == ["status", "load 1 0", "status", "status", "status"]


def test_a_move_that_says_done_and_did_not_happen_is_an_error(robot: Robot) -> None:
    changer, player = robot(STATUS, LOAD_1, STATUS, STATUS, STATUS)
    with pytest.raises(ChangerError, match=r"says it moved VOL001L6 from slot 1 to drive 0, but .* in slot 1; look"):
        changer.load(1, 0)
    assert len(player.asked) == 5


def test_what_mtx_complained_about_while_it_ended_well_is_told(robot: Robot) -> None:
    eject = recording("tgt/eject")
    assert eject.status == 0
    changer, _ = robot(ONE_LOADED, replace(UNLOAD_1, stderr=eject.stderr), ONE_LOADED, ONE_LOADED, ONE_LOADED)
    with pytest.raises(ChangerError, match=r"\(mtx: mtx:eject failed\), but the robot sees it in drive 0"):
        changer.unload(0, 1)


def test_a_volume_that_went_to_another_place_is_found(robot: Robot) -> None:
    moved = recording("tgt/status-2-in-9")
    changer, _ = robot(STATUS, replace(LOAD_1, arguments="load 2 0"), moved, moved, moved)
    with pytest.raises(ChangerError, match="the robot sees it in slot 9"):
        changer.load(2, 0)


def test_a_volume_that_is_nowhere_is_looked_for_in_the_gripper(robot: Robot) -> None:
    nowhere = replace(STATUS, stdout=STATUS.stdout.replace("2:Full :VolumeTag=VOL002L6", "2:Empty:VolumeTag=       "))
    changer, _ = robot(STATUS, BROKEN_LOAD, nowhere)
    with pytest.raises(ChangerError, match=r"15h/01h.*nowhere: look for it in the gripper"):
        changer.load(2, 0)


def test_another_volume_in_the_place_is_no_success(robot: Robot) -> None:
    other = replace(ONE_LOADED, stdout=ONE_LOADED.stdout.replace("VolumeTag = VOL001L6", "VolumeTag = OTHER1L6"))
    changer, _ = robot(STATUS, LOAD_1, other, other, other)
    with pytest.raises(ChangerError, match="nowhere"):
        changer.load(1, 0)


def test_a_label_that_cannot_be_read_in_the_drive_is_no_failure(robot: Robot) -> None:
    unread = replace(ONE_LOADED, stdout=ONE_LOADED.stdout.replace(":VolumeTag = VOL001L6", ":VolumeTag =         "))
    changer, _ = robot(STATUS, LOAD_1, unread)
    changer.load(1, 0)


def test_a_library_that_lost_an_element_in_the_middle_is_an_error(robot: Robot) -> None:
    smaller = Recording("status", 0, "  Storage Changer /dev/sg3:0 Drives, 0 Slots ( 0 Import/Export )\n")
    changer, _ = robot(STATUS, LOAD_1, smaller, smaller, smaller)
    with pytest.raises(ChangerError, match="nowhere"):
        changer.load(1, 0)


def test_a_move_that_failed_and_changed_nothing_says_why(robot: Robot) -> None:
    changer, player = robot(STATUS, BROKEN_LOAD, STATUS)
    with pytest.raises(
        ChangerError, match=r"move of VOL002L6 from slot 2 to drive 0 .*position itself.*15h/01h"
    ) as caught:
        changer.load(2, 0)
    assert "nowhere" not in str(caught.value)
    assert player.asked == ["status", "load 2 0", "status"]


def test_a_move_that_failed_and_happened_says_so(robot: Robot) -> None:
    changer, _ = robot(STATUS, BROKEN_LOAD, TWO_LOADED)
    with pytest.raises(ChangerError, match="drive 0 holds the volume: it was moved"):
        changer.load(2, 0)


def test_after_a_failure_a_silent_robot_leaves_the_place_open(robot: Robot) -> None:
    changer, _ = robot(STATUS, BROKEN_LOAD, recording("tgt/status-target-dead"))
    with pytest.raises(ChangerError, match=r"position itself.*could not be asked.*No such device"):
        changer.load(2, 0)


def test_a_robot_that_was_reset_is_asked_again(robot: Robot) -> None:
    changer, player = robot(ATTENTION, ATTENTION, STATUS)
    changer.inventory()
    assert player.asked == ["status"] * 3
    assert of(ATTENTION).retry is Retry.NOW


def test_a_robot_that_is_never_done_reporting_is_an_error(robot: Robot) -> None:
    changer, player = robot(*(ATTENTION,) * 5)
    with pytest.raises(RobotAttention, match="29h/00h"):
        changer.inventory()
    assert len(player.asked) == 5


def test_a_move_the_robot_had_something_to_say_before_is_planned_anew(robot: Robot) -> None:
    changer, player = robot(STATUS, MOVE_ATTENTION, STATUS, STATUS, LOAD_1, ONE_LOADED)
    changer.load(1, 0)
    assert player.asked == ["status", "load 1 0", "status", "status", "load 1 0", "status"]


def test_a_move_interrupted_twice_is_given_up(robot: Robot) -> None:
    changer, _ = robot(STATUS, MOVE_ATTENTION, STATUS, STATUS, MOVE_ATTENTION, STATUS)
    with pytest.raises(RobotAttention):
        changer.load(1, 0)


def test_a_person_who_took_the_volume_in_the_meantime_is_noticed(robot: Robot) -> None:
    gone = replace(STATUS, stdout=STATUS.stdout.replace("1:Full :VolumeTag=VOL001L6", "1:Empty:VolumeTag=       "))
    changer, player = robot(STATUS, MOVE_ATTENTION, STATUS, gone)
    with pytest.raises(SourceEmpty):
        changer.load(1, 0)
    assert player.asked.count("load 1 0") == 1


def test_a_busy_robot_is_waited_for_and_then_left_for_later(robot: Robot) -> None:
    changer, player = robot(BECOMING_READY, BECOMING_READY, STATUS)
    changer.inventory()
    assert len(player.asked) == 3


def test_a_robot_that_stays_busy_is_asked_again_later(robot: Robot) -> None:
    changer, player = robot(*(BECOMING_READY,) * 3)
    with pytest.raises(RobotBusy, match="04h/01h") as caught:
        changer.inventory()
    assert len(player.asked) == 3
    assert (caught.value.retry, caught.value.blame) == (Retry.LATER, Blame.LIBRARY)


def test_an_answer_that_is_not_understood_is_shown(robot: Robot) -> None:
    changer, _ = robot(recording("tgt/inventory"))
    with pytest.raises(ChangerError, match="compare it with `mtx -f /dev/sg3 status`"):
        changer.inventory()


REFUSED: tuple[tuple[Callable[[MtxChanger], None], type[DriverError], str], ...] = (
    (lambda c: c.load(9, 0), SourceEmpty, "slot 9 of library lib is empty"),
    (lambda c: c.unload(1, 9), SourceEmpty, "drive 1"),
    (lambda c: c.load(2, 0), TargetFull, "drive 0 of library lib is occupied by VOL001L6"),
    (lambda c: c.unload(0, 2), TargetFull, "slot 2 .* VOL002L6"),
    (lambda c: c.transfer(2, 3), TargetFull, "slot 3"),
    (lambda c: c.load(2, 7), NoSuchElement, "no drive 7"),
    (lambda c: c.load(99, 1), NoSuchElement, "no slot 99"),
    (lambda c: c.transfer(1, 0), NoSuchElement, "no slot 0"),
    (lambda c: c.unload(-1, 3), NoSuchElement, "no drive -1"),
)


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_move_that_cannot_be_is_not_ordered(robot: Robot, number: int) -> None:
    move, kind, message = REFUSED[number]
    changer, player = robot(ONE_LOADED)
    with pytest.raises(kind, match=message):
        move(changer)
    assert player.asked == ["status"]


# What mtx said when it failed, and what that is. The last column is a part of the advice.
FAILURES: dict[str, tuple[type[DriverError], str]] = {
    "tgt/load-from-empty-slot": (SourceEmpty, "1009 is Empty"),
    "tgt/load-from-loaded-slot": (SourceEmpty, "1001 is Empty"),
    "tgt/load-into-full-drive": (TargetFull, "Drive 0 Full"),
    "tgt/load-default-drive": (TargetFull, "Storage Element 1 loaded"),
    "tgt/load-bad-drive": (NoSuchElement, "'7'"),
    "tgt/load-bad-slot": (NoSuchElement, "'99'"),
    "tgt/load-hardware-error": (ChangerError, "position itself"),
    "tgt/last": (SourceEmpty, "1010 is Empty"),
    "tgt/transfer-from-empty": (SourceEmpty, "302 is Empty"),
    "tgt/transfer-to-full": (TargetFull, "1005 is Already Full"),
    "tgt/unload-8": (SourceEmpty, "Data Transfer Element 0"),
    "tgt/unload-default": (SourceEmpty, "Data Transfer Element 0"),
    "tgt/unload-empty-drive": (SourceEmpty, "Data Transfer Element 0"),
    "tgt/unload-to-full-slot": (TargetFull, "Storage Element 3 is Already Full"),
    "tgt/unload-locked": (ChangerError, "some program uses it or has locked it"),
    "tgt/exchange": (ChangerError, "lacks the command"),
    "tgt/not-a-changer": (ChangerError, "is no robot"),
    "tgt/no-such-device": (ChangerGone, "power and cables"),
    "tgt/status-target-dead": (ChangerGone, "power and cables"),
    "tgt/altres": (ChangerError, "illegal Element Type Code 0"),
    "tgt/position": (ChangerError, "Could not position transport"),
    "full/load-empty-slot": (SourceEmpty, "1009 is Empty"),
    "full/load-full-drive": (TargetFull, "Drive 0 Full"),
    "full/unload-empty": (SourceEmpty, "Data Transfer Element 0"),
    "full/unload-hardware-error": (ChangerError, "15h/01h"),
    "full/unload-load-eject-failed": (ChangerError, "look at the drive"),
    "full/unload-locked": (ChangerError, "locked it"),
    "full/unload-not-ready": (ChangerError, "close its door"),
}


def of(answer: Recording) -> DriverError:
    return error_of("lib", CommandFailed("", (), answer.status, answer.stdout, answer.stderr))


def test_every_recorded_failure_is_known() -> None:
    failures = {name for name in recordings() if recording(name).status and not name.endswith("unload-while-open")}
    assert failures == set(FAILURES)


@pytest.mark.parametrize("name", FAILURES)
def test_a_recorded_failure_is_told_apart_and_says_what_to_do(name: str) -> None:
    kind, part = FAILURES[name]
    error = of(recording(name))
    assert type(error) is kind
    assert part in str(error)


@pytest.mark.parametrize(
    ("answer", "kind", "part"),
    [
        (sense("Illegal Request", "21", "01"), NoSuchElement, "21h/01h"),
        (sense("Illegal Request", "3B", "0D"), TargetFull, "occupied"),
        (sense("Illegal Request", "3B", "0E"), SourceEmpty, "empty"),
        (sense("Not Ready", "3B", "12"), ChangerError, "put it back"),
        (sense("Not Ready", "04", "12"), ChangerError, "set it online"),
        (sense("Not Ready", "04", "02"), ChangerError, "not ready"),
        (sense("Hardware Error", "15", "00"), ChangerError, "position itself"),
        (sense("Hardware Error", "53", "01"), ChangerError, "look at the drive"),
        (sense("Hardware Error", "44", "00"), ChangerError, "Hardware Error, 44h/00h"),
        (sense("Aborted Command", "4E", "00", "MOVE MEDIUM Failed"), ChangerError, "MOVE MEDIUM Failed"),
        (
            Recording("status", 1, "", "cannot open SCSI device '/dev/sg3' - Permission denied\n"),
            ChangerError,
            "group tape",
        ),
        (
            Recording("status", 1, "", "cannot open SCSI device '/dev/sg3' - Device or resource busy\n"),
            LibraryBusy,
            "end",
        ),
        (Recording("status", 1, "", "/dev/null is not an sg device, or old sg driver\n"), ChangerError, "lsscsi"),
        (Recording("status", -9, "", ""), ChangerError, "said nothing"),
        (
            Recording("status", 1, "", "mtx: Request Sense: Sense Key=Not Ready\nINQUIRY Command Failed"),
            ChangerError,
            "INQUIRY",
        ),
    ],
)
def test_other_failures_are_told_apart_by_their_sense_data(
    answer: Recording, kind: type[DriverError], part: str
) -> None:
    error = of(answer)
    assert type(error) is kind
    assert part in str(error)


def test_a_robot_that_is_gone_is_the_librarys_fault() -> None:
    error = of(recording("tgt/status-target-dead"))
    assert isinstance(error, DeviceGone)
    assert (error.blame, error.retry) == (Blame.LIBRARY, Retry.LATER)


def test_a_tool_that_is_missing_or_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    changer = MtxChanger("lib", Path("/dev/sg3"), (), virtual_clock(), replace(LIMITS, answer_s=0.2))
    with pytest.raises(ChangerError, match="Debian: the package mtx"):
        changer.inventory()
    (tmp_path / "mtx").write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    (tmp_path / "mtx").chmod(0o755)
    with pytest.raises(ChangerError, match="did not end within"):
        changer.inventory()
