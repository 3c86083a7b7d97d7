"""Who has a device: one process at a time, also after a crash, without a file to clean up.

A name in Linux's abstract socket namespace belongs to the process that bound it and is free again the moment that
process ends, however it ends. A lock on the device itself would not do: a recorder's tool wants its device to itself.

Source: unix(7), abstract sockets.
"""

import errno
import socket
from collections.abc import Iterable

from drivers.errors import LibraryBusy


class Ownership:
    """Devices that belong to this process until close()."""

    def __init__(self, serials: Iterable[str]) -> None:
        """Take the devices of these serial numbers, all or none. Raises: LibraryBusy."""
        self._sockets: list[socket.socket] = []
        try:
            for serial in serials:
                self._take(serial)
        except BaseException:
            self.close()
            raise

    def _take(self, serial: str) -> None:
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sockets.append(one)
        try:
            one.bind(f"\0firn-device-{serial[:80]}".encode())
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise LibraryBusy(f"the device {serial} belongs to another process; end that one first") from error

    def close(self) -> None:
        """Let go."""
        for one in self._sockets:
            one.close()
        self._sockets.clear()
