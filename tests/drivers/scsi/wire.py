"""An initiator without a wire: sends CDBs to the units of a simulated library and reads what comes back."""

from dataclasses import dataclass

from drivers.clock import Clock
from drivers.scsi.sense import Sense
from drivers.scsi.unit import LogicalUnit, Outcome, Status
from drivers.simulator import SimulatedLibrary
from drivers.simulator.scsi import units

BLOCK = bytes(range(256)) * 16  # 4 KiB
LOAD_S = 30.0  # more than any drive takes


@dataclass(frozen=True)
class Answer:
    """How one command ended."""

    outcome: Outcome

    @property
    def good(self) -> bool:
        return self.outcome.status is Status.GOOD

    @property
    def data(self) -> bytes:
        return self.outcome.data

    @property
    def sense(self) -> Sense:
        assert self.outcome.status is Status.CHECK_CONDITION, self.outcome
        return Sense.decode(self.outcome.sense)


class Wire:
    """One nexus to all units of a library; LUN 0 is the changer, LUN 1 and on the tape drives."""

    def __init__(self, library: SimulatedLibrary, nexus: str = "host", shared: "Wire | None" = None) -> None:
        self.library = library
        self.units: dict[int, LogicalUnit] = dict(units(library)) if shared is None else shared.units
        self.nexus = nexus
        self.clock: Clock = library.clock

    def send(self, lun: int, cdb: str, data: bytes = b"", nexus: str | None = None) -> Answer:
        """Send one CDB, written in hexadecimal digits and blanks."""
        return Answer(self.units[lun].execute(nexus or self.nexus, bytes.fromhex(cdb), data, lambda: False))

    def changer(self, cdb: str) -> Answer:
        return self.send(0, cdb)

    def tape(self, cdb: str, data: bytes = b"") -> Answer:
        return self.send(1, cdb, data)

    def settle(self) -> None:
        """Hear the unit attentions that wait everywhere."""
        for lun in self.units:
            for _ in range(5):
                if self.send(lun, "00 00 00 00 00 00").outcome.sense[2:3] != b"\x06":
                    break

    def load(self, slot: int = 1, drive: int = 0) -> None:
        """Have the robot load a drive, wait until it is ready and hear of it."""
        answer = self.changer(f"a5 00 0001 {1000 + slot:04x} {256 + drive:04x} 0000 00 00")
        assert answer.good, answer.sense
        self.clock.sleep(LOAD_S)
        self.settle()

    def unload(self, slot: int = 1, drive: int = 0) -> None:
        """Have the drive let go and the robot take the volume back."""
        assert self.send(1 + drive, "1b 00 00 00 00 00").good
        answer = self.changer(f"a5 00 0001 {256 + drive:04x} {1000 + slot:04x} 0000 00 00")
        assert answer.good, answer.sense

    def write(self, data: bytes = BLOCK) -> Answer:
        return self.tape(f"0a 00 {len(data):06x} 00", data)

    def read(self, size_bytes: int = len(BLOCK)) -> Answer:
        return self.tape(f"08 00 {size_bytes:06x} 00")

    def mark(self, count: int = 1, immediate: bool = True) -> Answer:
        return self.tape(f"10 {immediate:02x} {count:06x} 00")

    def flush(self) -> Answer:
        return self.tape("10 00 000000 00")

    def rewind(self) -> Answer:
        return self.tape("01 00 00 00 00 00")

    def locate(self, block: int) -> Answer:
        return self.tape(f"2b 00 00 {block:08x} 00 00 00")

    def space(self, code: int, count: int) -> Answer:
        return self.tape(f"11 {code:02x} {count & 0xFFFFFF:06x} 00")

    @property
    def position(self) -> int:
        """What READ POSITION says."""
        answer = self.tape("34 00 00 00 00 00 00 00 00 00")
        assert answer.good, answer.sense
        return int.from_bytes(answer.data[4:8], "big")

    def log(self, page: int, lun: int = 1) -> dict[int, int]:
        """The parameters of a log page as numbers."""
        answer = self.send(lun, f"4d 00 {0x40 | page:02x} 00 00 00 00 10 00 00")
        assert answer.good, answer.sense
        found, offset = {}, 4
        while offset < len(answer.data):
            length = answer.data[offset + 3]
            found[int.from_bytes(answer.data[offset : offset + 2], "big")] = int.from_bytes(
                answer.data[offset + 4 : offset + 4 + length], "big"
            )
            offset += 4 + length
        return found

    def alerts(self) -> set[int]:
        """The TapeAlert flags that are up; reading takes them down."""
        return {flag for flag, up in self.log(0x2E).items() if up}
