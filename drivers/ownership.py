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
        self._sockets: dict[str, socket.socket] = {}
        try:
            for serial in serials:
                self.take(serial)
        except BaseException:
            self.close()
            raise

    def take(self, serial: str) -> None:
        """Take one more. Raises: LibraryBusy."""
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            one.bind(f"\0firn-device-{serial[:80]}".encode())
        except BaseException as error:
            one.close()
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise LibraryBusy(f"the device {serial} belongs to another process; end that one first") from error
            raise
        self._sockets[serial] = one

    def leave(self, serial: str) -> None:
        """Let go of one."""
        if (one := self._sockets.pop(serial, None)) is not None:
            one.close()

    def __enter__(self) -> "Ownership":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go."""
        for serial in list(self._sockets):
            self.leave(serial)
