"""What a cartridge allows: its ends, its tab, WORM, generations, cleaning, its memory and what it remembers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import Barcode
from drivers.errors import WriteProtected
from drivers.scsi import sense
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from tests.drivers.contract.tape_contract import write
from tests.drivers.scsi.wire import Wire
from tests.support.library import virtual_clock

_RECORD = 256 * 1024
_SMALL = 16 * _RECORD  # early warning behind 14
_TUR = "00 00 00 00 00 00"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Wire]:
    volumes = (
        VolumeSpec(Barcode("SMALL1L8"), "LTO-8", _SMALL),
        VolumeSpec(Barcode("WORM01L8"), "LTO-8", 4_000_000, worm=True),
        VolumeSpec(Barcode("SEVEN1L7"), "LTO-7", 4_000_000),
        VolumeSpec(Barcode("FIVE01L5"), "LTO-5", 4_000_000),
        VolumeSpec(Barcode("CLN001L1"), "CLN"),
    )
    drives = (DriveSpec("LTO-8", "T0"), DriveSpec("LTO-7", "T1"))
    SimulatedLibrary.create(tmp_path / "l", LibrarySpec("l", drives, 6, volumes=volumes))
    with SimulatedLibrary(tmp_path / "l", virtual_clock()) as library:
        wire = Wire(library)
        wire.settle()
        yield wire


def test_early_warning_comes_with_the_data_written_and_the_hard_end_without(shelf: Wire) -> None:
    shelf.load(1)
    record = bytes(_RECORD)
    for _ in range(14):
        assert shelf.write(record).good
    for _ in range(2):
        assert shelf.write(record).sense == sense.END_OF_MEDIUM.left(0)
    assert shelf.position == 16
    for _ in range(2):
        assert shelf.write(record).sense == sense.OVERFLOW.left(_RECORD)
    assert shelf.position == 16
    assert shelf.mark().sense == sense.END_OF_MEDIUM.left(0)  # written all the same
    assert shelf.flush().good
    assert shelf.position == 17
    assert shelf.tape("34 00 00 00 00 00 00 00 00 00").data[0] & 0x40
    shelf.rewind()
    for _ in range(16):
        assert shelf.read(_RECORD).data == record
    assert shelf.read(_RECORD).sense == sense.FILEMARK.left(_RECORD)


def test_the_hard_end_says_how_many_fixed_blocks_are_left(shelf: Wire) -> None:
    shelf.load(1)
    data = b"\0\0\x10\x08" + bytes(5) + (65536).to_bytes(3, "big")
    assert shelf.tape("15 10 00 00 0c 00", data).good
    shelf.locate(0)
    assert shelf.tape("0a 01 00003e 00", bytes(62 * 65536)).sense == sense.END_OF_MEDIUM.left(0)
    assert shelf.tape("0a 01 000005 00", bytes(5 * 65536)).sense == sense.OVERFLOW.left(3)
    assert shelf.position == 64


def test_the_tab_belongs_to_the_cartridge(shelf: Wire) -> None:
    shelf.load(1)
    shelf.write(b"kept")
    shelf.unload(1)
    shelf.library.hands.protect(Barcode("SMALL1L8"))
    shelf.load(1)
    assert shelf.tape("1a 00 00 00 0c 00").data[2] & 0x80
    for answer in (shelf.write(b"lost"), shelf.mark(), shelf.tape("19 00 00 00 00 00")):
        assert answer.sense == sense.WRITE_PROTECTED
    assert shelf.read(4).data == b"kept"
    assert shelf.flush().good
    assert 9 in shelf.alerts()
    assert shelf.log(0x17)[0x80] == 1
    shelf.unload(1)
    shelf.load(2)
    assert not shelf.tape("1a 00 00 00 0c 00").data[2] & 0x80


def test_a_worm_cartridge_is_only_appended_to(shelf: Wire) -> None:
    shelf.load(2)
    for n in range(3):
        assert shelf.write(bytes([n]) * 100).good
    assert shelf.mark().good
    for block in (0, 2, 3):
        shelf.locate(block)
        for answer in (shelf.write(b"over"), shelf.mark(), shelf.tape("19 00 00 00 00 00")):
            assert answer.sense.code == sense.WORM_OVERWRITE.code
    assert shelf.alerts() >= {60}
    shelf.locate(4)
    assert shelf.write(b"behind").good
    shelf.rewind()
    assert [shelf.read(100).data[:1] for _ in range(3)] == [b"\0", b"\1", b"\2"]
    assert shelf.tape("1a 00 1d 00 ff 00").data[14] & 1
    assert shelf.tape("1a 00 00 00 0c 00").data[1] == 0x8C
    assert shelf.log(0x17)[0x81] == 1


def test_worm_holds_behind_st_too(shelf: Wire) -> None:
    drive = shelf.library.tape_drives[0]
    shelf.library.changer.load(2, 0)
    drive.wait_ready(300)
    drive.rewind()
    assert drive.status().worm
    end = write(drive, b"first") + 2
    drive.rewind()
    with pytest.raises(WriteProtected, match="WORM"):
        write(drive, b"over it")
    drive.seek(end)  # type: ignore[arg-type]
    write(drive, b"second")


def test_a_drive_reads_and_writes_the_generations_it_knows(shelf: Wire) -> None:
    shelf.load(3)  # LTO-7 in LTO-8
    assert shelf.write(b"x").good
    assert shelf.tape("1a 00 00 00 0c 00").data[4] == 0x5C
    shelf.unload(3)
    shelf.changer("a5 00 0001 03ec 0100 0000 00 00")  # LTO-5 in LTO-8
    shelf.clock.sleep(30)
    shelf.settle()
    assert shelf.tape(_TUR).sense == sense.INCOMPATIBLE_MEDIUM
    assert shelf.read().sense == sense.INCOMPATIBLE_MEDIUM
    assert shelf.log(0x31)[1] == 0
    shelf.unload(4)
    shelf.load(4, drive=1)  # LTO-5 in LTO-7: reads only
    assert shelf.send(2, "1a 00 00 00 0c 00").data[2] & 0x80
    assert shelf.send(2, "0a 00 000001 00", b"x").sense == sense.CANNOT_WRITE_FORMAT
    assert shelf.send(2, "08 00 000010 00").sense == sense.END_OF_DATA.left(16)
    shelf.unload(4, drive=1)
    assert shelf.changer("a5 00 0001 03e9 0101 0000 00 00").good  # LTO-8 in LTO-7
    shelf.clock.sleep(30)
    shelf.settle()
    assert shelf.send(2, _TUR).sense == sense.INCOMPATIBLE_MEDIUM


def test_a_cleaning_cartridge_cleans_and_is_let_go_of(shelf: Wire) -> None:
    shelf.library.faults.add("require cleaning on drive 0")
    assert 20 in shelf.alerts() and 20 in shelf.alerts()  # up until it was cleaned
    assert shelf.log(0x0C)[0x100] == 1
    assert shelf.tape("4d 00 51 00 00 0000 0100 00").data[8] & 0x06
    assert shelf.changer("a5 00 0001 03ed 0100 0000 00 00").good
    shelf.clock.sleep(30)
    assert shelf.tape(_TUR).sense == sense.CLEANING_CARTRIDGE
    assert shelf.write().sense == sense.CLEANING_CARTRIDGE
    assert shelf.changer("a5 00 0001 0100 03ed 0000 00 00").sense == sense.MANUAL_INTERVENTION
    shelf.clock.sleep(120)
    assert shelf.tape(_TUR).sense == sense.MEDIUM_NOT_PRESENT
    assert 20 not in shelf.alerts()
    assert shelf.log(0x0C)[0x100] == 0
    assert shelf.changer("a5 00 0001 0100 03ed 0000 00 00").good


def test_a_cleaning_cartridge_that_is_used_up_is_told(shelf: Wire) -> None:
    for n in range(51):
        assert shelf.changer("a5 00 0001 03ed 0100 0000 00 00").good
        shelf.clock.sleep(200)
        assert shelf.tape(_TUR).sense == sense.MEDIUM_NOT_PRESENT
        assert (22 in shelf.alerts()) == (n == 50)
        assert shelf.changer("a5 00 0001 0100 03ed 0000 00 00").good


def test_the_cartridge_remembers_what_hosts_wrote_into_its_memory(shelf: Wire) -> None:
    shelf.load(1)
    label = b"\x08\x03\x02\x00\x0aan archive"
    data = len(label).to_bytes(4, "big") + label
    assert shelf.tape(f"8d 00 00 00 00 00 00 00 00 00 {len(data):08x} 00 00", data).good
    shelf.unload(1)
    shelf.load(1)
    assert shelf.tape("8c 00 00 00 00 00 00 00 0800 00001000 00 00").data[4:] == label
    gone = b"\0\0\0\x05\x08\x03\x02\0\0"
    assert shelf.tape("8d 00 00 00 00 00 00 00 00 00 00000009 00 00", gone).good
    assert shelf.tape("8c 00 00 00 00 00 00 00 0800 00001000 00 00").data == bytes(4)


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("0400 01 0004 41424344", (4, None)),  # the maker's
        ("0801 00 0004 41424344", (6, None)),  # text as a number
        ("0805 00 0002 4142", (7, None)),  # too long
    ],
)
def test_attributes_that_cannot_be_written_are_pointed_at(
    shelf: Wire, attribute: str, said: tuple[int, int | None]
) -> None:
    shelf.load(1)
    raw = bytes.fromhex(attribute)
    data = len(raw).to_bytes(4, "big") + raw
    answer = shelf.tape(f"8d 00 00 00 00 00 00 00 00 00 {len(data):08x} 00 00", data).sense
    assert answer.code == (0x26, 0x00) and answer.field == said


@pytest.mark.parametrize("data", [b"\0\0", b"\0\0\0\x09ab", b"\0\0\0\x02\x08\x01", b"\0\0\0\x06\x08\x01\x01\0\x04a"])
def test_attribute_lists_that_do_not_add_up_are_refused(shelf: Wire, data: bytes) -> None:
    shelf.load(1)
    answer = shelf.tape(f"8d 00 00 00 00 00 00 00 00 00 {len(data):08x} 00 00", data)
    assert answer.sense == sense.LENGTH_OF_PARAMETERS


def test_the_memory_of_a_cartridge_is_finite(shelf: Wire) -> None:
    shelf.load(1)
    big = b"\x08\x0c\x00\x03\xff" + bytes(1023)
    one = len(big).to_bytes(4, "big") + big
    assert shelf.tape(f"8d 00 00 00 00 00 00 00 00 00 {len(one):08x} 00 00", one).good
    free = shelf.tape("8c 00 00 00 00 00 00 00 0004 00001000 00 00").data
    assert int.from_bytes(free[9:17], "big") == 8000 - 1028


def test_attributes_are_listed_and_told(shelf: Wire) -> None:
    shelf.load(2)
    listed = shelf.tape("8c 01 00 00 00 00 00 00 0000 00001000 00 00").data
    numbers = [int.from_bytes(listed[n : n + 2], "big") for n in range(4, len(listed), 2)]
    assert numbers == sorted(numbers) and {0x0000, 0x0001, 0x0003, 0x0400, 0x0401, 0x0408} <= set(numbers)
    worm = shelf.tape("8c 00 00 00 00 00 00 00 0408 00001000 00 00").data
    assert worm[4:10] == bytes.fromhex("0408 80 0001 80")
    assert shelf.tape("8c 03 00 00 00 00 00 00 0000 00001000 00 00").data == bytes.fromhex("00020001")
    assert shelf.tape("8c 04 00 00 00 00 00 00 0000 00001000 00 00").sense.field == (1, 4)
    assert shelf.tape("8c 00 00 00 00 00 00 01 0000 00001000 00 00").sense.field == (7, None)
    shelf.unload(2)
    assert shelf.tape("8c 00 00 00 00 00 00 00 0000 00001000 00 00").sense == sense.MEDIUM_NOT_PRESENT


def test_statistics_and_capacity_are_counted(shelf: Wire) -> None:
    shelf.load(1)
    for _ in range(8):
        shelf.write(bytes(_RECORD))
    shelf.rewind()
    for _ in range(4):
        shelf.read(_RECORD)
    volume = shelf.log(0x17)
    assert volume[0x0001] == 1 and volume[0x0010] == 2 and volume[0x0011] == 1 and volume[0x0016] == 4
    assert shelf.log(0x02)[5] == 8 * _RECORD and shelf.log(0x03)[5] == 4 * _RECORD
    assert shelf.log(0x31)[1] == 2 and shelf.log(0x31)[3] == 4
    place = shelf.log(0x0C)
    assert place[4] == 2 and place[7] == 1
    shelf.unload(1)
    assert shelf.log(0x17) == {0: 0} and shelf.log(0x31)[3] == 0 and shelf.log(0x02)[5] == 0
    shelf.load(1)
    volume = shelf.log(0x17)
    assert volume[0x0001] == 2 and volume[0x000E] == 0 and volume[0x0010] == 2
    statistics = shelf.library.tape_drives[0].statistics()
    assert statistics.mounts == 2 and statistics.written_bytes == 8 * _RECORD
    assert statistics.read_bytes == 4 * _RECORD


def test_the_state_of_the_drive_is_told_while_it_loads(shelf: Wire) -> None:
    def state() -> bytes:
        return shelf.tape("4d 00 51 00 00 0000 0100 00").data[8:11]

    assert state() == bytes([0x00, 0xA0, 0])
    shelf.changer("a5 00 0001 03e9 0100 0000 00 00")
    assert state() == bytes([0x00, 0x90, 2])
    shelf.clock.sleep(30)
    shelf.settle()
    assert state() == bytes([0x00, 0x97, 0])
