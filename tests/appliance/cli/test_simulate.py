"""`firn simulate` as a person uses it: started as a process, spoken to by an initiator, killed, started again."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance.cli import app
from tests.support.initiator import Initiator, Result

LIMIT_S = 60.0
TEST_UNIT_READY = bytes(6)
REWIND = b"\x01" + bytes(5)
LOAD_FROM_FIRST_SLOT = 0xA5


class Simulating:
    """A running `firn simulate`."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "simulate", *arguments, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.output = ""
        found = self._wait_for(r"presented as (\S+) on 127\.0\.0\.1:(\d+)\.\n[\s\S]*Ctrl-C")
        self.iqn, self.port = found[1], int(found[2])

    def _wait_for(self, pattern: str) -> re.Match[str]:
        stream = self.process.stdout
        assert stream is not None
        deadline = time.monotonic() + LIMIT_S
        while (found := re.search(pattern, self.output)) is None:
            assert select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0], self.output
            piece = os.read(stream.fileno(), 65_536).decode()
            assert piece, f"it ended: {self.output}"
            self.output += piece
        return found

    def login(self) -> Initiator:
        return Initiator(self.port, self.iqn).login()

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Simulating]]:
    started: list[Simulating] = []

    def start(*arguments: str) -> Simulating:
        started.append(Simulating(str(tmp_path / "trial"), *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(LIMIT_S)
        assert one.process.stdout is not None
        one.process.stdout.close()


def settled(initiator: Initiator, lun: int, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> Result:
    """The result of a command behind what a drive says first: unit attentions, and that it is becoming ready."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        result = initiator.execute(lun, cdb, data_out, data_in_bytes)
        if result.sense_key != 6 and result.asc != (0x04, 0x01):
            return result
        assert time.monotonic() < deadline, f"without end: {result}"


def elements(initiator: Initiator) -> tuple[int, int]:
    """Addresses of the first slot and of the first drive, as the changer tells them."""
    page = settled(initiator, 0, bytes([0x1A, 0x08, 0x1D, 0, 255, 0]), data_in_bytes=255).data[4:]
    return int.from_bytes(page[6:8]), int.from_bytes(page[14:16])


def load(initiator: Initiator) -> None:
    """Bring the first tape into the first drive and wind it to its beginning."""
    slot, drive = elements(initiator)
    move = bytes([LOAD_FROM_FIRST_SLOT, 0, 0, 0, *slot.to_bytes(2), *drive.to_bytes(2), 0, 0, 0, 0])
    assert settled(initiator, 0, move).status == 0
    assert settled(initiator, 1, REWIND).status == 0


def write(initiator: Initiator, block: bytes) -> Result:
    return settled(initiator, 1, b"\x0a\0" + len(block).to_bytes(3) + b"\0", block)


def read(initiator: Initiator, length: int) -> Result:
    return settled(initiator, 1, b"\x08\0" + length.to_bytes(3) + b"\0", data_in_bytes=length)


def test_what_was_written_is_there_after_a_kill_and_a_new_start(simulate: Callable[..., Simulating]) -> None:
    first = simulate("--create", "tape", "--volume-bytes", "20000000")
    assert "iscsiadm -m discovery -t sendtargets" in first.output
    assert f"-T {first.iqn}" in first.output
    assert "SIMTAPE01" in first.output
    block = bytes(range(256)) * 1024
    with Initiator(first.port) as asking:
        assert asking.discover()[0] == ("TargetName", first.iqn)
    with first.login() as initiator:
        load(initiator)
        assert [write(initiator, block).status for _ in range(3)] == [0, 0, 0]
        assert settled(initiator, 1, bytes([0x10, 0, 0, 0, 1, 0])).status == 0, "a filemark, and all is on the tape"
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL

    again = simulate()
    with again.login() as initiator:
        assert settled(initiator, 1, REWIND).status == 0, "the tape is still in the drive"
        assert [read(initiator, len(block)).data for _ in range(3)] == [block] * 3
        assert read(initiator, len(block)).sense[2] & 0x80, "and then the filemark"
        assert initiator.logout() == 0
    assert again.stop(signal.SIGTERM) == 0


def test_a_second_owner_is_told_who_has_the_library(simulate: Callable[..., Simulating], tmp_path: Path) -> None:
    first = simulate("--create", "tape")
    refused = CliRunner().invoke(app, ["simulate", str(tmp_path / "trial"), "--listen", "127.0.0.1:0"])
    assert refused.exit_code == 7
    assert "another `firn simulate`" in " ".join(refused.stderr.split())
    assert first.stop(signal.SIGINT) == 0


def test_drives_without_a_robot_are_presented_too(simulate: Callable[..., Simulating]) -> None:
    running = simulate("--create", "drives", "--drives", "1", "--real-time", "--iqn", "iqn.2026-01.test:d")
    assert running.iqn == "iqn.2026-01.test:d"
    assert "the robot" not in running.output
    with running.login() as initiator:
        inquiry = initiator.execute(0, bytes([0x12, 0, 0, 0, 36, 0]), data_in_bytes=36).data
        assert (inquiry[0], inquiry[8:12], inquiry[16:24]) == (1, b"FIRN", b"SIM-LTO8")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--create", "disc"], 2, "choose tape or drives"),
        ([], 4, "--create tape"),
        (["--create", "tape", "--listen", "here"], 2, "127.0.0.1:3260"),
        (["--create", "tape", "--listen", "127.0.0.1:99999"], 2, "127.0.0.1:3260"),
        (["--create", "tape", "--iqn", "library"], 2, "no iSCSI name"),
        (["--create", "tape", "--real-time", "--time-scale", "2"], 2, "not both"),
        (["--create", "tape", "--time-scale", "0"], 2, "above 0"),
        (["--create", "tape", "--listen", "192.0.2.1:3260"], 7, "cannot be listened on"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_status(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "trial"), *arguments])
    assert result.exit_code == status, result.output
    assert said in " ".join(result.stderr.split())


def test_a_library_of_recorders_is_refused(tmp_path: Path) -> None:
    from drivers.simulator import SimulatedLibrary, demo_specs

    SimulatedLibrary.create(tmp_path, demo_specs()[1])
    result = CliRunner().invoke(app, ["simulate", str(tmp_path)])
    assert result.exit_code == 3
    assert "no SCSI face" in result.stderr


def test_another_address_is_said_to_be_open_to_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr("appliance.serve.stop_on_signals", lambda: stopped)
    for address, open_to_all in (("0.0.0.0:0", True), ("127.0.0.1:0", False)):
        result = CliRunner().invoke(app, ["simulate", str(tmp_path / "t"), "--create", "tape", "--listen", address])
        assert result.exit_code == 0, result.output
        assert ("no password" in result.output) == open_to_all
