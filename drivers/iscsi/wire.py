"""One TCP connection: whole PDUs in and out, with a limit on every wait for the other side.

A peer that is silent between two PDUs may stay; one that stops in the middle of a PDU, or does not take what it asked
for, is let go.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Sequence

from drivers.iscsi.pdu import HEADER_BYTES, Header, PduInvalid, padding_bytes

_PDU_LIMIT_S = 60.0  # a PDU of 1 MiB in that time is 17 kB/s
_ZEROS = (b"", b"\0", b"\0\0", b"\0\0\0")

Piece = bytes | bytearray | memoryview


class ConnectionGone(Exception):
    """The other side closed the connection, or did not keep it going."""


class Connection:
    """A socket that speaks PDUs. One thread receives; senders take turns by a lock of their own."""

    def __init__(self, sock: socket.socket, stall_s: float, deadline: float | None = None) -> None:
        """`stall_s`: the longest wait within a PDU. `deadline`: by when (monotonic) all must be over, or None."""
        self._socket = sock
        self._stall_s = stall_s
        self.deadline = deadline
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer that lost its power says nothing: the kernel asks after it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        # Kernel time limits instead of Python's: those would make the socket non-blocking, and then the kernel no
        # longer gathers a whole data segment in one call.
        limit = struct.pack("ll", int(stall_s), int(stall_s % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def header(self) -> Header:
        """Wait for the next header, however long the peer stays silent.

        Raises: ConnectionGone.
        """
        while True:
            piece = self._receive(HEADER_BYTES)
            if piece is not None:
                return Header(self._rest(piece, HEADER_BYTES))
            self._check_deadline()

    def body(self, header: Header, limit_bytes: int) -> tuple[bytes, bytes]:
        """Receive what follows a header: additional header segments and data.

        Raises: PduInvalid when it announces more than `limit_bytes` of data, ConnectionGone.
        """
        if header.data_bytes > limit_bytes:
            raise PduInvalid(f"a data segment of {header.data_bytes} bytes, where {limit_bytes} are the most")
        ahs = self._exactly(header.ahs_bytes)
        data = self._exactly(header.data_bytes)
        self._exactly(padding_bytes(header.data_bytes))
        return ahs, data

    def _exactly(self, length: int) -> bytes:
        return self._rest(b"", length) if length else b""

    def _rest(self, piece: bytes, length: int) -> bytes:
        """What is missing of something that has begun to arrive."""
        if len(piece) == length:
            return piece
        pieces, missing = [piece], length - len(piece)
        limit = time.monotonic() + _PDU_LIMIT_S
        while missing:
            self._check_deadline()
            if time.monotonic() > limit:
                raise ConnectionGone(f"{length} bytes were not sent within {_PDU_LIMIT_S:.0f} s")
            more = self._receive(missing)
            if more is None:
                raise ConnectionGone(f"silence for {self._stall_s} s in the middle of a PDU")
            pieces.append(more)
            missing -= len(more)
        return pieces[1] if len(pieces) == 2 and not piece else b"".join(pieces)

    def _receive(self, length: int) -> bytes | None:
        """Up to `length` bytes; None when nothing came within the time limit."""
        try:
            piece = self._socket.recv(length, socket.MSG_WAITALL)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionGone(f"receiving failed: {error}") from error
        if not piece:
            raise ConnectionGone("the other side closed the connection")
        return piece

    def _check_deadline(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise ConnectionGone("the login took too long")

    def send(self, header: bytearray, data: Sequence[Piece], limit: float) -> None:
        """Send one PDU until `limit` (monotonic); the pieces of data are padded together.

        Raises: ConnectionGone.
        """
        length = sum(len(piece) for piece in data)
        pieces: list[Piece] = [header, *data]
        if padding := padding_bytes(length):
            pieces.append(_ZEROS[padding])
        left = HEADER_BYTES + length + padding
        try:
            while True:
                sent = self._socket.sendmsg(pieces)
                left -= sent
                if not left:
                    return
                if time.monotonic() > limit:
                    raise ConnectionGone("the other side took its answer too slowly")
                pieces = _behind(pieces, sent)
        except BlockingIOError:
            raise ConnectionGone(f"the other side took nothing for {self._stall_s} s") from None
        except OSError as error:
            raise ConnectionGone(f"sending failed: {error}") from error

    def address(self) -> tuple[str, int]:
        """Where the peer found this end: host and port."""
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def end(self) -> None:
        """End it for both directions; a thread that waits in it wakes up. The socket itself is closed by close()."""
        with contextlib.suppress(OSError):  # it may have ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back. Only for the thread that receives."""
        self.end()
        self._socket.close()


def _behind(pieces: list[Piece], sent: int) -> list[Piece]:
    """What is left of some pieces when their first `sent` bytes are gone."""
    for index, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[index + 1 :]]
        sent -= len(piece)
    return []
