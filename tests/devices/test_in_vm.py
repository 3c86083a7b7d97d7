"""The short part of the devices tests, run in the test machine; its results are reported here as this machine's own.

`make test-devices` runs all of them. FIRN_TEST_VM=1 adds the short part to `make test`; without it nothing is booted.
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
LIMIT_S = 480
MAKING_LIMIT_S = 900  # the machine itself, once
SHORT = ("test_simulated_changer", "test_simulated_tape", "test_short_life")

pytestmark = [
    # Above every limit within: when pytest's own is reached, it takes the whole worker with it.
    pytest.mark.timeout(MAKING_LIMIT_S + LIMIT_S + 300),
    pytest.mark.skipif(IN_MACHINE, reason="this is the test machine"),
    pytest.mark.skipif(os.environ.get("FIRN_TEST_VM") != "1", reason="boots a machine: FIRN_TEST_VM=1 runs it"),
]


class Machine:
    """What the test machine said."""

    def __init__(self, folder: Path) -> None:
        files = [f"tests/devices/{name}.py" for name in SHORT]
        argv = [".ci/vm/pytest.sh", str(folder), str(LIMIT_S), "-m", "devices", *files]
        log = folder / "log"
        with log.open("w") as output:
            # Not captured by a pipe: what the machine leaves running for a moment must not hold us up.
            process = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                self.status = process.wait(MAKING_LIMIT_S + LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)  # the scripts and the machine
                self.status = process.wait(60)
        self.said = log.read_text(errors="replace")
        results = folder / "results.xml"
        root = ElementTree.parse(results).getroot() if results.exists() else ElementTree.Element("nothing")
        self.cases = list(root.iter("testcase"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Started once, for all tests of this file."""
    yield Machine(tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("name", SHORT)
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
