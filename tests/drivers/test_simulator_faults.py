"""Every fault of the language does to the drive what README.md says it does."""

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from drivers.base import RECORD_BYTES, Barcode, TapeDrive
from drivers.clock import VirtualClock
from drivers.errors import (
    ChangerError,
    DeviceError,
    DriveNotReady,
    EndOfData,
    EndOfMedium,
    MediumError,
    UnitAttention,
)
from drivers.simulator import SimulatedLibrary
from drivers.simulator.faultlines import FaultsInvalid
from tests.drivers.contract.tape_contract import content, read_all, write
from tests.support.library import make_library, virtual_clock


@pytest.fixture
def clock() -> VirtualClock:
    return virtual_clock()


@pytest.fixture
def library(tmp_path: Path, clock: VirtualClock) -> Iterator[SimulatedLibrary]:
    with make_library(tmp_path, clock, tapes=("A00001L8", "A00002L8")) as library:
        yield library


@pytest.fixture
def drive(library: SimulatedLibrary) -> TapeDrive:
    return mount(library, 1, 0)


def mount(library: SimulatedLibrary, slot: int, index: int) -> TapeDrive:
    library.changer.load(slot, index)
    drive = library.tape_drives[index]
    drive.wait_ready(300)
    drive.rewind()
    return drive


def move(library: SimulatedLibrary, slot: int, source: int, target: int) -> TapeDrive:
    library.tape_drives[source].unload()
    library.changer.unload(source, slot)
    return mount(library, slot, target)


def test_a_write_fails_after_some_records(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("fail write on drive 0 after 3 records")
    with pytest.raises(DeviceError):
        write(drive, content(5))
    assert drive.tell() == 3
    assert write(drive, b"later ones succeed") == 3


def test_an_operation_fails_with_the_error_asked_for(library: SimulatedLibrary, drive: TapeDrive) -> None:
    for line, operation, error in (
        ("fail flush with end of medium", drive.flush, EndOfMedium),
        ("fail write with medium error after 1 calls", lambda: write(drive, b"x"), MediumError),
        ("fail rewind on drive test-T0", drive.rewind, DeviceError),
        ("fail tell", drive.tell, DeviceError),
        ("fail seek", lambda: drive.seek(0), DeviceError),  # type: ignore[arg-type]
        ("fail unload", drive.unload, DeviceError),
        ("fail read", lambda: next(drive.read()), DeviceError),
    ):
        library.faults.add(line)
        if "after 1 calls" in line:
            operation()
        with pytest.raises(error):
            operation()
    drive.rewind()
    assert read_all(drive) == b"x"


def test_a_fault_of_one_drive_spares_the_other(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, content(4))
    drive.flush()
    library.faults.add("unreadable blocks 1-2 on volume A00001L8 in drive test-T0")
    drive.rewind()
    records = drive.read()
    next(records)
    with pytest.raises(MediumError, match="block 1 "):
        next(records)
    with pytest.raises(MediumError):  # it stays unreadable
        drive.seek(2)  # type: ignore[arg-type]
        next(drive.read())
    drive.seek(3)  # type: ignore[arg-type]
    assert len(read_all(drive)) == RECORD_BYTES

    other = move(library, 1, 0, 1)
    assert read_all(other) == content(4)


def test_a_deferred_error_of_a_write_comes_with_the_flush(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, content(2, seed=1))
    drive.flush()
    library.faults.add("defer write error to flush on drive 0 after 1 records")
    lost = write(drive, content(3, seed=2))
    write(drive, b"also in doubt")
    with pytest.raises(DeviceError, match="earlier write"):
        drive.flush()

    drive.flush()  # the error is told once
    with pytest.raises(EndOfData):
        drive.seek(lost + 4)  # type: ignore[arg-type]
    drive.rewind()
    assert read_all(drive) == content(2, seed=1)


def test_a_deferred_error_comes_with_a_later_write(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("defer write error to write")
    write(drive, b"lost")
    with pytest.raises(DeviceError):
        write(drive, b"told")
    assert drive.tell() == 0


def test_a_deferred_error_that_waits_for_the_unload_is_not_hidden_by_a_flush(
    library: SimulatedLibrary, drive: TapeDrive
) -> None:
    library.faults.add("defer write error to unload 2 times")
    write(drive, b"lost")
    with pytest.raises(DeviceError):
        drive.flush()
    write(drive, b"lost too")
    with pytest.raises(DeviceError):
        drive.unload()
    drive.unload()
    library.changer.unload(0, 1)


def test_a_power_loss_drops_what_was_not_flushed(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, b"safe")
    drive.flush()
    write(drive, b"in the buffer")
    library.faults.add("lose power on drive 0 after 2 records")
    with pytest.raises(DeviceError):
        write(drive, content(5))
    with pytest.raises(UnitAttention):
        drive.tell()
    drive.rewind()
    assert read_all(drive) == b"safe"
    with pytest.raises(EndOfData):
        read_all(drive)


def test_a_flush_that_lies_is_found_out_by_a_power_loss(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("ignore flush")
    write(drive, b"believed safe")
    drive.flush()
    library.faults.add("lose power")
    with pytest.raises(DeviceError):
        write(drive, b"x")
    with pytest.raises(UnitAttention):
        drive.rewind()
    drive.rewind()
    with pytest.raises(EndOfData):
        read_all(drive)


def test_a_reset_is_told_once_and_leaves_the_head_at_the_beginning(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, b"first")
    library.faults.add("unit attention on drive 0")
    with pytest.raises(UnitAttention):
        write(drive, b"second")
    assert drive.tell() == 0


def test_a_reset_in_the_middle_of_a_write_is_told(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("unit attention after 2 records")
    with pytest.raises(UnitAttention):
        write(drive, content(4))
    assert drive.tell() == 0


def test_a_cartridge_swapped_by_hand_is_told_and_is_another_one(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, b"on the first")
    drive.flush()
    library.hands.swap(0, Barcode("A00002L8"))
    with pytest.raises(UnitAttention):
        write(drive, b"wrong volume")
    drive.rewind()
    with pytest.raises(EndOfData):
        read_all(drive)
    found = library.changer.inventory().find(Barcode("A00002L8"))
    assert found is not None and found.kind == "drive"


def test_a_drive_is_never_ready(library: SimulatedLibrary, clock: VirtualClock) -> None:
    library.faults.add("never ready on drive 1")
    library.changer.load(1, 1)
    before = clock.now()
    with pytest.raises(DriveNotReady):
        library.tape_drives[1].wait_ready(300)
    assert (clock.now() - before).total_seconds() == 300
    assert not library.tape_drives[1].status().ready


def test_a_hanging_drive_gives_up_after_its_limit(
    library: SimulatedLibrary, drive: TapeDrive, clock: VirtualClock
) -> None:
    write(drive, b"x")
    library.faults.add("hang seek for 900 s on drive 0")
    before: datetime = clock.now()
    with pytest.raises(DeviceError, match="900"):
        drive.seek(0)  # type: ignore[arg-type]
    assert (clock.now() - before).total_seconds() == 900
    drive.seek(0)  # type: ignore[arg-type]


def test_rot_changes_one_bit_and_nothing_says_so(library: SimulatedLibrary, drive: TapeDrive) -> None:
    data = content(2, 10)
    write(drive, data)
    place = RECORD_BYTES + 5
    library.faults.add(f"rot byte {place} of volume A00001L8 in drive 0")
    drive.rewind()
    read = read_all(drive)
    assert [n for n in range(len(data)) if read[n] != data[n]] == [place]
    assert read[place] ^ data[place] == 1
    assert read_all(move(library, 1, 0, 1)) == data


def test_damage_is_for_good(library: SimulatedLibrary, drive: TapeDrive) -> None:
    write(drive, b"abcdef")
    drive.unload()
    library.changer.unload(0, 1)
    library.hands.damage(Barcode("A00001L8"), 2)
    assert read_all(mount(library, 1, 1)) == b"abbdef"
    with pytest.raises(ValueError, match="no byte 6"):
        library.hands.damage(Barcode("A00001L8"), 6)
    with pytest.raises(ValueError, match="nothing was ever written"):
        library.hands.damage(Barcode("A00002L8"), 0)


def test_a_stuck_robot_leaves_the_volume_where_it_was(library: SimulatedLibrary) -> None:
    library.faults.add("fail robot before load 2 times")
    before = library.changer.inventory()
    for _ in range(2):
        with pytest.raises(ChangerError, match="stuck"):
            library.changer.load(1, 0)
        assert library.changer.inventory() == before
    library.changer.load(1, 0)


def test_a_robot_that_failed_may_have_moved_the_volume(library: SimulatedLibrary) -> None:
    library.faults.add("fail robot after move on drive test-T1")
    library.changer.load(1, 0)
    with pytest.raises(ChangerError, match="must be asked"):
        library.changer.load(2, 1)
    drive = library.changer.inventory().drive(1)
    assert drive is not None and drive.barcode == "A00002L8"


def test_a_robot_that_does_not_answer(library: SimulatedLibrary) -> None:
    library.faults.add("fail inventory 2 times")
    for _ in range(2):
        with pytest.raises(ChangerError, match="does not answer"):
            library.changer.inventory()
    assert library.changer.inventory().find(Barcode("A00001L8")) is not None


def test_a_barcode_cannot_be_read(library: SimulatedLibrary) -> None:
    library.faults.add("hide barcode of volume A00001L8")
    inventory = library.changer.inventory()
    assert inventory.find(Barcode("A00001L8")) is None
    assert inventory.storage()[0].full and inventory.storage()[0].barcode is None


def test_alerts_are_shown_by_name(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("raise alert 5 on drive 0")
    library.faults.add("raise alert 61")
    assert drive.status().alerts == ("read_failure", "alert_61")
    assert library.tape_drives[1].status().alerts == ("alert_61",)


def test_a_fault_fires_as_often_as_it_says_also_across_restarts(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        drive = mount(library, 1, 0)
        library.faults.add("fail tell 2 times")
        with pytest.raises(DeviceError):
            drive.tell()
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        drive = library.tape_drives[0]
        with pytest.raises(DeviceError):
            drive.tell()
        assert drive.tell() == 0


def test_faults_are_read_again_when_the_file_changes(library: SimulatedLibrary, drive: TapeDrive) -> None:
    path = library.root / "faults.txt"
    path.write_text("# a comment\n\nfail tell always   # every time\n")
    for _ in range(3):
        with pytest.raises(DeviceError):
            drive.tell()
    path.unlink()
    assert drive.tell() == 0


def test_a_file_that_is_not_understood_leaves_the_faults_as_they_were(
    library: SimulatedLibrary, drive: TapeDrive
) -> None:
    library.faults.add("fail tell always")
    (library.root / "faults.txt").write_text("fall tell\n")
    with pytest.raises(DeviceError):
        drive.tell()
    library.faults.clear()
    assert drive.tell() == 0


def test_a_line_that_is_not_understood_is_not_added(library: SimulatedLibrary) -> None:
    library.faults.add("never ready on drive 0")
    before = (library.root / "faults.txt").read_text()
    for line in ("fial write", "fail tell on drive 9", "rot byte 3 on volume A00009L8"):
        with pytest.raises(FaultsInvalid):
            library.faults.add(line)
    assert (library.root / "faults.txt").read_text() == before


def test_a_library_with_an_invalid_fault_file_does_not_open(tmp_path: Path, clock: VirtualClock) -> None:
    make_library(tmp_path, clock, tapes=("A00001L8",)).close()
    (tmp_path / "test" / "faults.txt").write_text("nonsense\n")
    with pytest.raises(FaultsInvalid, match="line 1"):
        make_library(tmp_path, clock, tapes=("A00001L8",))
    (tmp_path / "test" / "faults.txt").write_text("")
    make_library(tmp_path, clock, tapes=("A00001L8",)).close()


def test_an_interrupted_stream_counts_what_it_wrote(library: SimulatedLibrary, drive: TapeDrive) -> None:
    library.faults.add("fail write with end of medium after 2 records")
    with pytest.raises(EndOfMedium):
        drive.append(io.BytesIO(content(4)))
    assert drive.tell() == 2
