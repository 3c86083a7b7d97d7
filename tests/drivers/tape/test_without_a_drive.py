"""What the tape driver says where there is no tape drive: nothing attached, or a device that is something else.

How it works with a drive is tried on the kernel, in tests/devices.
"""

import errno
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.attached import AttachedDevice, AttachedKind
from drivers.base import Address, DriveStatus
from drivers.clock import SystemClock
from drivers.errors import DeviceError, DeviceGone, MediumUnsupported
from drivers.tape import StTapeDrive, TapeOptions, hold, inquest, verdicts
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import Op
from tests.drivers.tape.recorded import recorded

OPERATIONS: dict[str, Callable[[StTapeDrive], object]] = {
    "status": lambda drive: drive.status(),
    "statistics": lambda drive: drive.statistics(),
    "wait_ready": lambda drive: drive.wait_ready(5),
    "rewind": lambda drive: drive.rewind(),
    "tell": lambda drive: drive.tell(),
    "seek": lambda drive: drive.seek(Address(3)),
    "append": lambda drive: drive.append(io.BytesIO(b"x")),
    "flush": lambda drive: drive.flush(),
    "read": lambda drive: next(drive.read()),
    "unload": lambda drive: drive.unload(),
}


def device(folder: Path, product: str = "ULT3580-TD8") -> AttachedDevice:
    return AttachedDevice(AttachedKind.TAPE, "NO-SUCH-DRIVE", "IBM", product, "1", folder / "sg1", folder / "nst0")


@pytest.fixture
def drive(tmp_path: Path) -> StTapeDrive:
    return StTapeDrive("drive0", device(tmp_path), SystemClock(), TapeOptions(turn_s=0.01))


@pytest.fixture
def misnamed(tmp_path: Path, drive: StTapeDrive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The drive's node is an ordinary file."""
    node = tmp_path / "nst0"
    node.write_bytes(b"precious")
    monkeypatch.setattr(hold, "find", lambda serial, kind: device(tmp_path))
    yield node
    assert node.read_bytes() == b"precious"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_drive_that_is_not_attached_is_gone(drive: StTapeDrive, operation: str) -> None:
    with pytest.raises(DeviceGone, match="NO-SUCH-DRIVE"):
        OPERATIONS[operation](drive)
    drive.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_no_tape_drive_is_an_error_and_left_as_it_is(
    drive: StTapeDrive, misnamed: Path, operation: str
) -> None:
    with pytest.raises(DeviceError):
        OPERATIONS[operation](drive)


def test_a_node_that_went_is_gone(drive: StTapeDrive, misnamed: Path) -> None:
    content = misnamed.read_bytes()
    misnamed.unlink()
    with pytest.raises(DeviceGone, match="ENOENT"):
        drive.rewind()
    misnamed.write_bytes(content)


def test_a_drive_without_its_kernel_driver_is_gone(
    tmp_path: Path, drive: StTapeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = AttachedDevice(AttachedKind.TAPE, "NO-SUCH-DRIVE", "IBM", "ULT3580-TD8", "1", tmp_path / "sg1")
    monkeypatch.setattr(hold, "find", lambda serial, kind: bare)
    with pytest.raises(DeviceGone):
        drive.rewind()


def test_name_serial_and_model_come_from_the_device(tmp_path: Path, drive: StTapeDrive) -> None:
    assert (drive.name, drive.serial, drive.model) == ("drive0", "NO-SUCH-DRIVE", "LTO-8")
    given = StTapeDrive("d", device(tmp_path, "T10000"), SystemClock(), TapeOptions(model="LTO-7"))
    assert given.model == "LTO-7"
    with pytest.raises(MediumUnsupported, match="T10000"):
        StTapeDrive("d", device(tmp_path, "T10000"), SystemClock())


def test_a_busy_drive_repeats_its_last_answer(drive: StTapeDrive) -> None:
    held, done = threading.Event(), threading.Event()

    def work() -> None:
        with drive._turn_lock:
            held.set()
            done.wait(30)

    worker = threading.Thread(target=work)
    worker.start()
    held.wait(30)
    assert drive.status() == DriveStatus(False, False)
    done.set()
    worker.join()


class TestEvidence:
    """What is found out about a device that answers nothing."""

    @pytest.fixture
    def tape(self, tmp_path: Path) -> Iterator[TapeDevice]:
        (tmp_path / "nst0").write_bytes(b"precious")
        tape = TapeDevice(tmp_path / "nst0")
        yield tape
        tape.close()

    @pytest.fixture
    def tools(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """sg_logs says what a recorded drive said."""
        monkeypatch.setattr(inquest, "state", lambda device: "running")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        for page, name in (("0x17", "logs_0x17"), ("0x2e", "logs_0x2e-set")):
            (tmp_path / page).write_text(recorded(name).stdout)
        self.script(tmp_path, 'cat "${0%/*}/$2"')
        return tmp_path

    def script(self, folder: Path, body: str) -> None:
        path = folder / "sg_logs"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def test_a_device_that_is_gone_is_not_asked(self, tmp_path: Path, tape: TapeDevice) -> None:
        found = inquest.evidence(errno.EIO, 7, verdicts.reading, device(tmp_path), tape, "A")
        assert found.gone and (found.expected, found.position, found.volume) == (7, None, "A")

    def test_the_cartridge_and_the_alerts_are_asked(self, tmp_path: Path, tape: TapeDevice, tools: Path) -> None:
        found = inquest.evidence(errno.EIO, 7, verdicts.writing, device(tmp_path), tape, "A")
        assert found.volume_now == "SVOL001L6"
        assert found.alerts == {3, 20}
        assert found.position is None and found.sense is None and found.end_of_data is None

    def test_an_end_that_cannot_be_reached_is_not_told(self, tmp_path: Path, tape: TapeDevice, tools: Path) -> None:
        found = inquest.evidence(errno.EIO, 7, verdicts.seeking, device(tmp_path), tape, None)
        assert found.end_of_data is None and found.volume_now == "SVOL001L6"

    @pytest.mark.parametrize(("position", "sense"), [(7, "medium error"), (8, "medium error"), (0, None)])
    def test_a_block_is_read_again_only_where_the_first_read_was(
        self, tmp_path: Path, tools: Path, position: int, sense: str | None
    ) -> None:
        (tmp_path / "sg_raw").write_text("#!/bin/sh\necho 'Sense key: Medium Error'\nexit 3\n")
        (tmp_path / "sg_raw").chmod(0o755)

        class Placed(TapeDevice):
            def position(self) -> int:
                return position

        (tmp_path / "nst0").touch()
        tape = Placed(tmp_path / "nst0")
        found = inquest.evidence(errno.EIO, 7, verdicts.reading, device(tmp_path), tape, None)
        assert (found.sense.key if found.sense else None) == sense
        tape.close()

    @pytest.mark.parametrize("status", [6, 15])
    def test_a_drive_that_has_other_news_leaves_the_identity_open(
        self, tmp_path: Path, tape: TapeDevice, tools: Path, status: int
    ) -> None:
        self.script(tools, f"exit {status}")
        found = inquest.evidence(errno.EIO, 7, verdicts.writing, device(tmp_path), tape, "A")
        assert found.volume_now is None
        with pytest.raises(OSError):
            tape.do(Op.REWIND)
