"""Bytes out of records, counted and hashed."""

import hashlib
from collections.abc import Iterable, Iterator

from hsm.format.errors import PackDamaged


class RecordCursor:
    """A position in a stream that comes as records of any length."""

    def __init__(self, records: Iterable[bytes], offset_bytes: int = 0, hashed: bool = False) -> None:
        """`offset_bytes`: where in the stream the first record begins. `hashed`: keep a digest of all that came."""
        self._records = iter(records)
        self._rest = memoryview(b"")
        self._hash = hashlib.sha256() if hashed else None
        self.offset_bytes = offset_bytes

    def take(self, size_bytes: int) -> Iterator[memoryview]:
        """The next bytes, in pieces as they come.

        Raises: PackDamaged when the stream ends before.
        """
        left = size_bytes
        while left > 0:
            if not self._rest and not self._next():
                raise PackDamaged(f"the stream ends at byte {self.offset_bytes}, {left} bytes too early")
            piece, self._rest = self._rest[:left], self._rest[left:]
            left -= len(piece)
            self.offset_bytes += len(piece)
            yield piece

    def _next(self) -> bool:
        for record in self._records:
            if self._hash is not None:
                self._hash.update(record)
            if record:
                self._rest = memoryview(record)
                return True
        return False

    def read(self, size_bytes: int) -> bytes:
        """The next bytes at once. Raises: PackDamaged."""
        return b"".join(self.take(size_bytes))

    def skip(self, size_bytes: int) -> None:
        """Pass over the next bytes. Raises: PackDamaged."""
        for _ in self.take(size_bytes):
            pass

    def sha256(self, size_bytes: int) -> str:
        """The digest of the next bytes. Raises: PackDamaged."""
        digest = hashlib.sha256()
        for piece in self.take(size_bytes):
            digest.update(piece)
        return digest.hexdigest()

    def at_end(self) -> bool:
        """Whether nothing follows; reads on to find out."""
        return not self._rest and not self._next()

    @property
    def stream_sha256(self) -> str:
        """The digest of every record that came so far. Raises: ValueError unless asked for at the beginning."""
        if self._hash is None:
            raise ValueError("this cursor was not asked to hash its records")
        return self._hash.hexdigest()
