"""What goes wrong with a tape drive, seen through the kernel: nothing is written to the wrong cartridge, ever."""

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from drivers.base import Address, Barcode
from drivers.clock import SystemClock
from drivers.errors import (
    DeviceGone,
    DriverError,
    EndOfData,
    MediumError,
    MediumUnsupported,
    UnitAttention,
    WriteProtected,
)
from drivers.simulator import VolumeSpec
from drivers.simulator.state import PlacesFile
from drivers.tape import StTapeDrive, TapeOptions
from drivers.tape.device import TapeDevice
from tests.devices.simulated import Simulated, two_drives
from tests.drivers.contract.tape_contract import content, read_all, write

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]

TAPE_BYTES = 8 * 1024**2
OTHER = b"the other cartridge " * 9
numbers = itertools.count(1)


@dataclass(frozen=True)
class Rig:
    """A drive in the middle of one cartridge, and another at hand; both hold files."""

    drive: StTapeDrive
    library: Simulated
    barcode: Barcode
    other: Barcode

    def swap(self) -> None:
        """By hand, behind everybody's back: the other cartridge is in the drive now."""
        with PlacesFile(self.library.root).change() as places:
            for place in places.volumes:
                if place.barcode == self.other:
                    places.put(place, None, 0, SystemClock().now())
        self.library.hands.swap(0, self.other)

    def check_other(self) -> None:
        self.drive.rewind()
        assert read_all(self.drive) == OTHER
        assert read_all(self.drive) == content(2)
        with pytest.raises(EndOfData):
            next(self.drive.read())


class Interrupted(io.BytesIO):
    """A stream that lets something happen after its first record."""

    def __init__(self, data: bytes, happens: Callable[[], None]) -> None:
        super().__init__(data)
        self._happens = happens

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            happens, self._happens = self._happens, lambda: None
            happens()
        return super().read(size)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with Simulated(tmp_path_factory.mktemp("mishaps"), two_drives("mishaps")) as made:
        yield made


@pytest.fixture
def rig(library: Simulated) -> Iterator[Rig]:
    barcodes = [Barcode(f"M{next(numbers):05}L8") for _ in range(2)]
    for barcode in barcodes:
        library.hands.buy(VolumeSpec(barcode, "LTO-8", TAPE_BYTES))
    library.faults()
    library.arrange({1: barcodes[0], 2: barcodes[1]})
    drive = StTapeDrive("drive0", library.drive(0), SystemClock(), TapeOptions(settle_s=3.0))
    for slot, files in ((2, (OTHER, content(2))), (1, (b"label", content(6)))):
        library.changer.load(slot, 0)
        drive.wait_ready(60)
        drive.rewind()
        for data in files:
            write(drive, data)
        drive.flush()
        if slot == 2:
            drive.unload()
            library.changer.unload(0, slot)
    yield Rig(drive, library, barcodes[0], barcodes[1])
    drive.close()


@pytest.mark.parametrize("operation", ["write", "flush", "seek", "tell", "status", "statistics"])
def test_a_cartridge_swapped_behind_our_back_is_noticed_and_not_touched(rig: Rig, operation: str) -> None:
    rig.swap()
    operations: dict[str, Callable[[], object]] = {
        "write": lambda: write(rig.drive, b"lost"),
        "flush": rig.drive.flush,
        "seek": lambda: rig.drive.seek(Address(7)),
        "tell": rig.drive.tell,
        "status": rig.drive.status,
        "statistics": rig.drive.statistics,
    }
    with pytest.raises(UnitAttention):
        operations[operation]()
    for again in ("write", "flush", "seek", "tell"):
        with pytest.raises(UnitAttention):
            operations[again]()
    rig.check_other()


def test_a_cartridge_swapped_in_the_middle_of_a_file_is_not_touched(rig: Rig) -> None:
    with pytest.raises(UnitAttention):
        rig.drive.append(Interrupted(content(4), rig.swap))
    rig.check_other()


def test_a_cartridge_swapped_in_the_middle_of_a_read_is_noticed(rig: Rig) -> None:
    rig.drive.seek(Address(3))
    records = rig.drive.read()
    next(records)
    rig.swap()
    with pytest.raises(UnitAttention):
        next(records)
    rig.check_other()


def test_a_broken_stream_leaves_no_mark_on_the_next_cartridge(rig: Rig) -> None:
    def breaks() -> None:
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="source is gone"):
        rig.drive.append(Interrupted(content(3), breaks))
    rig.swap()
    rig.drive.close()
    rig.check_other()


def test_the_kernel_alone_writes_a_mark_onto_the_other_cartridge(rig: Rig) -> None:
    """Why the driver calls that off: should a kernel stop doing it, this test says so."""
    rig.drive.close()
    node = rig.library.drive(0).node
    assert node is not None
    device = TapeDevice(node)
    device.write(b"a record")
    rig.swap()
    with pytest.raises(OSError):
        device.write(b"another")
    device.close()
    rig.drive.rewind()
    assert read_all(rig.drive) == b""


def test_an_unreadable_block_is_passed_by_a_seek(rig: Rig) -> None:
    rig.library.faults(f"unreadable blocks 4-4 on volume {rig.barcode} in drive 0")
    rig.drive.seek(Address(2))
    records = rig.drive.read()
    assert len([next(records), next(records)]) == 2
    with pytest.raises(MediumError):
        next(records)
    assert rig.drive.tell() == 4
    rig.drive.seek(Address(5))
    assert len(list(rig.drive.read())) == 3


@pytest.mark.parametrize(
    "fault",
    [
        "fail write on drive 0",
        "fail flush on drive 0",
        "defer write error to write on drive 0",
        "defer write error to flush on drive 0",
        "unit attention on drive 0",
        "lose power on drive 0 after 1 records",
    ],
)
def test_after_a_failed_write_nothing_is_written_before_a_rewind(rig: Rig, fault: str) -> None:
    end = rig.drive.tell()
    rig.library.faults(fault)
    with pytest.raises(DriverError):
        for _ in range(2):
            write(rig.drive, content(3))
            rig.drive.flush()
    for operation in (lambda: write(rig.drive, b"x"), rig.drive.flush, rig.drive.tell):
        with pytest.raises(UnitAttention):
            operation()
    rig.library.faults()
    rig.drive.rewind()
    assert read_all(rig.drive) == b"label"
    assert read_all(rig.drive) == content(6)
    assert rig.drive.tell() == end


def test_a_write_lost_before_the_unload_is_told(rig: Rig) -> None:
    rig.library.faults("defer write error to unload on drive 0")
    write(rig.drive, b"lost")
    with pytest.raises(DriverError):
        rig.drive.unload()
    rig.drive.unload()
    assert not rig.drive.status().loaded


def test_a_drive_pulled_in_the_middle_of_a_write_is_gone_and_comes_back(rig: Rig) -> None:
    with pytest.raises(DeviceGone):
        rig.drive.append(Interrupted(content(4), rig.library.pull))
    with pytest.raises(DeviceGone):
        rig.drive.rewind()
    rig.library.plug()
    rig.drive.wait_ready(60)
    rig.drive.rewind()
    assert read_all(rig.drive) == b"label"


def test_a_cleaning_cartridge_cleans(rig: Rig) -> None:
    cleaner = Barcode("CLN001")
    rig.drive.unload()
    rig.library.hands.buy(VolumeSpec(cleaner, "CLN", 0))
    rig.library.arrange({1: cleaner})
    rig.library.faults("require cleaning on drive 0")
    assert rig.drive.status().needs_cleaning
    rig.library.changer.load(1, 0)
    with pytest.raises(MediumUnsupported):
        rig.drive.wait_ready(300)
    assert not rig.drive.status().needs_cleaning
    rig.drive.unload()
    rig.library.changer.unload(0, 1)


def test_a_tape_too_old_for_the_drive_is_refused_and_let_go_of(rig: Rig) -> None:
    old = Barcode("OLD001L5")
    rig.drive.unload()
    rig.library.hands.buy(VolumeSpec(old, "LTO-5", TAPE_BYTES))
    rig.library.arrange({1: old})
    rig.library.changer.load(1, 0)
    with pytest.raises(MediumUnsupported):
        rig.drive.wait_ready(60)
    rig.drive.unload()
    rig.library.changer.unload(0, 1)


def test_a_worm_cartridge_is_appended_to_and_nothing_else(rig: Rig) -> None:
    worm = Barcode("WRM001L8")
    rig.drive.unload()
    rig.library.hands.buy(VolumeSpec(worm, "LTO-8", TAPE_BYTES, worm=True))
    rig.library.arrange({1: worm})
    rig.library.changer.load(1, 0)
    rig.drive.wait_ready(60)
    rig.drive.rewind()
    assert rig.drive.status().worm
    for data in (b"one", b"two"):
        write(rig.drive, data)
    rig.drive.flush()
    rig.drive.rewind()
    rig.drive.seek(Address(2))
    with pytest.raises(WriteProtected):
        write(rig.drive, b"over")
    rig.drive.seek(Address(4))
    write(rig.drive, b"three")
    rig.drive.rewind()
    assert [read_all(rig.drive) for _ in range(3)] == [b"one", b"two", b"three"]
