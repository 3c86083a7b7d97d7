"""A data set whose beginning is still in memory: its header is read without opening its file again."""

from collections.abc import Callable
from typing import BinaryIO, Final

from hsm.elements import Malformed

HEAD_BYTES: Final = 64 * 1024  # identifying elements lie in the first few kilobytes


class HeadSource:
    """Bytes that are walked forward. What lies behind the head is read from the file, if anybody asks for it."""

    def __init__(self, head: bytes | bytearray, size_bytes: int, rest: Callable[[], BinaryIO]) -> None:
        """`head`: the first bytes of `size_bytes`; `rest`: opens the file, standing where the head begins."""
        self._head = head
        self._size_bytes = size_bytes
        self._open_rest = rest
        self._stream: BinaryIO | None = None
        self._begin = 0
        self._position = 0

    def take(self, size: int) -> bytes:
        """Exactly so many bytes. Raises: Malformed when there are fewer; OSError."""
        self._check(size)
        end = self._position + size
        data = bytes(self._head[self._position : end]) if end <= len(self._head) else self._from_file(size)
        self._position = end
        return data

    def skip(self, size: int) -> None:
        """Pass so many bytes without looking at them. Raises: Malformed when there are fewer."""
        self._check(size)
        self._position += size

    def peek_end(self) -> bool:
        """Whether nothing follows."""
        return self._position >= self._size_bytes

    def tell(self) -> int:
        """How many bytes were passed."""
        return self._position

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._stream is not None:
            self._stream.close()

    def _from_file(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._open_rest()
            self._begin = self._stream.tell()
        self._stream.seek(self._begin + self._position)
        data = self._stream.read(size)
        if len(data) != size:
            raise Malformed(f"the file shrank while it was read, at byte {self._position}")
        return data

    def _check(self, size: int) -> None:
        missing = self._position + size - self._size_bytes
        if missing > 0:
            raise Malformed(f"truncated: {missing} bytes are missing behind byte {self._size_bytes}")
