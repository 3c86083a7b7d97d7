"""The xorriso driver keeps the contract: real xorriso, a file as the disc."""

from pathlib import Path

import pytest

from tests.drivers.contract.recorder_contract import Desk, RecorderContract
from tests.drivers.optical.desk import CAPACITY_BYTES, bench


class TestXorrisoRecorder(RecorderContract):
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        here = bench(tmp_path)
        disc = tmp_path / "disc"

        def remount() -> None:
            here.recorder.unload()
            here.tray.take()
            here.tray.put(disc)

        def take_out() -> None:
            here.recorder.unload()
            here.tray.take()
            here.recorder.status()

        here.tray.put(disc)
        return Desk(here.recorder, CAPACITY_BYTES, here.image, remount, take_out)
