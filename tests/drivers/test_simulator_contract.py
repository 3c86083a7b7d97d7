"""The simulator keeps the contracts of all three roles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import Barcode
from tests.drivers.contract.changer_contract import ChangerContract, Robot
from tests.drivers.contract.recorder_contract import Desk, RecorderContract
from tests.drivers.contract.tape_contract import Bench, TapeContract
from tests.support.library import make_library, virtual_clock

_TAPE_BYTES = 8_000_000
_DISC_BYTES = 4_000_000


class TestSimulatedChanger(ChangerContract):
    @pytest.fixture
    def robot(self, tmp_path: Path) -> Iterator[Robot]:
        with make_library(tmp_path, virtual_clock(), tapes=("A00001L8", "A00002L8")) as library:

            def release(drive: int) -> None:
                library.tape_drives[drive].wait_ready(300)
                library.tape_drives[drive].unload()

            yield Robot(library.changer, Barcode("A00001L8"), Barcode("A00002L8"), 5, release)


class TestSimulatedTapeDrive(TapeContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",), tape_bytes=_TAPE_BYTES) as library:
            drive = library.tape_drives[0]

            def remount() -> None:
                drive.unload()
                library.changer.unload(0, 1)
                library.changer.load(1, 0)

            def protect() -> None:
                library.hands.protect(Barcode("A00001L8"))
                remount()

            library.changer.load(1, 0)
            yield Bench(drive, library.tape_drives[1], _TAPE_BYTES, protect, remount)


class TestSimulatedRecorder(RecorderContract):
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Iterator[Desk]:
        with make_library(tmp_path, virtual_clock(), discs=("D00001",), disc_bytes=_DISC_BYTES) as library:
            recorder = library.recorders[0]

            def image(size_bytes: int) -> Path:
                path = tmp_path / f"{size_bytes}.iso"
                path.write_bytes(bytes(n % 251 for n in range(4096)) * (size_bytes // 4096 + 1))
                with path.open("r+b") as file:
                    file.truncate(size_bytes)
                return path

            def take_out() -> None:
                recorder.unload()
                library.changer.unload(0, 1)

            def remount() -> None:
                take_out()
                library.changer.load(1, 0)

            library.changer.load(1, 0)
            yield Desk(recorder, _DISC_BYTES, image, remount, take_out)
