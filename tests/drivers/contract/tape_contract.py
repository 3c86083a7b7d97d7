"""What every TapeDrive must do. A driver plugs in by subclassing and giving a `bench` fixture."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import pytest

from drivers.base import RECORD_BYTES, TapeDrive
from drivers.errors import (
    DriveEmpty,
    DriveNotReady,
    EndOfData,
    EndOfMedium,
    UnitAttention,
    WriteProtected,
)


@dataclass(frozen=True)
class Bench:
    """A drive with a small blank cartridge loaded but not yet waited for."""

    drive: TapeDrive
    empty_drive: TapeDrive
    capacity_bytes: int
    protect: Callable[[], None]  # set the write-protect tab: takes the cartridge out and puts it back
    remount: Callable[[], None]  # unload, take out, put back
    generation: str = "LTO-8"  # of the cartridge


def content(records: int, tail_bytes: int = 0, seed: int = 1) -> bytes:
    """Bytes that make so many whole records and a shorter one."""
    block = bytes((seed * 31 + n * 7) % 256 for n in range(4096))
    size_bytes = records * RECORD_BYTES + tail_bytes
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


def write(drive: TapeDrive, data: bytes) -> int:
    return drive.append(io.BytesIO(data))


def read_all(drive: TapeDrive) -> bytes:
    return b"".join(drive.read())


class TapeContract:
    @pytest.fixture
    def bench(self) -> Bench:
        raise AssertionError("a driver under contract gives its own bench fixture")

    @pytest.fixture
    def drive(self, bench: Bench) -> TapeDrive:
        bench.drive.wait_ready(300)
        bench.drive.rewind()
        return bench.drive

    def test_what_was_written_is_read_back(self, drive: TapeDrive) -> None:
        first, second = content(3, 100), content(1, seed=2)
        assert write(drive, first) == 0
        assert write(drive, second) == 5  # four records and a mark
        drive.flush()
        assert drive.tell() == 7

        drive.rewind()
        records = list(drive.read())
        assert [len(record) for record in records] == [RECORD_BYTES] * 3 + [100]
        assert b"".join(records) == first
        assert drive.tell() == 5
        assert read_all(drive) == second

    def test_a_file_is_found_by_its_address(self, drive: TapeDrive) -> None:
        addresses = {n: write(drive, content(n % 3, 10 + n, seed=n)) for n in range(6)}
        for n in (4, 0, 5, 2):
            drive.seek(addresses[n])  # type: ignore[arg-type]
            assert read_all(drive) == content(n % 3, 10 + n, seed=n)

    def test_an_empty_stream_is_an_empty_file(self, drive: TapeDrive) -> None:
        assert write(drive, b"") == 0
        assert write(drive, b"abc") == 1
        drive.rewind()
        assert list(drive.read()) == []
        assert list(drive.read()) == [b"abc"]

    def test_a_stream_that_comes_in_crumbs_makes_whole_records(self, drive: TapeDrive) -> None:
        class Crumbs(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(size or 0, 100_000))

        drive.append(Crumbs(content(1, 5)))
        drive.rewind()
        assert [len(record) for record in drive.read()] == [RECORD_BYTES, 5]

    def test_a_stream_that_breaks_leaves_no_mark(self, drive: TapeDrive) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() >= RECORD_BYTES:
                    raise OSError("the source is gone")
                return super().read(size)

        with pytest.raises(OSError, match="source is gone"):
            drive.append(Broken(content(3)))
        assert drive.tell() == 1
        drive.seek(0)  # type: ignore[arg-type]
        write(drive, b"instead")
        drive.seek(0)  # type: ignore[arg-type]
        assert read_all(drive) == b"instead"

    def test_a_blank_tape_has_no_data(self, drive: TapeDrive) -> None:
        with pytest.raises(EndOfData):
            next(drive.read())
        with pytest.raises(EndOfData):
            drive.seek(1)  # type: ignore[arg-type]

    def test_behind_the_last_file_there_is_no_data(self, drive: TapeDrive) -> None:
        write(drive, content(1))
        drive.flush()
        drive.seek(2)  # type: ignore[arg-type]
        with pytest.raises(EndOfData):
            next(drive.read())
        with pytest.raises(EndOfData):
            drive.seek(3)  # type: ignore[arg-type]
        assert drive.tell() == 2

    def test_writing_in_the_middle_ends_the_tape_there(self, drive: TapeDrive) -> None:
        write(drive, content(2, seed=1))
        second = write(drive, content(2, seed=2))
        write(drive, content(2, seed=3))
        drive.flush()

        drive.seek(second)  # type: ignore[arg-type]
        assert write(drive, content(0, 9, seed=4)) == second
        drive.flush()

        end = drive.tell()
        assert end == second + 2
        with pytest.raises(EndOfData):
            drive.seek(end + 1)  # type: ignore[arg-type]
        drive.rewind()
        assert read_all(drive) == content(2, seed=1)
        assert read_all(drive) == content(0, 9, seed=4)

    def test_an_abandoned_read_is_mended_by_a_seek(self, drive: TapeDrive) -> None:
        write(drive, content(3))
        second = write(drive, b"second")
        drive.rewind()
        unfinished = drive.read()
        next(unfinished)

        drive.seek(second)  # type: ignore[arg-type]
        assert read_all(drive) == b"second"
        assert drive.tell() == second + 2

    def test_the_position_is_unknown_after_a_load_until_a_rewind(self, bench: Bench) -> None:
        bench.drive.wait_ready(300)
        with pytest.raises(UnitAttention):
            bench.drive.tell()
        with pytest.raises(UnitAttention):
            write(bench.drive, b"too early")
        bench.drive.rewind()
        assert bench.drive.tell() == 0

    def test_data_survive_a_remount(self, drive: TapeDrive, bench: Bench) -> None:
        write(drive, content(2, 77))
        drive.flush()
        bench.remount()
        drive.wait_ready(300)
        drive.rewind()
        assert read_all(drive) == content(2, 77)
        drive.seek(4)  # type: ignore[arg-type]
        assert write(drive, b"more") == 4

    def test_a_protected_volume_is_read_and_not_written(self, drive: TapeDrive, bench: Bench) -> None:
        write(drive, b"kept")
        drive.flush()
        bench.protect()
        drive.wait_ready(300)
        drive.rewind()
        assert drive.status().write_protected
        with pytest.raises(WriteProtected):
            write(drive, b"lost")
        drive.rewind()
        assert read_all(drive) == b"kept"

    def test_a_volume_fills_up_and_still_takes_a_trailer(self, drive: TapeDrive, bench: Bench) -> None:
        fitting = []
        with pytest.raises(EndOfMedium):
            for n in range(bench.capacity_bytes // (4 * RECORD_BYTES) + 2):
                fitting.append((write(drive, content(4, seed=n)), n))
                drive.flush()
        end = fitting[-1][0] + 5

        drive.seek(end)  # type: ignore[arg-type]
        trailer = write(drive, b"the end")
        drive.flush()

        for address, n in fitting:
            drive.seek(address)  # type: ignore[arg-type]
            assert read_all(drive) == content(4, seed=n)
        drive.seek(trailer)  # type: ignore[arg-type]
        assert read_all(drive) == b"the end"

    def test_the_end_is_announced_once_and_the_reserve_takes_a_trailer(self, drive: TapeDrive, bench: Bench) -> None:
        with pytest.raises(EndOfMedium):
            while True:
                write(drive, content(1))
        trailer = write(drive, b"the end")
        drive.flush()
        drive.seek(trailer)  # type: ignore[arg-type]
        assert read_all(drive) == b"the end"

    def test_the_hard_end_is_final(self, drive: TapeDrive, bench: Bench) -> None:
        class Endless(io.RawIOBase):
            def read(self, size: int = -1, /) -> bytes:
                return bytes(size)

        endless: BinaryIO = Endless()  # type: ignore[assignment]
        for _ in range(3):
            with pytest.raises(EndOfMedium):
                drive.append(endless)
        assert drive.tell() * RECORD_BYTES <= bench.capacity_bytes

    def test_status_tells_what_is_loaded(self, drive: TapeDrive, bench: Bench) -> None:
        status = drive.status()
        assert status.loaded and status.ready and not status.write_protected
        assert status.generation == bench.generation
        assert status.capacity_bytes == bench.capacity_bytes

    def test_an_empty_drive_says_so(self, bench: Bench) -> None:
        status = bench.empty_drive.status()
        assert not status.loaded and not status.ready
        for operation in (
            bench.empty_drive.rewind,
            bench.empty_drive.tell,
            bench.empty_drive.flush,
            bench.empty_drive.unload,
            lambda: bench.empty_drive.wait_ready(300),
            lambda: next(bench.empty_drive.read()),
            lambda: write(bench.empty_drive, b"x"),
        ):
            with pytest.raises(DriveEmpty):
                operation()

    def test_an_unloaded_volume_cannot_be_used(self, drive: TapeDrive) -> None:
        drive.unload()
        assert not drive.status().loaded
        with pytest.raises(DriveNotReady):
            drive.rewind()
        drive.unload()  # asking again does no harm

    def test_loading_takes_its_time(self, bench: Bench) -> None:
        assert not bench.drive.status().ready
        with pytest.raises(DriveNotReady):
            bench.drive.wait_ready(0.5)

    def test_names_and_serial_numbers_tell_drives_apart(self, bench: Bench) -> None:
        assert bench.drive.name != bench.empty_drive.name
        assert bench.drive.serial != bench.empty_drive.serial
