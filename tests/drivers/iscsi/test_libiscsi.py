"""An initiator that is not ours: libiscsi's tools, and what of its test suite concerns iSCSI itself."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from drivers.iscsi import IscsiTarget
from tests.drivers.iscsi.conftest import IQN
from tests.drivers.iscsi.units import MemoryDisk

pytestmark = pytest.mark.skipif(shutil.which("iscsi-test-cu") is None, reason="needs Debian's package libiscsi-bin")


@pytest.fixture
def portal() -> Iterator[str]:
    """The address of a target with one disk."""
    with IscsiTarget(IQN, {0: MemoryDisk()}, port=0) as target:
        yield f"127.0.0.1:{target.port}"


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_libiscsi_finds_the_target_and_its_units(portal: str) -> None:
    listed = run("iscsi-ls", "-s", f"iscsi://{portal}")
    assert f"Target:{IQN} Portal:{portal},1" in listed
    assert "Lun:0    Type:DIRECT_ACCESS" in listed


def test_libiscsi_asks_a_unit_who_it_is(portal: str) -> None:
    assert "Product:MEMORY DISK" in run("iscsi-inq", f"iscsi://{portal}/{IQN}/0")


def test_libiscsi_has_nothing_to_complain_about(portal: str) -> None:
    """Command numbers, data numbers, residuals, aborts and resets."""
    said = run("iscsi-test-cu", "--dataloss", "--normal", "--test=iSCSI", f"iscsi://{portal}/{IQN}/0")
    tests = re.search(r"tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", said)
    assert tests is not None, said
    total, ran, passed, failed = map(int, tests.groups())
    assert (ran, passed, failed) == (total, total, 0), said
    assert total >= 15
