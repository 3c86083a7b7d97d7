"""Drives that a person feeds: the contract, and that the inventory never disturbs work."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import Barcode, DiscStatus, DriveStatus, Recorder, TapeDrive
from drivers.errors import DeviceError, DeviceGone, DriveNotReady
from drivers.manual import ManualChanger
from drivers.simulator import SimulatedLibrary
from tests.drivers.contract.by_hand_contract import ByHandContract, Counter
from tests.support.library import make_library, virtual_clock


@pytest.fixture
def library(tmp_path: Path) -> Iterator[SimulatedLibrary]:
    """The drives of a simulated library; its robot plays the hand."""
    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",), discs=("D00001",), drives=1) as library:
        yield library


def without_robot(library: SimulatedLibrary) -> ManualChanger:
    return ManualChanger("desk", library.tape_drives, library.recorders)


class TestManualChanger(ByHandContract):
    @pytest.fixture
    def counter(self, library: SimulatedLibrary) -> Counter:
        changer = without_robot(library)
        drives: dict[int, TapeDrive | Recorder] = {**changer.tape_drives, **changer.recorders}

        def release(drive: int) -> None:
            drives[drive].wait_ready(300)
            drives[drive].unload()

        return Counter(
            changer,
            lambda drive: library.changer.load(drive + 1, drive),
            release,
            lambda drive: library.changer.unload(drive, drive + 1),
        )


def test_the_drives_it_hands_out_are_the_drives(library: SimulatedLibrary) -> None:
    changer = without_robot(library)
    library.changer.load(1, 0)
    drive = changer.tape_drives[0]
    assert (drive.name, drive.serial, drive.model) == ("test/drive0", "test-T0", "LTO-8")
    drive.wait_ready(300)
    drive.rewind()
    with Path(__file__).open("rb") as file:
        assert drive.append(file) == 0
    drive.rewind()
    assert b"".join(drive.read()) == Path(__file__).read_bytes()


def test_a_drive_and_a_recorder_cannot_have_one_number(library: SimulatedLibrary) -> None:
    with pytest.raises(ValueError, match="same number 0"):
        ManualChanger("desk", library.tape_drives, {0: library.recorders[1]})


class Scripted:
    """A drive that answers a status as it is told to."""

    serial = "S1"

    def __init__(self, answer: DriveStatus | DiscStatus | Exception) -> None:
        self.answer = answer

    def status(self) -> DriveStatus | DiscStatus:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def full(answer: DriveStatus | DiscStatus | Exception) -> bool:
    changer = ManualChanger("desk", {0: Scripted(answer)})  # type: ignore[dict-item]
    return changer.inventory().elements[0].full


def test_a_drive_that_is_still_loading_is_full() -> None:
    assert full(DriveNotReady("the disc spins up"))


def test_a_drive_that_is_gone_holds_nothing_and_does_not_hide_the_others() -> None:
    assert not full(DeviceGone("unplugged"))


def test_a_drive_that_fails_is_told() -> None:
    with pytest.raises(DeviceError):
        full(DeviceError("no answer"))


def test_a_drive_at_work_is_full_and_is_not_asked(library: SimulatedLibrary) -> None:
    changer = without_robot(library)
    library.changer.load(1, 0)
    drive = changer.tape_drives[0]
    drive.wait_ready(300)
    drive.rewind()
    inside, asked = threading.Event(), threading.Event()

    class Slow:
        """A stream that ends when the inventory was taken."""

        def read(self, size: int = -1, /) -> bytes:
            inside.set()
            assert asked.wait(60)
            return b""

    worker = threading.Thread(target=drive.append, args=(Slow(),))
    worker.start()
    try:
        assert inside.wait(60)
        assert [element.full for element in changer.inventory().elements] == [True, False]
    finally:
        asked.set()
        worker.join()
    assert drive.tell() == 1
    assert Barcode("A00001L8") == library.changer.inventory().drives()[0].barcode
