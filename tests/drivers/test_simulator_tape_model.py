"""A simulated tape against a list: whatever is done to it, in any order, it holds what a tape would hold."""

import io
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers.base import RECORD_BYTES, Address, Barcode, TapeDrive
from drivers.errors import DeviceError, EndOfData, EndOfMedium, UnitAttention
from drivers.simulator import SimulatedLibrary
from tests.support.library import make_library, virtual_clock

_CAPACITY_BYTES = 12 * RECORD_BYTES
_RESERVE_BYTES = 2 * RECORD_BYTES


class TapeMachine(RuleBasedStateMachine):
    """`blocks` is the reference: bytes for a record, None for a filemark."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = virtual_clock()
        self.blocks: list[bytes | None] = []
        self.at = 0
        self.warned = False
        self.flushed = 0
        self.library: SimulatedLibrary
        self.drive: TapeDrive

    def teardown(self) -> None:
        self.library.close()
        self.folder.cleanup()

    def open(self) -> None:
        self.library = make_library(
            Path(self.folder.name), self.clock, tapes=("A00001L8",), drives=1, tape_bytes=_CAPACITY_BYTES
        )
        self.drive = self.library.tape_drives[0]

    @initialize()
    def start(self) -> None:
        self.open()
        self.load()

    def load(self) -> None:
        self.library.changer.load(1, 0)
        self.drive.wait_ready(300)
        self.drive.rewind()
        self.at, self.warned = 0, False

    def used_bytes(self, end: int) -> int:
        return sum(len(block) for block in self.blocks[:end] if block is not None)

    @rule(sizes=st.lists(st.sampled_from([1, 1000, RECORD_BYTES]), max_size=4), fill=st.integers(0, 255))
    def write(self, sizes: list[int], fill: int) -> None:
        data = bytes([fill]) * sum(sizes)
        records = [data[n : n + RECORD_BYTES] for n in range(0, len(data), RECORD_BYTES)]
        first = self.at
        limit = _CAPACITY_BYTES - _RESERVE_BYTES
        if self.used_bytes(first) <= limit:
            self.warned = False
        expected: list[bytes | None] = []
        full = False
        for record in records:
            used = self.used_bytes(first) + sum(len(block or b"") for block in expected)
            if used + len(record) > _CAPACITY_BYTES or (used > limit and not self.warned):
                full = self.warned = True
                break
            expected.append(record)
        if not full:
            expected.append(None)
        try:
            address = self.drive.append(io.BytesIO(data))
        except EndOfMedium:
            assert full
        else:
            assert not full
            assert address == first
        if expected:
            self.blocks[first:] = expected
            self.flushed = min(self.flushed, first)
        self.at = first + len(expected)

    @rule()
    def flush(self) -> None:
        self.drive.flush()
        self.flushed = len(self.blocks)

    @rule(address=st.integers(0, 40))
    def seek(self, address: int) -> None:
        try:
            self.drive.seek(Address(address))
        except EndOfData:
            assert address > len(self.blocks)
        else:
            assert address <= len(self.blocks)
        self.at = min(address, len(self.blocks))

    @rule()
    def rewind(self) -> None:
        self.drive.rewind()
        self.at = 0

    @rule()
    def read(self) -> None:
        behind = self.blocks[self.at :]
        expected = behind[: behind.index(None)] if None in behind else behind
        found: list[bytes] = []
        try:
            for record in self.drive.read():
                found.append(record)
        except EndOfData:
            assert None not in behind
            self.at += len(expected)
        else:
            assert None in behind
            self.at += len(expected) + 1
        assert found == expected

    @rule()
    def reopen(self) -> None:
        self.library.close()
        self.warned, self.flushed = False, len(self.blocks)
        self.open()

    @rule()
    def remount(self) -> None:
        self.drive.unload()
        self.library.changer.unload(0, 1)
        self.flushed = len(self.blocks)
        self.load()

    @precondition(lambda self: len(self.blocks) > 1)
    @rule()
    def abandon_a_read(self) -> None:
        self.drive.rewind()
        for _ in self.drive.read():
            break
        self.drive.seek(Address(len(self.blocks)))
        self.at = len(self.blocks)

    @rule()
    def reset(self) -> None:
        self.library.faults.add("unit attention")
        self.hear_of_it()

    @rule(before=st.integers(0, 2))
    def lose_power(self, before: int) -> None:
        """While a file is written, after so many of its records."""
        if self.used_bytes(self.at) + 3 * RECORD_BYTES > _CAPACITY_BYTES - _RESERVE_BYTES:
            return
        self.library.faults.add(f"lose power after {before} records" if before else "lose power")
        try:
            self.drive.append(io.BytesIO(bytes(3 * RECORD_BYTES)))
            raise AssertionError("the power was not lost")
        except DeviceError:
            kept = min(self.flushed, self.at) if before else self.flushed
            self.blocks = self.blocks[:kept]
            self.flushed, self.warned = kept, False
        self.hear_of_it()

    def hear_of_it(self) -> None:
        try:
            self.drive.tell()
            raise AssertionError("the reset was not told")
        except UnitAttention:
            self.at = 0

    @invariant()
    def the_head_is_where_it_should_be(self) -> None:
        if hasattr(self, "drive"):
            assert self.drive.tell() == self.at
            assert self.library.changer.inventory().find(Barcode("A00001L8")) is not None


TestTape = TapeMachine.TestCase
TestTape.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
