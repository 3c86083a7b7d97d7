"""A process that is killed at any moment leaves a library another one can open, and what was flushed is there."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.base import Barcode, DiscState
from drivers.errors import EndOfData, UnitAttention
from tests.drivers.contract.tape_contract import read_all
from tests.support.library import make_library, virtual_clock

pytestmark = pytest.mark.crash

_ROOT = Path(__file__).parents[2]

_WRITER = """
import hashlib, io, json, sys, itertools
from pathlib import Path
from tests.support.library import make_library, virtual_clock
library = make_library(Path(sys.argv[1]), virtual_clock(), tapes=("A00001L8", "A00002L8"), tape_bytes=4_000_000_000)
library.changer.load(1, 0)
drive = library.tape_drives[0]
drive.wait_ready(300)
drive.rewind()
for n in itertools.count():
    data = bytes([n % 251]) * (100_000 + 77_777 * (n % 13))
    address = drive.append(io.BytesIO(data))
    if n % 5 == 4:
        drive.flush()
    print(json.dumps([address, hashlib.sha256(data).hexdigest(), n % 5 == 4]), flush=True)
"""

_ROBOT = """
import sys, itertools
from pathlib import Path
from tests.support.library import make_library, virtual_clock
library = make_library(Path(sys.argv[1]), virtual_clock(), tapes=("A00001L8", "A00002L8"))
for n in itertools.count():
    drive = library.tape_drives[n % 2]
    library.changer.load(1, n % 2)
    drive.wait_ready(300)
    drive.rewind()
    drive.unload()
    library.changer.unload(n % 2, 1)
    print(n, flush=True)
"""

_BURNER = """
import sys
from pathlib import Path
from tests.support.library import make_library, virtual_clock
library = make_library(Path(sys.argv[1]), virtual_clock(), discs=("D00001",), disc_bytes=4_000_000_000)
class Telling:
    def __init__(self, clock): self.clock, self.now = clock, clock.now
    def sleep(self, seconds):
        self.clock.sleep(seconds)
        print("burning", flush=True)
library.changer.load(1, 0)
recorder = library.recorders[0]
recorder.wait_ready(300)
recorder._clock = Telling(recorder._clock)
recorder.burn(Path(sys.argv[2]))
"""


def killed_after(lines: int, script: str, *arguments: str) -> list[str]:
    """Run a script, kill it after it printed so many lines, and give back everything it printed."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    process.wait(30)
    assert all(told[:lines]), "the script ended by itself"
    return [line for line in told if line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 6, 33])
def test_a_killed_writer_leaves_what_it_flushed(tmp_path: Path, lines: int) -> None:
    told = [json.loads(line) for line in killed_after(lines, _WRITER, str(tmp_path))]

    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8", "A00002L8")) as library:
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        try:
            drive.tell()
        except UnitAttention:
            pass  # killed in the middle of a write
        drive.rewind()
        for address, digest, _ in told:  # a kill of the process loses nothing the drive had taken
            assert drive.tell() == address
            assert hashlib.sha256(read_all(drive)).hexdigest() == digest
        end = drive.tell()
        try:
            for _ in drive.read():  # a torn file may follow, or one whose end was not told any more
                pass
        except EndOfData:
            pass
        drive.seek(end)
        drive.append((tmp_path / "test" / "library.json").open("rb"))
        drive.seek(end)
        assert read_all(drive) == (tmp_path / "test" / "library.json").read_bytes()


@pytest.mark.parametrize("lines", [1, 20])
def test_a_killed_robot_leaves_every_volume_in_one_place(tmp_path: Path, lines: int) -> None:
    killed_after(lines, _ROBOT, str(tmp_path))

    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8", "A00002L8")) as library:
        inventory = library.changer.inventory()
        assert sorted(e.barcode for e in inventory.elements if e.full and e.barcode) == ["A00001L8", "A00002L8"]
        for drive in inventory.drives():
            if drive.full:
                library.tape_drives[drive.index].unload()
                library.changer.unload(drive.index, 1)
        library.changer.load(1, 0)
        library.tape_drives[0].wait_ready(300)
        library.tape_drives[0].rewind()


def test_a_killed_burn_leaves_an_unreadable_disc(tmp_path: Path) -> None:
    image = tmp_path / "image.iso"
    with image.open("wb") as file:
        file.truncate(2_000_000_000)
    killed_after(3, _BURNER, str(tmp_path), str(image))

    with make_library(tmp_path, virtual_clock(), discs=("D00001",)) as library:
        library.recorders[0].wait_ready(300)
        assert library.recorders[0].status().state is DiscState.UNREADABLE
        assert library.changer.inventory().find(Barcode("D00001")) is not None
