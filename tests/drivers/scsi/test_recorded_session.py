"""What Debian's kernel and tools sent to a library is answered here as it was there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.base import Barcode
from drivers.scsi.sense import Key, Sense
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from tests.drivers.scsi.wire import LOAD_S, Wire
from tests.support.library import virtual_clock

_SESSION = Path(__file__).parents[1] / "recorded" / "cdb" / "session.txt"
# Answers whose length depends on what a drive has to say: log pages, mode pages, attributes, densities, identity.
_OWN_LENGTH = frozenset({"4d", "5a", "8c", "44"})
_MOVE = "a5"


@dataclass(frozen=True)
class Step:
    """One line of the recording."""

    line: str
    lun: int
    cdb: str
    sense: Sense | None
    size_bytes: int
    times: int
    data: bytes


def _steps() -> Iterator[Step | str]:
    for line in _SESSION.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("!"):
            yield line.split()[-1]
            continue
        words, _, data = line.partition(" < ")
        parts = words.split()
        times = int(parts.pop()[1:]) if parts[-1].startswith("x") else 1
        sense = Sense.decode(bytes.fromhex(parts[3])) if parts[2] == "sense" else None
        yield Step(line, int(parts[0]), parts[1], sense, int(parts[-1]), times, bytes.fromhex(data))


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    tapes = [VolumeSpec(Barcode(name), "LTO-8", 400_000_000) for name in ("VOL001L6", "VOL002L6", "VOL003L6")]
    tapes += [VolumeSpec(Barcode("SMALL1L6"), "LTO-8", 4_000_000), VolumeSpec(Barcode("CLN001L1"), "CLN")]
    tapes += [VolumeSpec(Barcode("NEW001L6"), "LTO-8", 400_000_000, shelf=True)]
    drives = (DriveSpec("LTO-8", "10WT000001"), DriveSpec("LTO-8", "10WT000002"))
    SimulatedLibrary.create(tmp_path / "l", LibrarySpec("00L4U78W0001", drives, 10, 2, tuple(tapes)))
    with SimulatedLibrary(tmp_path / "l", virtual_clock()) as library:
        wire = Wire(library)
        wire.settle()
        yield wire


def test_a_session_of_the_kernel_and_its_tools_goes_as_recorded(wire: Wire) -> None:
    for step in _steps():
        if isinstance(step, str):
            wire.library.hands.insert(Barcode(step))
            continue
        for _ in range(step.times):
            answer = wire.send(step.lun, step.cdb, step.data or _written_by(step.cdb))
            if step.sense is None:
                assert answer.good, f"{step.line}: {answer.sense}"
            else:
                sense = answer.sense
                if sense.key is Key.ILLEGAL_REQUEST:  # here it says which field, too
                    sense = Sense(sense.key, sense.code)
                assert sense == step.sense, f"{step.line}: {sense}"
            if step.cdb[:2] not in _OWN_LENGTH:
                assert len(answer.data) == step.size_bytes, step.line
            if step.cdb.startswith(_MOVE):  # what was recorded was loaded at once
                wire.clock.sleep(LOAD_S)


def _written_by(cdb: str) -> bytes:
    if not cdb.startswith("0a"):
        return b""
    return bytes(int(cdb[4:10], 16) * (65536 if cdb[2:4] == "01" else 1))
