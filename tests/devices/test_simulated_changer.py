"""MtxChanger with the kernel's sg and the robot of the simulator's iSCSI target."""

from collections.abc import Iterator

import pytest

from drivers.base import Barcode
from drivers.simulator import VolumeSpec
from tests.devices.attach import run
from tests.devices.simulated import Simulated, two_drives
from tests.drivers.contract.changer_contract import ChangerContract, Robot

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]

FIRST, SECOND = Barcode("A00001L8"), Barcode("A00002L8")
MAIL_SLOT = 11


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    volumes = tuple(VolumeSpec(barcode, "LTO-8", 8 * 1024**2) for barcode in (FIRST, SECOND))
    with Simulated(tmp_path_factory.mktemp("changer"), two_drives("changer", volumes=volumes)) as made:
        yield made


class TestMtxChangerOnTheSimulator(ChangerContract):
    @pytest.fixture
    def robot(self, library: Simulated) -> Robot:
        library.arrange({1: FIRST, 2: SECOND})

        def release(drive: int) -> None:
            run("mt", "-f", library.drive(drive).node, "offline")

        return Robot(library.changer, FIRST, SECOND, MAIL_SLOT, release)
