"""StTapeDrive with the kernel's st and the drives of the simulator's iSCSI target."""

import itertools
import json
import sys
from collections.abc import Iterator

import pytest

from drivers.base import Barcode
from drivers.clock import SystemClock
from drivers.simulator import VolumeSpec
from drivers.tape import StTapeDrive, TapeOptions
from tests.devices.attach import LIMIT_S, run
from tests.devices.simulated import Simulated, two_drives
from tests.drivers.contract.tape_contract import Bench, TapeContract

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]

TAPE_BYTES = 8 * 1024**2
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with Simulated(tmp_path_factory.mktemp("tape"), two_drives("tape")) as made:
        yield made


class TestStTapeDriveOnTheSimulator(TapeContract):
    @pytest.fixture
    def bench(self, library: Simulated) -> Iterator[Bench]:
        barcode = Barcode(f"T{next(numbers):05}L8")
        library.hands.buy(VolumeSpec(barcode, "LTO-8", TAPE_BYTES))
        library.faults()
        library.arrange({1: barcode})
        changer = library.changer
        drives = [
            StTapeDrive(f"tape-{n}", library.drive(n), SystemClock(), TapeOptions(settle_s=3.0, poll_s=0.2))
            for n in (0, 1)
        ]

        def remount() -> None:
            drives[0].unload()
            changer.unload(0, 1)
            changer.load(1, 0)

        def protect() -> None:
            library.hands.protect(barcode)
            remount()

        changer.load(1, 0)
        yield Bench(drives[0], drives[1], TAPE_BYTES, protect, remount)
        for drive in drives:
            drive.close()

    def test_loading_takes_its_time(self, bench: Bench, library: Simulated) -> None:  # type: ignore[override]
        library.faults("never ready on drive 0")  # the library is too fast to be caught at it
        super().test_loading_takes_its_time(bench)


def test_a_drive_is_certified_with_the_cartridge_in_it(library: Simulated) -> None:
    barcode = Barcode(f"T{next(numbers):05}L8")
    library.hands.buy(VolumeSpec(barcode, "LTO-8", 5 * TAPE_BYTES))
    library.arrange({1: barcode})
    library.changer.load(1, 0)
    argv = (sys.executable, "-m", "appliance.cli", "drives", "certify", library.drive(0).serial, "--megabytes", 8)
    report = json.loads(run(*argv, "--json", limit_s=2 * LIMIT_S))  # some ninety commands on an emulated processor
    assert report["good"], report
    assert {step["name"] for step in report["steps"]} >= {"filemarks", "end of data", "position", "flush", "alerts"}
    again = run("sh", "-c", '"$@" 2>&1', "sh", *argv, status=None)
    assert "--overwrite" in again, "a cartridge with data is not written over unasked"
    run("mt", "-f", library.drive(0).node, "offline")
    library.changer.unload(0, 1)
