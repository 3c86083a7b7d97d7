"""Opening real libraries: which device is which, and what a person is told when that cannot be known."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers import crew, hardware, kinds
from drivers.attached import AttachedDevice, AttachedKind
from drivers.base import ElementKind
from drivers.clock import Clock
from drivers.errors import CommandFailed, LibraryBusy
from drivers.hardware import ManualKind, ScsiKind, open_drives, open_robot
from drivers.kinds import LibraryMissing
from drivers.optical import RecorderOptions
from drivers.options import settled
from drivers.ownership import Ownership
from drivers.tape import TapeOptions
from tests.drivers.changer.recordings import Player, dumped, recording
from tests.support.library import virtual_clock


def device(kind: AttachedKind, serial: str, folder: Path, name: str) -> AttachedDevice:
    """A device whose nodes are plain files: nothing here opens them."""
    sg, node = folder / f"sg-{name}", folder / name
    for path in (sg, node):
        path.write_text("")
    link = folder / f"by-id-{serial}"
    link.symlink_to(sg if kind is AttachedKind.CHANGER else node)
    product = "SIM-LTO8" if kind is AttachedKind.TAPE else f"SIM-{name}"
    return AttachedDevice(kind, serial, "FIRN", product, "1", sg, node, link)


@pytest.fixture
def seen(tmp_path: Path) -> list[AttachedDevice]:
    """A robot, two tape drives and a recorder. The serial numbers are of this test alone."""
    folder = tmp_path / "dev"
    folder.mkdir()
    return [
        device(AttachedKind.CHANGER, f"ROBOT-{tmp_path.name}", folder, "sch0"),
        device(AttachedKind.TAPE, "10WT000001", folder, "nst0"),
        device(AttachedKind.TAPE, "10WT000002", folder, "nst1"),
        device(AttachedKind.RECORDER, "DISC1", folder, "sr0"),
    ]


def options(**given: Any) -> dict[str, Any]:
    return settled(ScsiKind.options, given)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let sg_raw answer with the bytes of a recording, or fail."""

    def say(data: bytes | None) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "answer").write_bytes(data or b"")
        tool = folder / "sg_raw"
        # sg_raw -r SIZE -o FILE DEVICE CDB...
        tool.write_text(f'#!/bin/sh\n[ -s "{folder}/answer" ] || exit 5\ncp "{folder}/answer" "$4"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return say


def answer(*drives: str) -> bytes:
    """An answer of READ ELEMENT STATUS that names drives so."""
    descriptors = b"".join(
        (256 + n).to_bytes(2, "big") + bytes(10) + bytes([2, 1, 0, 34]) + text.encode().ljust(34)
        for n, text in enumerate(drives)
    )
    page = bytes([4, 0, 0, 50, 0]) + len(descriptors).to_bytes(3, "big") + descriptors
    return bytes(5) + len(page).to_bytes(3, "big") + page


def test_the_kinds_are_found_by_name() -> None:
    assert isinstance(kinds.find("scsi"), ScsiKind)
    assert isinstance(kinds.find("manual"), ManualKind)


def test_drives_are_given_to_the_elements_that_were_written_down(
    tmp_path: Path, seen: list[AttachedDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["10WT000002", "DISC1", "10WT000001"]
    link = seen[0].stable
    assert link is not None
    opened = open_robot("lib", link, options(drives=wanted), virtual_clock(), lambda: seen)
    assert {n: drive.serial for n, drive in opened.tape_drives.items()} == {0: "10WT000002", 2: "10WT000001"}
    assert {n: recorder.serial for n, recorder in opened.recorders.items()} == {1: "DISC1"}
    assert opened.tape_drives[0].name == "lib/drive0"
    player = Player(tmp_path / "mtx", [recording("tgt/status")])
    monkeypatch.setenv("PATH", f"{player.path.parent}:/usr/bin:/bin")
    inventory = opened.changer.inventory()
    assert [d.drive_serial for d in inventory.elements if d.kind is ElementKind.DRIVE] == wanted[:2]
    opened.close()


def test_a_robot_that_names_its_drives_needs_no_words(seen: list[AttachedDevice], says: Any) -> None:
    says(answer("FIRN    SIM-LTO8        10WT000002", "10WT000001", "HP      Ultrium         ELSEWHERE"))
    opened = open_robot("lib", seen[0].sg, options(), virtual_clock(), lambda: seen)
    opened.close()
    assert {n: drive.serial for n, drive in opened.tape_drives.items()} == {0: "10WT000002", 1: "10WT000001"}
    assert opened.recorders == {}


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (dumped(recording("tgt/sg_read_element_status-dvcid").stderr), "drive 1: nothing"),
        (answer("", ""), "drive 0: nothing; drive 1: nothing"),
        (answer("ELSEWHERE"), "drive 0: ELSEWHERE"),
        (answer(), "no drive at all"),
        (None, "ended with status 5"),
    ],
)
def test_a_robot_that_does_not_say_leaves_it_to_a_person(
    seen: list[AttachedDevice], says: Any, data: bytes | None, part: str
) -> None:
    says(data)
    with pytest.raises(LibraryMissing) as caught:
        open_robot("lib", seen[0].sg, options(), virtual_clock(), lambda: seen)
    message = str(caught.value)
    assert part in message
    assert 'options = {drives = ["...", "..."]}' in message
    assert "seen here: 10WT000001, 10WT000002, DISC1" in message


def test_a_path_that_is_no_robot_is_answered_with_the_robots_there_are(
    tmp_path: Path, seen: list[AttachedDevice]
) -> None:
    with pytest.raises(LibraryMissing, match=r"is no robot; robots seen: .*by-id-ROBOT-.* \(FIRN SIM-sch0 ROBOT-"):
        open_robot("lib", seen[1].sg, options(drives=["10WT000001"]), virtual_clock(), lambda: seen)
    with pytest.raises(LibraryMissing, match=r"is not there; robots seen: none"):
        open_robot("lib", tmp_path / "sg77", options(), virtual_clock(), lambda: seen[1:])


def test_a_drive_that_is_not_there_is_left_out(seen: list[AttachedDevice]) -> None:
    opened = open_robot("lib", seen[0].sg, options(drives=["GONE", "10WT000001"]), virtual_clock(), lambda: seen)
    opened.close()
    assert list(opened.tape_drives) == [1]
    with pytest.raises(LibraryMissing, match=r"none of its drives is attached \(wanted: GONE; seen here: 10WT000001"):
        open_robot("lib", seen[0].sg, options(drives=["GONE"]), virtual_clock(), lambda: seen)


def test_a_drive_that_is_attached_later_joins_with_an_inventory(
    tmp_path: Path, seen: list[AttachedDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = seen[:2]
    opened = open_robot(
        "lib", seen[0].sg, options(drives=["10WT000001", "10WT000002", "DISC1"]), virtual_clock(), lambda: there
    )
    asked = dict(opened.tape_drives)
    player = Player(tmp_path / "mtx", [recording("tgt/status")] * 3)
    monkeypatch.setenv("PATH", f"{player.path.parent}:/usr/bin:/bin")
    opened.changer.inventory()
    assert dict(opened.tape_drives) == asked, "nothing came"
    there = [*seen[:2], replace(seen[2], product="BOX"), replace(seen[3], node=None)]
    opened.changer.inventory()
    assert dict(opened.tape_drives) == asked, "one of unknown kind, one that is not ready"
    assert opened.recorders == {}
    there = seen
    opened.changer.inventory()
    assert {n: drive.serial for n, drive in opened.tape_drives.items()} == {0: "10WT000001", 1: "10WT000002"}
    assert opened.recorders[2].serial == "DISC1"
    with pytest.raises(LibraryBusy, match="DISC1"):
        open_drives("desk", settled(ManualKind.options, {"drives": ["DISC1"]}), virtual_clock(), lambda: seen)
    opened.close()


def test_a_drive_fed_by_hand_joins_the_others(seen: list[AttachedDevice]) -> None:
    there = seen[:1]
    wanted = settled(ManualKind.options, {"drives": ["DISC1", "10WT000002"]})
    opened = open_drives("desk", wanted, virtual_clock(), lambda: there)
    with Ownership(["10WT000002"]) as other:
        there = seen
        opened.crew.join(lambda: there)
        assert (list(opened.recorders), list(opened.tape_drives)) == ([0], []), "the other one is somebody else's"
        other.close()
        opened.crew.join(lambda: there)
    assert opened.tape_drives[1].serial == "10WT000002"
    opened.close()


def test_a_library_has_one_owner(seen: list[AttachedDevice]) -> None:
    wanted = options(drives=["10WT000001"])
    opened = open_robot("lib", seen[0].sg, wanted, virtual_clock(), lambda: seen)
    with pytest.raises(LibraryBusy, match="belongs to another process"):
        open_robot("lib", seen[0].sg, wanted, virtual_clock(), lambda: seen)
    with pytest.raises(LibraryBusy, match="10WT000001"):
        open_drives(
            "desk", settled(ManualKind.options, {"drives": ["DISC1", "10WT000001"]}), virtual_clock(), lambda: seen
        )
    opened.close()
    open_drives("desk", settled(ManualKind.options, {"drives": ["DISC1"]}), virtual_clock(), lambda: seen).close()
    open_robot("lib", seen[0].sg, wanted, virtual_clock(), lambda: seen).close()


def test_a_drive_of_unknown_generation_is_a_question_to_a_person(seen: list[AttachedDevice]) -> None:
    unknown = [replace(device, product="BOX") for device in seen]
    for _ in range(2):  # what was taken for the first try is free again
        with pytest.raises(LibraryMissing, match=r"'BOX'.*options = \{tape_model = \"LTO-8\"\}"):
            open_robot("lib", seen[0].sg, options(drives=["10WT000001"]), virtual_clock(), lambda: unknown)
        with pytest.raises(LibraryMissing, match="tape_model"):
            open_drives(
                "desk", settled(ManualKind.options, {"drives": ["10WT000001"]}), virtual_clock(), lambda: unknown
            )


def test_a_name_that_cannot_be_bound_is_no_other_owner() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Ownership(["\udc80"])


def test_drives_without_a_robot_are_a_library_fed_by_hand(seen: list[AttachedDevice]) -> None:
    opened = open_drives(
        "desk", settled(ManualKind.options, {"drives": ["DISC1", "10WT000002"]}), virtual_clock(), lambda: seen
    )
    opened.close()
    assert opened.changer.by_hand
    assert (opened.recorders[0].serial, opened.tape_drives[1].serial) == ("DISC1", "10WT000002")


def test_options_reach_the_drives(seen: list[AttachedDevice], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    class Noted:
        """A drive that only tells what it was made with."""

        def __init__(self, name: str, device: AttachedDevice, clock: Clock, settings: object) -> None:
            given.append(settings)

        def close(self) -> None:
            given.append("closed")

    for name in ("StTapeDrive", "XorrisoRecorder"):
        monkeypatch.setattr(crew, name, Noted)
    wanted = options(
        drives=["10WT000001", "DISC1"],
        compression=True,
        key_dir="/keys",
        key_name="k",
        burn_speed=4,
        tape_model="LTO-8",
    )
    open_robot("lib", seen[0].sg, wanted, virtual_clock(), lambda: seen).close()
    tape, disc, closed = given
    assert (tape.compression, tape.key_dir, tape.key_name, tape.model) == (True, Path("/keys"), "k", "LTO-8")
    assert (disc.speed, disc.simulate, disc.lock_tray) == (4, False, True)
    assert closed == "closed"


def test_the_defaults_of_the_options_are_those_of_the_drivers() -> None:
    defaults = options()
    tape, disc = TapeOptions(), RecorderOptions()
    assert (defaults["load_settle_s"], defaults["cleaning_limit_s"]) == (tape.settle_s, tape.cleaning_limit_s)
    assert (defaults["compression"], defaults["key_algorithm"]) == (tape.compression, tape.key_algorithm)
    assert (defaults["burn_speed"], defaults["burn_rehearsal"], defaults["lock_tray"]) == (
        disc.speed,
        disc.simulate,
        disc.lock_tray,
    )
    assert (defaults["rewritable_discs"], defaults["stream_recording"]) == (disc.rewritable, disc.stream_recording)
    assert defaults["disc_bytes_at_most"] == disc.use_at_most_bytes


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        (ScsiKind(), {"key_name": "k"}, {"key_name"}),
        (ScsiKind(), {"drives": ["A", "A"], "burn_speed": 0}, {"drives", "burn_speed"}),
        (ScsiKind(), {"drives": 3}, {"drives"}),
        (ScsiKind(), {}, set()),
        (ManualKind(), {}, {"drives"}),
        (ManualKind(), {"drives": ["A"], "move_limit_s": 60}, {"move_limit_s"}),
        (ManualKind(), {"drives": ["A"], "key_dir": "/keys", "key_name": "k"}, set()),
    ],
)
def test_options_that_contradict_each_other_are_named(
    kind: kinds.DriverKind, given: dict[str, Any], wrong: set[str]
) -> None:
    assert {fault.option for fault in kind.check(given)} == wrong


def test_without_hardware_the_kinds_say_what_is_missing(tmp_path: Path, seen: list[AttachedDevice]) -> None:
    with pytest.raises(LibraryMissing, match="robots seen: none"):
        ScsiKind().open("lib", tmp_path / "sg0", {}, virtual_clock())
    with pytest.raises(LibraryMissing, match="seen here: none"):
        open_robot("lib", seen[0].sg, options(drives=["A"]), virtual_clock(), lambda: seen[:1])


def test_drives_that_a_person_feeds_may_all_be_attached_later(tmp_path: Path) -> None:
    desk = ManualKind().open("desk", Path(), {"drives": [f"ABSENT-{tmp_path.name}"]}, virtual_clock())
    assert desk.changer.inventory().elements == ()
    assert (dict(desk.tape_drives), dict(desk.recorders)) == ({}, {})
    desk.close()


def test_a_missing_tool_is_no_answer(
    seen: list[AttachedDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("sg_raw") is None
    with pytest.raises(CommandFailed, match="sg_raw"):
        hardware.read_identifiers(seen[0].sg)
    with pytest.raises(LibraryMissing, match="install it"):
        open_robot("lib", seen[0].sg, options(), virtual_clock(), lambda: seen)
