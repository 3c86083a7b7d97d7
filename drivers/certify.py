"""Exercises a tape drive and a cartridge, step by step, and reports what worked, how fast and what was said.

Everything on the cartridge is written over. Works on any TapeDrive.
"""

import hashlib
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from drivers.base import RECORD_BYTES, Address, DriveStatus, TapeDrive, VolumeStatistics
from drivers.clock import Clock
from drivers.errors import DriverError, EndOfData

_BASE_BYTES = 4 * 1024 * 1024
_FILES = 5
MEGABYTE = 1_000_000


class StepFailed(Exception):
    """A drive did something else than it should."""


@dataclass(frozen=True)
class Step:
    """One thing that was tried."""

    name: str
    good: bool
    detail: str  # what was found, or what went wrong
    duration_s: float


@dataclass
class Report:
    """What a drive showed. `write_bytes_s` and `read_bytes_s` are of the long file, flush included."""

    name: str
    serial: str
    model: str
    began_at: datetime
    steps: list[Step] = field(default_factory=list)
    status: DriveStatus | None = None
    statistics: VolumeStatistics | None = None
    write_bytes_s: float | None = None
    read_bytes_s: float | None = None

    @property
    def good(self) -> bool:
        """Whether every step succeeded."""
        return bool(self.steps) and all(step.good for step in self.steps)


class Pattern(io.RawIOBase):
    """So many bytes that no drive can compress, the same ones each time; each record is unlike the others."""

    _base = random.Random(20240101).randbytes(_BASE_BYTES)

    def __init__(self, size_bytes: int, seed: int) -> None:
        super().__init__()
        self._left_bytes, self._number = size_bytes, seed
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """The next record, at most."""
        wanted = min(RECORD_BYTES if size < 0 else size, RECORD_BYTES, self._left_bytes)
        start = self._number * 7919 % (_BASE_BYTES - RECORD_BYTES)
        piece = self._base[start : start + wanted]
        self._left_bytes -= len(piece)
        self._number += 1
        self.digest.update(piece)
        return piece


def holds_data(drive: TapeDrive) -> bytes | None:
    """The first record of a loaded cartridge, None when it is blank. Rewinds. Raises: DriverError."""
    drive.rewind()
    try:
        return next(drive.read(), b"")
    except EndOfData:
        return None


class Certification:
    """One run over one drive with a loaded cartridge that may be written over."""

    def __init__(self, drive: TapeDrive, clock: Clock, size_bytes: int, tell: Callable[[Step], None]) -> None:
        """`size_bytes`: of the long file that is timed. `tell` is called after each step."""
        self._drive, self._clock, self._size_bytes, self._tell = drive, clock, size_bytes, tell
        self._report = Report(drive.name, drive.serial, drive.model, clock.now())
        self._files: list[tuple[Address, int, str]] = []  # address, bytes, digest
        self._end = Address(0)

    def run(self) -> Report:
        """All steps; one that fails does not keep the others from being tried."""
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("status", self._status),
            ("rewind", self._rewind),
            ("filemarks", self._short_files),
            ("speed of writing", self._long_file),
            ("end of data", self._end_of_data),
            ("speed of reading", self._read_long),
            ("position", self._positions),
            ("append in the middle", self._cut),
            ("flush", self._flush),
            ("statistics", self._statistics),
            ("alerts", self._alerts),
        )
        for name, step in steps:
            self._try(name, step)
        return self._report

    def _try(self, name: str, step: Callable[[], str]) -> None:
        began = self._clock.now()
        try:
            good, detail = True, step()
        except (DriverError, StepFailed) as error:
            good, detail = False, f"{type(error).__name__}: {error}"
        done = Step(name, good, detail, self._since(began))
        self._report.steps.append(done)
        self._tell(done)
        if not good:
            self._recover()

    def _recover(self) -> None:
        try:
            self._drive.rewind()  # after an error nothing else is a known place
        except DriverError as error:
            self._report.steps.append(Step("recovery", False, f"{type(error).__name__}: {error}", 0.0))

    def _since(self, began: datetime) -> float:
        return (self._clock.now() - began).total_seconds()

    def _status(self) -> str:
        status = self._report.status = self._drive.status()
        _expect(status.loaded and status.ready, "the drive is not ready")
        _expect(not status.write_protected, "the cartridge is write-protected")
        size = f"{status.capacity_bytes} bytes" if status.capacity_bytes else "unknown size"
        return f"{status.generation or 'unknown generation'}, {size}"

    def _rewind(self) -> str:
        self._drive.rewind()
        _expect(self._drive.tell() == 0, f"block {self._drive.tell()} after a rewind")
        return "at block 0"

    def _write(self, size_bytes: int, seed: int) -> None:
        stream = Pattern(size_bytes, seed)
        address = self._drive.append(stream)  # type: ignore[arg-type]  # reads are all it does
        _expect(address == self._end, f"a file began at block {address} instead of {self._end}")
        self._end = Address(address + -(-size_bytes // RECORD_BYTES) + 1)
        self._files.append((address, size_bytes, stream.digest.hexdigest()))

    def _short_files(self) -> str:
        for number in range(_FILES):
            self._write(number * 100_001, number)  # the first one is empty: a filemark alone
        self._drive.flush()
        at = self._drive.tell()
        _expect(at == self._end, f"the drive stands at block {at} behind {_FILES} files instead of {self._end}")
        return f"{_FILES} files, {self._end} blocks"

    def _long_file(self) -> str:
        began = self._clock.now()
        self._write(self._size_bytes, 99)
        self._drive.flush()
        self._report.write_bytes_s = self._size_bytes / max(self._since(began), 1e-6)
        return f"{self._size_bytes} bytes at {self._report.write_bytes_s / MEGABYTE:.1f} MB/s, flush included"

    def _end_of_data(self) -> str:
        self._drive.seek(self._end)
        _expect(_ends(self._drive.read()), f"block {self._end} can be read, and nothing was written there")
        self._drive.rewind()
        try:
            self._drive.seek(Address(self._end + 1000))
        except EndOfData:
            at = self._drive.tell()
            _expect(at == self._end, f"a seek behind the end of data stopped at block {at} instead of {self._end}")
            return f"at block {self._end}"
        raise StepFailed("a seek a thousand blocks behind the end of data was said to succeed")

    def _check(self, address: Address, size_bytes: int, digest: str) -> None:
        self._drive.seek(address)
        found, read_bytes, last = hashlib.sha256(), 0, RECORD_BYTES
        for record in self._drive.read():
            _expect(last == RECORD_BYTES, f"a record of {last} bytes in the middle of the file at block {address}")
            last = len(record)
            read_bytes += last
            found.update(record)
        _expect(read_bytes == size_bytes, f"{read_bytes} bytes at block {address} instead of {size_bytes}")
        _expect(found.hexdigest() == digest, f"other bytes at block {address} than were written")

    def _read_long(self) -> str:
        _expect(len(self._files) > _FILES, "there is no long file to read")
        address, size_bytes, digest = self._files[_FILES]
        self._drive.seek(address)
        began = self._clock.now()
        self._check(address, size_bytes, digest)
        self._report.read_bytes_s = size_bytes / max(self._since(began), 1e-6)
        return f"{size_bytes} bytes at {self._report.read_bytes_s / MEGABYTE:.1f} MB/s, equal to what was written"

    def _positions(self) -> str:
        _expect(len(self._files) >= _FILES, "there are no files to look for")
        order = [3, 0, 4, 1, 2]
        for number in order:
            self._check(*self._files[number])
        return f"files {', '.join(map(str, order))} found by their addresses, equal to what was written"

    def _cut(self) -> str:
        _expect(len(self._files) >= _FILES, "there are no files to write over")
        self._end = self._files[2][0]
        del self._files[2:]
        self._drive.seek(self._end)
        self._write(300_000, 50)
        self._drive.flush()
        for file in self._files:
            self._check(*file)
        _expect(_ends(self._drive.read()), "old data can be read behind a file that was written over them")
        return f"data end at block {self._end}, what lies before is untouched"

    def _flush(self) -> str:
        began = self._clock.now()
        self._drive.seek(self._end)
        for number in range(10):
            self._write(RECORD_BYTES, number)
            self._drive.flush()
        return f"{self._since(began) / 10:.2f} s for a record and a flush"

    def _statistics(self) -> str:
        told = self._report.statistics = self._drive.statistics()
        return f"mounts {_said(told.mounts)}, bytes written {_said(told.written_bytes)}"

    def _alerts(self) -> str:
        self._report.status = self._drive.status()
        return ", ".join(self._report.status.alerts) or "none"


def _said(number: int | None) -> str:
    return "not told" if number is None else str(number)


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise StepFailed(otherwise)


def _ends(records: Iterator[bytes]) -> bool:
    """Whether there is no data here."""
    try:
        next(records, None)
    except EndOfData:
        return True
    return False
