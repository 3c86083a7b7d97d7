"""The open tape device: one method, one system call. Raises OSError as the kernel gives it; decides nothing.

Each call returns when the kernel does. st ends a command that takes longer than its time limit (900 s; 14,000 s for
rewinding, spacing and loading; a device that vanished is given up after the transport's own limit), so no call lasts
for ever, and none can be cut short from here.
"""

import fcntl
import mmap
import os
from pathlib import Path

from drivers.tape import mtio
from drivers.tape.mtio import MtStatus, Op

READ_BYTES = 1024 * 1024  # a buffer smaller than the record loses the record


class TapeDevice:
    """A non-rewinding st device, opened without waiting for a medium."""

    def __init__(self, node: Path, writable: bool = True) -> None:
        mode = os.O_RDWR if writable else os.O_RDONLY
        # Without O_NONBLOCK an open waits two minutes for a medium. Afterwards st does not look at the flag again.
        self._fd = os.open(node, mode | os.O_NONBLOCK | os.O_CLOEXEC)
        # Memory that begins at a page: st hands it to the adapter as it is, and a write is over when it returns.
        self._buffer = mmap.mmap(-1, READ_BYTES)

    def status(self) -> MtStatus:
        """What st remembers; the drive is not asked."""
        raw = bytearray(mtio.GET_BYTES)
        fcntl.ioctl(self._fd, mtio.MTIOCGET, raw)
        return mtio.status(bytes(raw))

    def position(self) -> int:
        """Ask the drive for its logical block number."""
        raw = bytearray(mtio.POSITION_BYTES)
        fcntl.ioctl(self._fd, mtio.MTIOCPOS, raw)
        return mtio.position(bytes(raw))

    def do(self, op: Op, count: int = 1) -> None:
        """One operation of MTIOCTOP."""
        fcntl.ioctl(self._fd, mtio.MTIOCTOP, mtio.operation(op, count))

    def write(self, record: bytes) -> int:
        """Write one record (up to READ_BYTES) and say how many bytes were taken."""
        self._buffer[: len(record)] = record
        with memoryview(self._buffer) as whole, whole[: len(record)] as part:
            return os.write(self._fd, part)

    def read(self) -> bytes:
        """Read one record; nothing at a filemark, and once at the end of data."""
        size_bytes = os.readv(self._fd, [self._buffer])
        return self._buffer[:size_bytes]

    def close(self) -> None:
        """Close. The kernel may tell of an earlier write only now."""
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        finally:
            self._buffer.close()
