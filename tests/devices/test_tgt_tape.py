"""StTapeDrive with the kernel's st and the drives of tgt, as far as those go."""

from collections.abc import Iterator

import pytest

from drivers.base import TapeDrive
from drivers.changer import MtxChanger
from drivers.clock import SystemClock
from drivers.errors import DeviceError, DriverError
from drivers.tape import StTapeDrive, TapeOptions
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import Op
from tests.devices.attach import run
from tests.devices.tgt import DRIVES, TAPES, Tgt
from tests.drivers.contract.tape_contract import Bench, TapeContract, content, write

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]

TAPE_BYTES = 128 * 1024**2


@pytest.fixture(scope="module")
def tgt() -> Tgt:
    return Tgt()


NO_POSITION = "tgt's drives have no READ POSITION, and the driver uses no tape whose position it cannot ask for"


class TestStTapeDriveOnTgt(TapeContract):
    @pytest.fixture
    def drive(self, bench: Bench) -> TapeDrive:
        pytest.skip(NO_POSITION)

    @pytest.fixture
    def bench(self, tgt: Tgt) -> Iterator[Bench]:
        changer = MtxChanger("tgt", tgt.robot.sg, DRIVES, SystemClock())
        options = TapeOptions(settle_s=3.0, poll_s=0.2)
        drives = [StTapeDrive(f"tgt-{n}", tgt.drive(n), SystemClock(), options) for n in (0, 1)]

        def remount() -> None:
            drives[0].unload()
            changer.unload(0, 1)
            changer.load(1, 0)

        def protect() -> None:
            tgt("protect", "0", "on")
            remount()

        tgt("blank", TAPES[0])
        changer.load(1, 0)
        yield Bench(drives[0], drives[1], TAPE_BYTES, protect, remount)
        for drive in drives:
            drive.close()
        tgt("protect", "0", "off")
        element = changer.inventory().drive(0)
        if element is not None and element.full:
            run("mt", "-f", tgt.drive(0).node, "offline")
            changer.unload(0, 1)

    @pytest.mark.skip(reason=NO_POSITION)
    def test_the_position_is_unknown_after_a_load_until_a_rewind(self, bench: Bench) -> None: ...

    @pytest.mark.skip(reason="tapes of tgt are ready at once")
    def test_loading_takes_its_time(self, bench: Bench) -> None: ...

    def test_a_drive_that_cannot_tell_its_position_is_not_written(self, bench: Bench) -> None:
        bench.drive.wait_ready(300)
        with pytest.raises(DeviceError):
            bench.drive.rewind()
        with pytest.raises(DriverError):
            write(bench.drive, content(1))

    def test_records_and_marks_that_st_writes_are_read_back(self, bench: Bench, tgt: Tgt) -> None:
        bench.drive.wait_ready(300)
        node = tgt.drive(0).node
        assert node is not None
        records = [content(1), content(1, seed=2), content(0, 100)]
        device = TapeDevice(node)
        try:
            device.do(Op.REWIND)
            device.do(Op.SETBLK, 0)
            for record in records:
                assert device.write(record) == len(record)
            device.do(Op.WEOFI, 1)
            device.do(Op.WEOF, 0)
            device.do(Op.REWIND)
            assert [device.read() for _ in range(4)] == [*records, b""]
        finally:
            device.close()
