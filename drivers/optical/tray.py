"""The block device of a recorder: its door, its size, its bytes. Never opened so that it could block.

Source: linux/cdrom.h; Documentation/userspace-api/ioctl/cdrom.rst; sr(4).
"""

import array
import errno
import fcntl
import os
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import structlog

from drivers.errors import DeviceError, DeviceGone, DriveEmpty, DriveNotReady, DriverError, MediumError

SECTOR_BYTES = 2048
_CDROM_EJECT, _CDROM_CLOSE_TRAY, _CDROM_DRIVE_STATUS, _CDROM_LOCK_DOOR = 0x5309, 0x5319, 0x5326, 0x5329
_CURRENT_SLOT = 0x7FFFFFFF
_BLK_GET_SIZE64 = 0x80081272
_GONE = (errno.ENOENT, errno.ENXIO, errno.ENODEV)

_log = structlog.get_logger()


class Door(IntEnum):
    """What CDROM_DRIVE_STATUS answers."""

    UNKNOWN = 0  # the drive cannot tell
    NO_DISC = 1
    OPEN = 2
    NOT_READY = 3  # it is making out what it was given
    DISC = 4


class Tray(Protocol):
    """What XorrisoRecorder needs of a device beside xorriso."""

    @property
    def address(self) -> str:
        """What xorriso calls the device."""
        ...

    def door(self) -> Door:
        """Ask the drive; makes the kernel notice a disc that was changed. Raises: DeviceGone, DeviceError."""
        ...

    def change_number(self) -> int | None:
        """A number that is another one after each change of discs that the kernel noticed; None where it counts none.

        Source: /sys/block/*/diskseq.
        """
        ...

    def size_bytes(self) -> int:
        """What the kernel takes the recorded size to be; 0 for a blank disc. It looks anew only at another disc."""
        ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Bytes of the disc, fewer at its end. Raises: MediumError naming the sectors, DriveEmpty, DeviceGone."""
        ...

    def eject(self) -> None:
        """Open the door. Raises: DeviceError, DriveNotReady while another program uses the drive."""
        ...

    def close_door(self) -> bool:
        """Pull the tray in; False when this drive cannot do it by itself."""
        ...

    def lock(self, on: bool) -> None:
        """Keep a hand from opening the door, or let it."""
        ...

    def let_go(self) -> None:
        """Close what is open, so that another program has the drive to itself."""
        ...


class KernelTray:
    """/dev/srN, whatever N is at the moment: a recorder that comes back gets another number."""

    def __init__(self, name: str, where: Callable[[], Path | None], sysfs: Path = Path("/sys")) -> None:
        """`where`: the node or a link to it, looked up anew; None while the recorder is not attached."""
        self._name = name
        self._where = where
        self._sysfs = sysfs
        self._reading: int | None = None

    @property
    def address(self) -> str:
        return str(self._node())

    def _node(self) -> Path:
        """Raises: DeviceGone."""
        node = self._where()
        if node is None:
            raise DeviceGone(f"{self._name} is gone: look at its power and its cable")
        return node

    def _folder(self, node: Path) -> Path:
        """The device's folder in sysfs, also when the node is a link that udev made."""
        return self._sysfs / "class" / "block" / node.resolve().name

    def _open(self) -> int:
        try:
            return os.open(self._node(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._fault(error, "be opened") from error

    def _asked(self, request: int, argument: int = 0) -> int:
        """One ioctl through a handle of its own: a kept one would keep the door shut."""
        handle = self._open()
        try:
            return fcntl.ioctl(handle, request, argument)
        finally:
            os.close(handle)

    def door(self) -> Door:
        try:
            return Door(self._asked(_CDROM_DRIVE_STATUS, _CURRENT_SLOT))
        except OSError as error:
            raise self._fault(error, "tell what it holds") from error

    def change_number(self) -> int | None:
        node = self._where()
        try:
            return None if node is None else int((self._folder(node) / "diskseq").read_text())
        except (OSError, ValueError):
            return None  # a kernel before 5.15, or the device went: door() finds out

    def size_bytes(self) -> int:
        handle = self._open()
        size = array.array("Q", [0])
        try:
            fcntl.ioctl(handle, _BLK_GET_SIZE64, size, True)
        except OSError as error:
            raise self._fault(error, "tell the size of its disc") from error
        finally:
            os.close(handle)
        return size[0]

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        if self._reading is None:
            self._reading = self._open()
            # What was read before comes from the disc again, not from memory: a verification is worth no less.
            os.posix_fadvise(self._reading, 0, 0, os.POSIX_FADV_DONTNEED)
        pieces: list[bytes] = []
        done = 0
        while done < size_bytes:
            try:
                piece = os.pread(self._reading, size_bytes - done, offset_bytes + done)
            except OSError as error:
                self.let_go()
                raise self._fault(error, "read", sector=(offset_bytes + done) // SECTOR_BYTES) from error
            if not piece:
                break
            pieces.append(piece)
            done += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def eject(self) -> None:
        self.let_go()
        self.lock(False)
        try:
            self._asked(_CDROM_EJECT)
        except OSError as error:
            raise self._fault(error, "open its door") from error

    def close_door(self) -> bool:
        self.let_go()
        try:
            self._asked(_CDROM_CLOSE_TRAY)
        except OSError as error:
            _log.info("tray_not_closed", drive=self._name, reason=error.strerror)
            return False
        return True

    def lock(self, on: bool) -> None:
        try:
            self._asked(_CDROM_LOCK_DOOR, int(on))
        except OSError as error:
            # Comfort only: a disc that is changed all the same is noticed by its number and by its label.
            _log.debug("tray_lock_refused", drive=self._name, on=on, reason=error.strerror)

    def let_go(self) -> None:
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None

    def _fault(self, error: OSError, what: str, sector: int | None = None) -> DriverError:
        return fault(self._name, error, what, sector, gone=self._is_gone())

    def _is_gone(self) -> bool:
        """Whether the kernel gave the device up, which it tells a reader only as an input or output error."""
        if (node := self._where()) is None:
            return True
        try:
            state = (self._folder(node) / "device" / "state").read_text().strip()
        except OSError:
            return not node.exists()
        return state not in ("running", "blocked", "created")


def fault(name: str, error: OSError, what: str, sector: int | None = None, gone: bool = False) -> DriverError:
    """What an error of the operating system says about a recorder that could not do something."""
    if isinstance(error, DriverError):
        return error
    number = error.errno or 0
    said = os.strerror(number) if number else str(error)
    if gone or number in _GONE:
        return DeviceGone(f"{name} is gone ({said}): look at its power and its cable")
    if number == errno.ENOMEDIUM:
        return DriveEmpty(f"{name} is empty; put a disc in")
    if number in (errno.EBUSY, errno.EAGAIN):
        return DriveNotReady(f"{name} is used by another program; end that one, or wait for it")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(f"{name} may not be used by this user ({said}); make it a member of the group cdrom")
    if number in (errno.EIO, errno.EILSEQ, errno.ENODATA) and sector is not None:
        # The kernel reads pages of two sectors; which of the two it was is not told.
        first = sector - sector % 2
        return MediumError(f"{name}: sectors {first}-{first + 1} of the disc cannot be read; try another recorder")
    return DeviceError(f"{name} could not {what} ({said}); look at the recorder")
