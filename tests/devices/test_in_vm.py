"""The short part of the devices tests, run in the test machine; its results are reported here as this machine's own.

`make test-devices` runs all of them. FIRN_TEST_VM=1 adds the short part to `make test`; without it nothing is booted.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.devices.conftest import IN_MACHINE

ROOT = Path(__file__).parents[2]
LIMIT_S = 480
SHORT = ("test_simulated_changer", "test_simulated_tape", "test_short_life")

pytestmark = [
    pytest.mark.timeout(LIMIT_S + 400),  # the machine is made first, once
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
            done = subprocess.run(argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
        self.status = done.returncode
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
