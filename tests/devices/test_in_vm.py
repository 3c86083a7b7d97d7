"""The short part of the devices tests, run in the test machine; its results are reported here as this machine's own.

`make test-devices` runs all of them. FIRN_TEST_VM=0 leaves the short part out, too: then nothing is booted.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.devices.conftest import IN_MACHINE

ROOT = Path(__file__).parents[2]
LIMIT_S = 900
MAKING_LIMIT_S = 900  # the machine itself, once
ENDING_LIMIT_S = 60
# Small enough to run beside other tests on an emulated processor, and what else could go wrong by itself between the
# kernel and the drivers: moves and refusals of the robot, positions, ends, protection of a tape.
ROBOT, TAPE = "test_simulated_changer", "test_simulated_tape"
_IN_TAPE = f"tests/devices/{TAPE}.py::TestStTapeDriveOnTheSimulator::"
SHORT = (
    f"tests/devices/{ROBOT}.py",
    f"{_IN_TAPE}test_what_was_written_is_read_back",
    f"{_IN_TAPE}test_behind_the_last_file_there_is_no_data",
    f"{_IN_TAPE}test_data_survive_a_remount",
    f"{_IN_TAPE}test_a_protected_volume_is_read_and_not_written",
    f"{_IN_TAPE}test_a_volume_fills_up_and_still_takes_a_trailer",
    f"{_IN_TAPE}test_the_hard_end_is_final",
)

pytestmark = [
    # Above every limit within: when pytest's own is reached, it takes the whole worker with it.
    pytest.mark.timeout(MAKING_LIMIT_S + LIMIT_S + ENDING_LIMIT_S + 300),
    pytest.mark.skipif(IN_MACHINE, reason="this is the test machine"),
    pytest.mark.skipif(os.environ.get("FIRN_TEST_VM") == "0", reason="FIRN_TEST_VM=0: nothing is booted"),
]


class Machine:
    """What the test machine said."""

    def __init__(self, folder: Path) -> None:
        argv = [".ci/vm/pytest.sh", str(folder), str(LIMIT_S), "-m", "devices", "--durations=5", *SHORT]
        log = folder / "log"
        with log.open("w") as output:
            # Not captured by a pipe: what the machine leaves running for a moment must not hold us up.
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self.status = process.wait(MAKING_LIMIT_S + LIMIT_S)
            except subprocess.TimeoutExpired:
                self.status = _ended(process)
        self.said = log.read_text(errors="replace")
        results = folder / "results.xml"
        root = ElementTree.parse(results).getroot() if results.exists() else ElementTree.Element("nothing")
        self.cases = list(root.iter("testcase"))


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Have the scripts and the machine end; the status of the first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            return process.wait(ENDING_LIMIT_S / 2)
        except subprocess.TimeoutExpired:
            continue
    return -signal.SIGKILL


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Started once, for all tests of this file; where that cannot be done at all, they are skipped."""
    able = subprocess.run(
        [".ci/vm/build.sh", "check"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if able.returncode == 1 and able.stdout:
        pytest.skip(able.stdout.strip())
    assert able.returncode == 0, able.stderr
    yield Machine(tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("name", [ROBOT, TAPE])
def test_the_devices_tests_pass_in_the_test_machine(machine: Machine, name: str) -> None:
    cases = [case for case in machine.cases if f".{name}" in case.get("classname", "")]
    faults = [
        f"{case.get('name')}: {fault.get('message')}\n{fault.text}"
        for case in cases
        for kind in ("failure", "error")
        for fault in case.iter(kind)
    ]
    assert not faults, "\n\n".join(faults)
    assert cases, f"the test machine ran nothing of {name}; it said:\n{machine.said[-6000:]}"
    assert not all(case.find("skipped") is not None for case in cases), f"everything in {name} was skipped"


def test_the_test_machine_ended_well(machine: Machine) -> None:
    assert machine.status == 0, machine.said[-6000:]
