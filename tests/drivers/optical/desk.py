"""A file in the place of a disc: xorriso burns it as it burns a disc, and the door is a variable."""

import errno
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from drivers.clock import Clock, VirtualClock
from drivers.errors import DriveEmpty
from drivers.optical import RecorderOptions, XorrisoRecorder
from drivers.optical.tray import SECTOR_BYTES, Door, fault
from tests.support.library import virtual_clock

CAPACITY_BYTES = 4_000_000
SPIN_UP_S = 20.0


@dataclass(frozen=True)
class Attached:
    """What the machine knows of the recorder."""

    serial: str = "R1"
    node: Path | None = Path("/dev/sr9")
    stable: Path | None = None


class FileTray:
    """A tray that holds files. A disc in it needs its time before it can be used."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.disc: Path | None = None
        self.open = False
        self.number = 1
        self.motor = True  # whether the drive can pull its tray in
        self.sticks = False  # the door does not open
        self.locked = False
        self.scratched: set[int] = set()  # sectors
        self.gone = False
        self._ready_at: datetime = clock.now()

    # -- hands --

    def put(self, disc: Path) -> None:
        """Put a disc in and close the tray."""
        disc.touch()
        self.disc, self.open = disc, False
        self._changed()

    def take(self) -> None:
        """Take the disc out and close the tray."""
        self.disc, self.open = None, False
        self._changed()

    def _changed(self) -> None:
        self.number += 1
        self._ready_at = self._clock.now() + timedelta(seconds=SPIN_UP_S)

    # -- the device --

    @property
    def address(self) -> str:
        return f"stdio:{self.disc}"

    def door(self) -> Door:
        if self.gone:
            raise fault("rec", OSError(errno.ENXIO, ""), "tell what it holds")
        if self.open:
            return Door.OPEN
        if self.disc is None:
            return Door.NO_DISC
        return Door.DISC if self._clock.now() >= self._ready_at else Door.NOT_READY

    def change_number(self) -> int | None:
        return self.number

    def size_bytes(self) -> int:
        return self.disc.stat().st_size if self.disc else 0

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        if self.disc is None or self.open:
            raise DriveEmpty("rec is empty")
        for sector in range(offset_bytes // SECTOR_BYTES, (offset_bytes + size_bytes - 1) // SECTOR_BYTES + 1):
            if sector in self.scratched:
                raise fault("rec", OSError(errno.EIO, ""), "read", sector)
        with self.disc.open("rb") as file:
            return os.pread(file.fileno(), size_bytes, offset_bytes)

    def eject(self) -> None:
        if not self.sticks:
            self.open, self.locked = True, False
            self._changed()

    def close_door(self) -> bool:
        if self.motor:
            self.open = False
            self._changed()
        return self.motor

    def lock(self, on: bool) -> None:
        self.locked = on

    def let_go(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True)
class Bench:
    """A recorder, its tray and the time."""

    recorder: XorrisoRecorder
    tray: FileTray
    clock: VirtualClock
    folder: Path

    def image(self, size_bytes: int) -> Path:
        """Bytes that are no file system."""
        path = self.folder / f"{size_bytes}.iso"
        path.write_bytes((bytes(range(1, 252)) * (size_bytes // 251 + 1))[:size_bytes])
        return path

    def ready(self) -> None:
        """Put a blank disc in and wait for it."""
        self.tray.put(self.folder / f"disc{self.tray.number}")
        self.recorder.wait_ready(300)


def bench(folder: Path, options: RecorderOptions | None = None) -> Bench:
    """A recorder with an empty tray. Files can be written over, which xorriso says; the options allow it."""
    clock = virtual_clock()
    tray = FileTray(clock)
    options = options or RecorderOptions(model="DVD", use_at_most_bytes=CAPACITY_BYTES, rewritable=True)
    return Bench(XorrisoRecorder("rec", Attached(), clock, options, tray), tray, clock, folder)
