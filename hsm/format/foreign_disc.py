"""A disc of somebody else: the files of any ISO 9660 file system, each where it lies, without mounting it."""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from hsm.format.errors import DiscDamaged

SECTOR_BYTES: Final = 2048
_DEEPEST: Final = 32  # folders; a deeper tree is a circle
_BROKEN: Final = (PyCdlibException, struct.error, ValueError, IndexError, KeyError, AttributeError, TypeError)

ReadAt = Callable[[int, int], bytes]  # (offset, size), both in bytes


@dataclass(frozen=True)
class ForeignFile:
    """One file and its extents: (offset in bytes, size in bytes)."""

    path: str  # from the root, with "/", as the disc spells it
    extents: tuple[tuple[int, int], ...]

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return sum(size for _, size in self.extents)


class ForeignDisc:
    """The file system of a disc that is not ours. Errors of the stream pass through."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the file system. `stream` should not read ahead: a bad place beyond what is asked for is no fault of it.

        Raises: DiscDamaged when there is no file system that can be read.
        """
        self._iso = PyCdlib()
        try:
            self._iso.open_fp(stream)
            self.volume_id = _text(self._iso.pvd.volume_identifier).strip()
        except _BROKEN as wrong:
            raise DiscDamaged(f"the disc has no ISO 9660 file system that can be read: {wrong}") from wrong
        self._names = "rr" if self._iso.has_rock_ridge() else "joliet" if self._iso.has_joliet() else "iso"

    def files(self) -> Iterator[ForeignFile]:
        """All files, folder by folder, in order of names. Raises: DiscDamaged."""
        yield from self._folder("/", 0)

    def _folder(self, path: str, depth: int) -> Iterator[ForeignFile]:
        if depth > _DEEPEST:
            raise DiscDamaged(f"the folders of the disc are nested deeper than {_DEEPEST}: {path[:80]}")
        try:
            children = [
                (self._name(record), record)
                for record in self._iso.list_children(**{f"{self._names}_path": path})
                if record is not None and not record.is_dot() and not record.is_dotdot()
            ]
        except _BROKEN as wrong:
            raise DiscDamaged(f"the folder {path} of the disc cannot be read: {wrong}") from wrong
        seen: set[str] = set()
        for name, record in sorted(children, key=lambda child: child[0]):
            here = f"{path.rstrip('/')}/{name}"
            if record.is_dir():
                yield from self._folder(here, depth + 1)
            elif name not in seen:  # a file of several extents has a record for each; the first leads to the others
                yield ForeignFile(here.lstrip("/"), _extents(record))
            seen.add(name)

    def _name(self, record: Any) -> str:
        if self._names == "rr":
            return str(record.rock_ridge.name().decode("utf-8", "replace"))
        if self._names == "joliet":
            return str(record.file_identifier().decode("utf-16-be", "replace"))
        return _text(record.file_identifier())


def _extents(record: Any) -> tuple[tuple[int, int], ...]:
    found = []
    while record is not None:
        found.append((record.extent_location() * SECTOR_BYTES, record.get_data_length()))
        record = record.data_continuation
    return tuple(found)


def _text(raw: bytes) -> str:
    return "".join(c for c in raw.decode("latin-1") if c.isprintable())


def plain_name(path: str) -> str:
    """A path as a DICOMDIR would spell it: capitals, without version numbers and trailing dots."""
    return "/".join(part.split(";")[0].rstrip(".") for part in path.upper().split("/"))


class FileBytes(io.RawIOBase):
    """The content of one file, read from nowhere but its own extents."""

    def __init__(self, file: ForeignFile, read_at: ReadAt) -> None:
        self._extents = list(file.extents)
        self._read_at = read_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        while self._extents and not self._extents[0][1]:
            self._extents.pop(0)
        if not self._extents:
            return 0
        offset, left = self._extents[0]
        data = self._read_at(offset, min(len(buffer), left))
        if not data:
            raise DiscDamaged(f"the disc ends at byte {offset}, in the middle of a file")
        buffer[: len(data)] = data
        self._extents[0] = (offset + len(data), left - len(data))
        return len(data)
