"""A tape behind SCSI commands against a list: whatever is sent, in any order, it holds what a tape would hold."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivers.scsi import sense
from drivers.simulator import SimulatedLibrary
from tests.drivers.scsi.wire import Answer, Wire
from tests.support.library import make_library, virtual_clock

_RECORD = 32 * 1024
_CAPACITY = 2 * 1024 * 1024 + 512 * 1024  # the reserve is 512 KiB
_WARNING = 2 * 1024 * 1024


class WireTape(RuleBasedStateMachine):
    """`blocks` is the reference: bytes for a record, None for a filemark."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.blocks: list[bytes | None] = []
        self.at = 0
        self.library: SimulatedLibrary
        self.wire: Wire

    def teardown(self) -> None:
        self.library.close()
        self.folder.cleanup()

    @initialize()
    def start(self) -> None:
        self.library = make_library(
            Path(self.folder.name), virtual_clock(), tapes=("A00001L8",), drives=1, tape_bytes=_CAPACITY
        )
        self.wire = Wire(self.library)
        self.wire.settle()
        self.wire.load()

    def used(self, end: int) -> int:
        return sum(len(block) for block in self.blocks[:end] if block is not None)

    def expect(self, answer: Answer, said: sense.Sense | None) -> None:
        if said is None:
            assert answer.good, answer.sense
        else:
            assert answer.sense == said

    @rule(size=st.sampled_from([1, 1000, _RECORD, 8 * _RECORD]), fill=st.integers(0, 255))
    def write(self, size: int, fill: int) -> None:
        data = bytes([fill]) * size
        end = self.used(self.at) + size
        answer = self.wire.write(data)
        if end > _CAPACITY:
            self.expect(answer, sense.OVERFLOW.left(size))
            return
        self.expect(answer, sense.END_OF_MEDIUM.left(0) if end > _WARNING else None)
        self.blocks[self.at :] = [data]
        self.at += 1

    @rule(count=st.integers(0, 3), immediate=st.booleans())
    def mark(self, count: int, immediate: bool) -> None:
        near_end = count > 0 and self.used(self.at) > _WARNING
        self.expect(self.wire.mark(count, immediate), sense.END_OF_MEDIUM.left(0) if near_end else None)
        if count:
            self.blocks[self.at :] = [None] * count
            self.at += count

    @rule(size=st.sampled_from([1, 1000, _RECORD, 8 * _RECORD]))
    def read(self, size: int) -> None:
        answer = self.wire.read(size)
        if self.at == len(self.blocks):
            self.expect(answer, sense.END_OF_DATA.left(size))
            return
        block = self.blocks[self.at]
        self.at += 1
        if block is None:
            self.expect(answer, sense.FILEMARK.left(size))
            return
        self.expect(answer, sense.INCORRECT_LENGTH.left(size - len(block)) if size != len(block) else None)
        assert answer.data == block[:size]

    @rule(block=st.integers(0, 40))
    def locate(self, block: int) -> None:
        self.expect(self.wire.locate(block), sense.END_OF_DATA if block > len(self.blocks) else None)
        self.at = min(block, len(self.blocks))

    @rule(count=st.integers(-6, 6))
    def space_blocks(self, count: int) -> None:
        answer = self.wire.space(0, count)
        step = 1 if count > 0 else -1
        for done in range(abs(count)):
            if (self.at == len(self.blocks)) if step > 0 else (self.at == 0):
                said = sense.END_OF_DATA if step > 0 else sense.BEGINNING_OF_MEDIUM
                return self.expect(answer, said.left(abs(count) - done))
            block = self.blocks[self.at if step > 0 else self.at - 1]
            self.at += step
            if block is None:
                return self.expect(answer, sense.FILEMARK.left(abs(count) - done))
        return self.expect(answer, None)

    @rule(count=st.integers(-4, 4))
    def space_marks(self, count: int) -> None:
        answer = self.wire.space(1, count)
        left = abs(count)
        while left:
            if (self.at == len(self.blocks)) if count > 0 else (self.at == 0):
                said = sense.END_OF_DATA if count > 0 else sense.BEGINNING_OF_MEDIUM
                return self.expect(answer, said.left(left))
            self.at += 1 if count > 0 else -1
            left -= self.blocks[self.at - 1 if count > 0 else self.at] is None
        return self.expect(answer, None)

    @rule()
    def to_the_end(self) -> None:
        self.expect(self.wire.space(3, 0), None)
        self.at = len(self.blocks)

    @rule()
    def rewind(self) -> None:
        self.expect(self.wire.rewind(), None)
        self.at = 0

    @rule()
    def remount(self) -> None:
        self.wire.unload()
        self.wire.load()
        self.at = 0

    @rule()
    def restart(self) -> None:
        for unit in self.wire.units.values():
            unit.close()
        self.library.close()
        self.library = make_library(
            Path(self.folder.name), virtual_clock(), tapes=("A00001L8",), drives=1, tape_bytes=_CAPACITY
        )
        self.wire = Wire(self.library)
        self.wire.settle()
        self.at = 0

    @rule()
    def through_the_other_face(self) -> None:
        """The drive in this process is the same one: it reads what was sent over the wire."""
        drive = self.library.tape_drives[0]
        drive.rewind()
        expected = self.blocks[: self.blocks.index(None)] if None in self.blocks else None
        if expected is not None:
            assert list(drive.read()) == expected
            assert drive.tell() == len(expected) + 1
            self.at = len(expected) + 1
        else:
            self.at = 0

    @invariant()
    def the_head_is_where_it_should_be(self) -> None:
        if hasattr(self, "wire"):
            assert self.wire.position == self.at


TestWireTape = WireTape.TestCase
TestWireTape.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
