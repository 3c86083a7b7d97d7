"""multipart/related, read and written as a stream: no part is ever held in memory.

Source: RFC 2387, RFC 2046 section 5.1, PS3.18 section 8.6.1.2.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

PIECE_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 * 1024
MAX_BOUNDARY_BYTES = 70


class MultipartInvalid(Exception):
    """The body is not what its content type says; the message says where it stops making sense."""


class Part:
    """One part of a body: its headers, and its content as a stream that is read once and forward."""

    def __init__(self, reader: "PartReader", headers: Mapping[str, str]) -> None:
        self._reader = reader
        self.headers = headers  # by lower-case name

    @property
    def media_type(self) -> str:
        """The content type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; fewer only at the end of the part, or where a piece ends.

        Raises: MultipartInvalid when the body ends within the part.
        """
        return self._reader.take(PIECE_BYTES if size < 0 else size)

    def pass_over(self) -> None:
        """Read what was not read."""
        while self.read(PIECE_BYTES):
            continue


class PartReader:
    """The parts of one body, in order. A part must be done with before the next is asked for."""

    def __init__(self, stream: BinaryIO, boundary: str) -> None:
        """Raises: MultipartInvalid when there is no usable boundary."""
        if not boundary or not boundary.isascii() or len(boundary) > MAX_BOUNDARY_BYTES:
            raise MultipartInvalid("the content type names no boundary of at most 70 ASCII characters")
        self._stream = stream
        self._mark = b"\r\n--" + boundary.encode("ascii")
        self._buffer = b"\r\n"  # the first boundary may begin the body
        self._ended = False
        self._in_part = False

    def parts(self) -> Iterator[Part]:
        """Each part once. Raises: MultipartInvalid."""
        self._in_part = True
        while self.take(PIECE_BYTES):  # the preamble means nothing
            continue
        while True:
            self._need(2)
            if self._buffer[:2] == b"--":
                self._drain()
                return
            part = Part(self, self._headers())
            self._in_part = True
            yield part
            part.pass_over()

    def take(self, size: int) -> bytes:
        """Of the part at hand at most `size` bytes; none when it is over. Raises: MultipartInvalid."""
        if not self._in_part or size == 0:
            return b""
        while True:
            found = self._buffer.find(self._mark)
            if found == 0:
                self._buffer = self._buffer[len(self._mark) :]
                self._in_part = False
                return b""
            # what may be the beginning of a boundary stays until more is known
            sure = found if found > 0 else len(self._buffer) - len(self._mark) + 1
            if sure > 0:
                sure = min(sure, size)
                piece, self._buffer = self._buffer[:sure], self._buffer[sure:]
                return piece
            self._fill()

    def _headers(self) -> dict[str, str]:
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)) < 0:
            if len(self._buffer) >= MAX_HEADER_BYTES:
                raise MultipartInvalid(f"the headers of a part are longer than {MAX_HEADER_BYTES} bytes")
            self._fill()
        lines = self._buffer[:end].decode("latin-1").split("\r\n")[1:]  # the first ends the boundary's line
        self._buffer = self._buffer[end + 4 :]
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise MultipartInvalid("a header of a part has no colon")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            self._fill()

    def _fill(self) -> None:
        data = self._stream.read(PIECE_BYTES)
        if not data:
            raise MultipartInvalid("the body ends before its last boundary")
        self._buffer += data

    def _drain(self) -> None:
        while self._stream.read(PIECE_BYTES):
            continue


class Writer:
    """Builds one body."""

    def __init__(self) -> None:
        self.boundary = f"firn-{secrets.token_hex(16)}"

    def content_type(self, media_type: str) -> str:
        """For the response's header."""
        return f'multipart/related; type="{media_type}"; boundary={self.boundary}'

    def body(self, parts: Iterable[tuple[Mapping[str, str], Iterable[bytes]]]) -> Iterator[bytes]:
        """The bytes of all parts, each with its headers."""
        for headers, content in parts:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            yield f"--{self.boundary}\r\n{lines}\r\n".encode("latin-1")
            yield from content
            yield b"\r\n"
        yield f"--{self.boundary}--\r\n".encode("ascii")
