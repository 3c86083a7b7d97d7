"""XorrisoRecorder with the kernel's sr, xorriso and the DVD recorder of tgt."""

import itertools
from pathlib import Path

import pytest

from drivers.base import DiscState, Recorder
from drivers.clock import SystemClock
from drivers.errors import DriveEmpty
from drivers.optical import RecorderOptions, XorrisoRecorder
from tests.devices.tgt import Tgt
from tests.drivers.contract.recorder_contract import Desk, RecorderContract

pytestmark = [pytest.mark.devices, pytest.mark.timeout(900)]

CAPACITY_BYTES = 4_700_372_992  # DVD+R
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def tgt() -> Tgt:
    return Tgt()


class TestXorrisoRecorderOnTgt(RecorderContract):
    @pytest.fixture
    def desk(self, tgt: Tgt, tmp_path: Path) -> Desk:
        disc = f"contract{next(numbers)}"
        recorder = XorrisoRecorder("dvd", tgt.recorder, SystemClock(), RecorderOptions())

        def image(size_bytes: int) -> Path:
            path = tmp_path / f"{size_bytes}.iso"
            with path.open("wb") as file:
                file.write((bytes(range(1, 252)) * 20_000)[: min(size_bytes, 5_000_000)])
                file.truncate(size_bytes)
            return path

        def take_out() -> None:
            recorder.unload()
            tgt("disc", "none")

        def remount() -> None:
            take_out()
            tgt("disc", disc)

        tgt("disc", disc)
        return Desk(recorder, CAPACITY_BYTES, image, remount, take_out)

    @pytest.mark.skip(reason="the discs of tgt spin up at once")
    def test_spinning_up_takes_its_time(self, desk: Desk) -> None: ...

    def test_an_empty_recorder_says_so(self, recorder: Recorder, desk: Desk) -> None:
        """As in the contract but for unload(): an open door of tgt looks like a closed one without a disc."""
        desk.take_out()
        assert recorder.status().state is DiscState.NONE
        with pytest.raises(DriveEmpty):
            recorder.wait_ready(300)
        with pytest.raises(DriveEmpty):
            recorder.read(0, 1)
