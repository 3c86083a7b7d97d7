"""A volume's copy of the whole catalog, in the same frame as a pack (docs/FORMAT.md section 2.5)."""

import gzip
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import file_digest, sha256
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from hsm.facts import PackDigest
from hsm.format import frame as frames
from hsm.format.errors import FormatError, PackDamaged
from hsm.format.frame import Entry, FrameStream
from hsm.format.header import KIND_CATALOG, PackHeader
from hsm.format.reading import prefix_from
from hsm.format.records import RecordCursor

CATALOG_NAME: Final = "CATALOG.jsonl.gz"
_PIECE: Final = 1 << 20


class CatalogStream(FrameStream):
    """The stream of a catalog file: read once, to its end.

    The lines are compressed into a temporary file first, because a header says the size of what follows.
    """

    def __init__(self, lines: BinaryIO, header_for: Callable[[PackDigest, int], PackHeader]) -> None:
        """`lines`: JSON lines, read from where the file stands. `header_for`: the header, given digest and size.

        Raises: FormatError when the header is not of kind catalog; OSError when the temporary file cannot be written.
        """
        self._content = TemporaryFile()  # noqa: SIM115 - closed with the stream
        with gzip.GzipFile("", "wb", 6, self._content, mtime=0) as compressed:
            shutil.copyfileobj(lines, compressed, _PIECE)
        size_bytes = self._content.tell()
        self._content.seek(0)
        digest = file_digest(self._content, "sha256").hexdigest()
        self._content.seek(0)
        frame = frames.plan([(CATALOG_NAME, size_bytes, digest)])
        header = header_for(frame.digest, frame.size_bytes)
        if header.kind != KIND_CATALOG:
            raise FormatError(f"a catalog file cannot have a header of kind {header.kind!r}")
        super().__init__(frame, header, self._opened)

    def _opened(self, _entry: Entry) -> BinaryIO:
        return self._content

    def close(self) -> None:
        """Remove the temporary file."""
        self._content.close()
        super().close()


def read(records: Iterable[bytes]) -> tuple[PackHeader, Iterator[bytes]]:
    """The header and the JSON lines of a catalog file.

    The lines are handed out as they come: they may be believed only when all were taken without an error.

    Raises: FormatError when this is a pack; PackDamaged, also while lines are taken.
    """
    cursor = RecordCursor(records)
    prefix = prefix_from(cursor)
    if prefix.header.kind != KIND_CATALOG:
        raise FormatError(f"pack {prefix.digest} is not a catalog file")
    return prefix.header, _lines(cursor, prefix.frame.entries[0])


def _lines(cursor: RecordCursor, entry: Entry) -> Iterator[bytes]:
    digest, unpacked, rest = sha256(), zlib.decompressobj(wbits=31), b""
    try:
        for piece in cursor.take(entry.size_bytes):
            digest.update(piece)
            *whole, rest = (rest + unpacked.decompress(piece)).split(b"\n")
            yield from whole
    except zlib.error as wrong:
        raise PackDamaged(f"{entry.path} cannot be unpacked: {wrong}", (entry.path,)) from wrong
    if digest.hexdigest() != entry.sha256 or not unpacked.eof or rest:
        raise PackDamaged(f"{entry.path} does not have its digest, or its last line is not complete", (entry.path,))
