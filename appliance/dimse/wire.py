"""PDUs on a socket: the upper layer as far as bytes go, with every length bounded.

One thread owns a wire. Nothing here polls: a read waits in the kernel until bytes come or the time is over.
Source: PS3.8 section 9.3.
"""

import select
import socket
import struct
import time
from collections.abc import Iterator
from enum import IntEnum
from math import inf

MAX_ASSOCIATE_BYTES = 1 << 20  # of an A-ASSOCIATE PDU; 128 contexts with all transfer syntaxes take some 200 KiB
_HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_PDATA = struct.Struct(">BxIIBB")


class PduType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """Why the provider gives up. Source: PS3.8 table 9-26."""

    NOT_SPECIFIED = 0
    UNRECOGNISED_PDU = 1
    UNEXPECTED_PDU = 2
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class WireClosed(Exception):
    """The peer is gone, or took or sent nothing for too long."""


class ProtocolError(Exception):
    """The peer sent what the upper layer does not allow; the association is to be aborted."""

    def __init__(self, message: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


class Wire:
    """A connected socket that carries PDUs."""

    def __init__(self, sock: socket.socket, max_pdu_bytes: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # DCMTK stalls 40 ms an object without
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sock = sock
        self._max_pdu_bytes = max_pdu_bytes
        self._buffer = bytearray(max_pdu_bytes + 4096)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._sock.close()  # the peer was faster
        else:
            self._sock.close()

    def read_pdu(self, wait_s: float, rest_s: float, most_s: float = inf) -> tuple[int, memoryview]:
        """The next PDU: its type and what follows its length. The view is valid until the next read.

        `wait_s` bounds the wait for its first byte, `rest_s` each pause after it, `most_s` all of it together.

        Raises: WireClosed, ProtocolError.
        """
        until_s = time.monotonic() + most_s
        self._fill(6, wait_s, rest_s, until_s)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if not PduType.ASSOCIATE_RQ <= kind <= PduType.ABORT:
            raise ProtocolError(f"PDU of unknown type {kind}", AbortReason.UNRECOGNISED_PDU)
        limit = self._max_pdu_bytes if kind == PduType.DATA else MAX_ASSOCIATE_BYTES if kind <= 3 else 4
        if length > limit:
            raise ProtocolError(f"PDU of type {kind} and {length} bytes, {limit} are allowed")
        self._start += 6
        self._fill(length, rest_s, rest_s, until_s)
        body = self._view[self._start : self._start + length]
        self._start += length
        return kind, body

    def readable(self, wait_s: float) -> bool:
        """Whether something can be read, waiting for it at most so long."""
        if self._end > self._start:
            return True
        pending = getattr(self._sock, "pending", None)  # of TLS
        if pending is not None and pending():
            return True
        try:
            return bool(select.select([self._sock], [], [], wait_s)[0])
        except (OSError, ValueError):
            raise WireClosed("the connection was closed here") from None

    def send(self, data: bytes, limit_s: float) -> None:
        """Hand bytes to the peer. Raises: WireClosed."""
        try:
            self._sock.settimeout(limit_s)
            self._sock.sendall(data)
        except OSError as error:
            raise WireClosed(f"the peer took no more: {error}") from None

    def _fill(self, size: int, first_s: float, rest_s: float, until_s: float) -> None:
        """Have at least so many bytes between start and end."""
        if self._end - self._start >= size:
            return
        if self._start + size > len(self._buffer) or self._start == self._end:
            kept = self._end - self._start
            if size > len(self._buffer):
                bigger = bytearray(size)
                bigger[:kept] = self._view[self._start : self._end]
                self._buffer, self._view = bigger, memoryview(bigger)
            else:
                self._buffer[:kept] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, kept
        wait_s = first_s if self._end == self._start else rest_s
        while self._end - self._start < size:
            wait_s = min(wait_s, until_s - time.monotonic())
            if wait_s <= 0:
                raise WireClosed("the peer sends too slowly")
            try:
                self._sock.settimeout(wait_s)
                # Peers with Nagle on hold back each data set until its command is acknowledged: without
                # this they lose 40 ms an object. The kernel forgets the wish, so it is repeated.
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                got = self._sock.recv_into(self._view[self._end :])
            except TimeoutError:
                raise WireClosed(f"the peer sent nothing for {wait_s:.3g} s") from None
            except OSError as error:
                raise WireClosed(f"the connection broke: {error}") from None
            if got == 0:
                raise WireClosed("the peer closed the connection")
            self._end += got
            wait_s = rest_s


def pdvs(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """The presentation data values of a P-DATA-TF PDU: context ID, message control header, fragment.

    Raises: ProtocolError.
    Source: PS3.8 table 9-23, annex E.
    """
    at = 0
    if not body:
        raise ProtocolError("P-DATA without a presentation data value")
    while at < len(body):
        if at + 6 > len(body):
            raise ProtocolError("a presentation data value is cut")
        length, context_id, control = _PDV.unpack_from(body, at)
        if length < 2 or at + 4 + length > len(body):
            raise ProtocolError(f"a presentation data value of {length} bytes in a PDU of {len(body)}")
        yield context_id, control, body[at + 6 : at + 4 + length]
        at += 4 + length


def data_pdu(context_id: int, control: int, fragment: bytes) -> bytes:
    """A P-DATA-TF PDU with one fragment."""
    return _PDATA.pack(PduType.DATA, len(fragment) + 6, len(fragment) + 2, context_id, control) + fragment


def release_rq() -> bytes:
    """An A-RELEASE-RQ PDU."""
    return _HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)


def release_rp() -> bytes:
    """An A-RELEASE-RP PDU."""
    return _HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def abort(reason: AbortReason) -> bytes:
    """An A-ABORT PDU of the service provider."""
    return _HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, 2, reason))


def deadline_left(deadline: float) -> float:
    """Seconds until a time of the monotonic clock, never below a hundredth."""
    return max(0.01, deadline - time.monotonic())
