"""The tar that carries a pack or a catalog file: where everything lies, and its stream (docs/FORMAT.md section 2)."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

from hsm.facts import PackDigest
from hsm.format import ustar
from hsm.format.errors import FormatError, LayoutInvalid, ManifestDamaged, MemberChanged
from hsm.format.header import HEADER_BYTES, HEADER_NAME, PackHeader, encode
from hsm.format.text import is_digest

MANIFEST_NAME: Final = "01_MANIFEST.sha256"
MANIFEST_OFFSET: Final = 2 * ustar.BLOCK + HEADER_BYTES  # of its content, on every volume

# typing.BinaryIO brings nothing to run time but its name; as a base it costs method look-ups on every read.
if TYPE_CHECKING:

    class _RawBinary(io.RawIOBase, BinaryIO):
        """What a driver takes as a stream."""
else:
    _RawBinary = io.RawIOBase


@dataclass(frozen=True)
class Entry:
    """One member behind the manifest: what it must be, and where its content lies in the stream."""

    path: str
    offset_bytes: int
    size_bytes: int
    sha256: str

    @property
    def header_offset(self) -> int:
        """Where its header blocks begin."""
        return self.offset_bytes - ustar.header_bytes(self.size_bytes)

    @property
    def end_offset(self) -> int:
        """Where its padding ends."""
        return self.offset_bytes + self.size_bytes + ustar.padding(self.size_bytes)


@dataclass(frozen=True)
class Frame:
    """All that is equal on every copy."""

    digest: PackDigest
    manifest: bytes
    entries: tuple[Entry, ...]
    size_bytes: int  # of the whole stream


def plan(contents: Sequence[tuple[str, int, str]]) -> Frame:
    """Where everything will lie. `contents` are (path, size in bytes, sha256) in order.

    Raises: LayoutInvalid when a path occurs twice or cannot stand in a tar.
    """
    manifest = "".join(f"{sha256}  {path}\n" for path, _, sha256 in contents).encode("ascii")
    position = MANIFEST_OFFSET + len(manifest) + ustar.padding(len(manifest))
    entries = []
    seen = {HEADER_NAME, MANIFEST_NAME}
    for path, size_bytes, sha256 in contents:
        if path in seen:
            raise LayoutInvalid(f"{path} would be in the frame twice")
        if size_bytes < 0 or not is_digest(sha256):
            raise LayoutInvalid(f"{path} has size {size_bytes} and digest {sha256[:80]!r}")
        seen.add(path)
        entry = Entry(path, position + ustar.header_bytes(size_bytes), size_bytes, sha256)
        entries.append(entry)
        position = entry.end_offset
    digest = PackDigest(hashlib.sha256(manifest).hexdigest())
    return Frame(digest, manifest, tuple(entries), position + len(ustar.END))


def parse_manifest(data: bytes) -> list[tuple[str, str]]:
    """(path, sha256) of every line. Raises: ManifestDamaged."""
    try:
        lines = data.decode("ascii").split("\n")
    except ValueError:
        raise ManifestDamaged("01_MANIFEST.sha256 is not ASCII") from None
    if len(lines) < 2 or lines.pop() != "":
        raise ManifestDamaged("01_MANIFEST.sha256 does not end with a complete line")
    found = []
    for number, line in enumerate(lines, 1):
        digest, blanks, path = line[:64], line[64:66], line[66:]
        if not is_digest(digest) or blanks != "  " or not path:
            raise ManifestDamaged(f"line {number} of 01_MANIFEST.sha256 is not a digest and a name")
        found.append((path, digest))
    return found


class FrameStream(_RawBinary):
    """The stream of one frame for one volume: read once, to its end.

    Every member is checked against its plan while it passes; its last byte is handed out only if all were right.
    """

    def __init__(self, frame: Frame, header: PackHeader, open_entry: Callable[[Entry], BinaryIO]) -> None:
        """`open_entry` gives a member's content, to be closed here.

        Raises: FormatError when the header is not of this frame.
        """
        super().__init__()
        if header.pack_digest != frame.digest or header.pack_bytes != frame.size_bytes:
            raise FormatError(f"the header is of pack {header.pack_digest}, the members of {frame.digest}")
        self.header = header
        self.frame = frame
        self._open_entry = open_entry
        self._segments = self._plan()
        self._pending = memoryview(b"")
        self._entry: Entry | None = None
        self._source: BinaryIO | None = None
        self._left = 0
        self._entry_hash = hashlib.sha256()
        self._hash = hashlib.sha256()
        self._position = 0

    def _plan(self) -> Iterator[bytes | Entry]:
        """The stream as a row of fixed bytes and members."""
        content, manifest = encode(self.header), self.frame.manifest
        yield ustar.header(HEADER_NAME, len(content)) + content + bytes(ustar.padding(len(content)))
        yield ustar.header(MANIFEST_NAME, len(manifest)) + manifest + bytes(ustar.padding(len(manifest)))
        for entry in self.frame.entries:
            yield ustar.header(entry.path, entry.size_bytes)
            yield entry
            yield bytes(ustar.padding(entry.size_bytes))
        yield ustar.END

    @property
    def stream_sha256(self) -> str:
        """The digest of the whole stream. Raises: ValueError before its end was read."""
        if self._position != self.frame.size_bytes:
            raise ValueError(f"only {self._position} of {self.frame.size_bytes} bytes were read")
        return self._hash.hexdigest()

    def readable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end.

        Raises: MemberChanged; the stream is of no use after that.
        """
        left = self.frame.size_bytes - self._position
        wanted = left if size < 0 else min(size, left)
        pieces = []
        got = 0
        while got < wanted:
            piece = self._piece(wanted - got)
            pieces.append(piece)
            got += len(piece)
        data = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        self._hash.update(data)
        self._position += got
        return data

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill a buffer; see `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _piece(self, limit: int) -> bytes | memoryview:
        """The next bytes, at least one and at most `limit`."""
        while True:
            if self._pending:
                piece, self._pending = self._pending[:limit], self._pending[limit:]
                return piece
            if self._entry is not None:
                return self._member_piece(self._entry, limit)
            segment = next(self._segments)
            if isinstance(segment, Entry):
                self._begin_member(segment)
            else:
                self._pending = memoryview(segment)

    def _begin_member(self, entry: Entry) -> None:
        self._entry, self._left, self._entry_hash = entry, entry.size_bytes, hashlib.sha256()
        try:
            self._source = self._open_entry(entry)
        except OSError as wrong:
            raise MemberChanged(entry.path, f"it cannot be opened: {wrong}") from wrong
        if not self._left:
            self._finish_member(entry, self._source)

    def _member_piece(self, entry: Entry, limit: int) -> bytes:
        source = self._source
        if source is None:
            raise MemberChanged(entry.path, "reading went on after it had failed")
        try:
            piece = source.read(min(limit, self._left))
        except OSError as wrong:
            raise MemberChanged(entry.path, f"it cannot be read: {wrong}") from wrong
        if not piece:
            raise MemberChanged(entry.path, f"it ends {self._left} bytes before its size of {entry.size_bytes}")
        self._entry_hash.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._finish_member(entry, source)
        return piece

    def _finish_member(self, entry: Entry, source: BinaryIO) -> None:
        self._source = None
        with source:
            if source.read(1):
                raise MemberChanged(entry.path, f"it is longer than its size of {entry.size_bytes}")
        if self._entry_hash.hexdigest() != entry.sha256:
            raise MemberChanged(entry.path, f"its digest is {self._entry_hash.hexdigest()}, not {entry.sha256}")
        self._entry = None

    def close(self) -> None:
        """Let go of the member that is open."""
        source, self._source = self._source, None
        if source is not None:
            source.close()
        super().close()


def bytes_opener(contents: dict[str, bytes], other: Callable[[Entry], BinaryIO]) -> Callable[[Entry], BinaryIO]:
    """Opens what is in memory from there, everything else with `other`."""

    def opened(entry: Entry) -> BinaryIO:
        return BytesIO(contents[entry.path]) if entry.path in contents else other(entry)

    return opened
