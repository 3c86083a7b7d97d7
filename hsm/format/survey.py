"""What can still be had of a damaged frame (docs/FORMAT.md section 7)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from hsm.format import ustar
from hsm.format.errors import FormatError, PackDamaged
from hsm.format.frame import MANIFEST_NAME, parse_manifest
from hsm.format.header import HEADER_NAME, PackHeader, decode
from hsm.format.pack import layout
from hsm.format.reading import inputs_of
from hsm.format.records import RecordCursor
from hsm.format.study_json import STUDY_NAME

_DESCRIBING_LIMIT = 1 << 30  # a describing member beyond this is damage: it would be read into memory


@dataclass(frozen=True)
class Surveyed:
    """One member that was found, or should have been."""

    path: str
    offset_bytes: int | None  # None: not found
    size_bytes: int | None
    sha256: str | None  # of what was found
    good: bool | None  # None: there is no manifest to judge it by


@dataclass(frozen=True)
class Survey:
    """What a frame holds, as far as it can be read."""

    header: PackHeader | None
    study_json: bytes | None  # only if it has its digest
    members: tuple[Surveyed, ...]  # in the order of the frame; those of the manifest that were not found come last


class _Surveyor:
    """One walk through a frame that may be damaged anywhere."""

    def __init__(self, records: Iterable[bytes]) -> None:
        self._cursor = RecordCursor(records)
        self.header: PackHeader | None = None
        self.manifest: dict[str, str] = {}
        self.study_json: bytes | None = None
        self.found: list[Surveyed] = []
        self._known: list[tuple[str, int, int]] = []  # (path, offset, size) of what follows, once it is known

    def walk(self) -> None:
        """Take everything in, to the end of the records."""
        try:
            while (place := self._next()) is not None:
                path, size_bytes = place
                offset_bytes = self._cursor.offset_bytes
                if path in (HEADER_NAME, MANIFEST_NAME, STUDY_NAME) and size_bytes <= _DESCRIBING_LIMIT:
                    data = self._cursor.read(size_bytes)
                    sha256, good = hashlib.sha256(data).hexdigest(), self._learn(path, data)
                else:
                    sha256 = self._cursor.sha256(size_bytes)
                    good = self._judge(path, sha256)
                self.found.append(Surveyed(path, offset_bytes, size_bytes, sha256, good))
                self._cursor.skip(ustar.padding(size_bytes))
                if path == STUDY_NAME:
                    self._look_ahead()
        except PackDamaged:
            return  # the records end inside a member: it is not among the found ones

    def _next(self) -> tuple[str, int] | None:
        """Go to the content of the next member, by its known place or else by looking for a header block."""
        if self._known:
            path, offset_bytes, size_bytes = self._known.pop(0)
            self._cursor.skip(offset_bytes - self._cursor.offset_bytes)
            return path, size_bytes
        pax_size: int | None = None
        while not self._cursor.at_end():
            block = ustar.parse(self._cursor.read(ustar.BLOCK))
            if block is None:
                continue
            path, size_bytes, typeflag = block
            if typeflag != ustar.PAX_TYPE:
                return path, size_bytes if pax_size is None else pax_size
            pax_size = ustar.parse_pax_size(self._cursor.read(ustar.BLOCK)[:size_bytes])
        return None

    def _judge(self, path: str, sha256: str) -> bool | None:
        return self.manifest.get(path) == sha256 if self.manifest else None

    def _learn(self, path: str, data: bytes) -> bool | None:
        """Take a describing member in; whether it is good."""
        try:
            if path == HEADER_NAME:
                self.header = decode(data)
                return True
            if path == MANIFEST_NAME:
                good = self.header is None or hashlib.sha256(data).hexdigest() == self.header.pack_digest
                self.manifest = dict(parse_manifest(data)) if good else {}
                return good if self.header else None
        except FormatError:
            return False
        good_study = self._judge(path, hashlib.sha256(data).hexdigest())
        if good_study:
            self.study_json = data
        return good_study

    def _look_ahead(self) -> None:
        """With manifest and study description whole, every place is known, whatever the header blocks say."""
        if self.study_json is None:
            return
        try:
            entries = layout(self.study_json, inputs_of(self.study_json)).frame.entries[1:]
        except FormatError:
            return  # whole, but of no use: go on by looking for header blocks
        if entries[0].header_offset != self._cursor.offset_bytes:
            return  # something is missing before: places have shifted
        self._known = [(entry.path, entry.offset_bytes, entry.size_bytes) for entry in entries]


def survey(records: Iterable[bytes]) -> Survey:
    """List what a damaged frame still holds, and which of it is good.

    Records that cannot be read must be replaced by as many NULs, so that places do not shift. Never raises because of
    what the records hold; errors of their source pass through.
    """
    surveyor = _Surveyor(records)
    surveyor.walk()
    seen = {member.path for member in surveyor.found}
    lost = [Surveyed(path, None, None, None, False) for path in surveyor.manifest if path not in seen]
    return Survey(surveyor.header, surveyor.study_json, (*surveyor.found, *lost))
