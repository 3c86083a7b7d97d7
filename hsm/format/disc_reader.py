"""A disc read back through any seekable stream, without mounting it (docs/FORMAT.md section 5)."""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from hsm.facts import Member
from hsm.format import ustar
from hsm.format.errors import DiscDamaged, NotALabel, PackDamaged
from hsm.format.frame import MANIFEST_NAME, Frame
from hsm.format.header import HEADER_BYTES, HEADER_NAME, PackHeader
from hsm.format.label import LABEL_BYTES, VolumeLabel
from hsm.format.label import decode as decode_label
from hsm.format.pack import layout
from hsm.format.places import ARCHIVE, FILES_NAME, LABEL_PLACE, file_list, image_places
from hsm.format.reading import PackPrefix, VerifiedPack, inputs_of, prefix_from, verify_stream
from hsm.format.records import RecordCursor
from hsm.format.study_json import STUDY_NAME

SECTOR_BYTES: Final = 2048
_PIECE: Final = 1 << 20
_DESCRIBING_LIMIT: Final = 1 << 30  # a describing file beyond this is damage: it would be read into memory
_BROKEN: Final = (PyCdlibException, struct.error, ValueError, IndexError, KeyError, AttributeError, TypeError)


class DiscFile:
    """Where one file lies: a row of extents, one behind the other where it is larger than 4 GiB."""

    def __init__(self, extents: list[tuple[int, int]]) -> None:
        """`extents`: (offset in bytes, size in bytes)."""
        self.extents = extents
        self.size_bytes = sum(size for _, size in extents)


class DiscReader:
    """One disc of ours. Errors of the stream pass through."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the file system. The stream stays open and must not be used by others meanwhile.

        Raises: DiscDamaged.
        """
        self._stream = stream
        self._folders: dict[str, dict[str, Any]] = {}
        self._prefixes: dict[int, PackPrefix] = {}
        self._iso = PyCdlib()
        try:
            self._iso.open_fp(stream)
            if not self._iso.has_rock_ridge():
                raise DiscDamaged("the disc has no Rock Ridge names: it is not one of ours")
        except _BROKEN as wrong:
            raise DiscDamaged(f"the file system of the disc cannot be read: {wrong}") from wrong

    # -- files --

    def _folder(self, path: str) -> dict[str, Any]:
        """The directory records of a folder by name; the first one of each file."""
        if path not in self._folders:
            found: dict[str, Any] = {}
            try:
                for record in self._iso.list_children(rr_path="/" + path):
                    if record is not None and not record.is_dot() and not record.is_dotdot():
                        found.setdefault(record.rock_ridge.name().decode("utf-8", "replace"), record)
            except _BROKEN as wrong:
                raise DiscDamaged(f"the folder /{path} of the disc cannot be read: {wrong}") from wrong
            self._folders[path] = found
        return self._folders[path]

    def _file(self, path: str) -> DiscFile:
        folder, _, name = path.rpartition("/")
        record = self._folder(folder).get(name)
        if record is None or record.is_dir():
            raise DiscDamaged(f"the file /{path} is not on the disc")
        extents = []
        while record is not None:
            extents.append((record.extent_location() * SECTOR_BYTES, record.get_data_length()))
            record = record.data_continuation
        return DiscFile(extents)

    def _read(self, file: DiscFile, start: int = 0) -> Iterator[bytes]:
        for offset, size in file.extents:
            skipped = min(start, size)
            start -= skipped
            position, left = offset + skipped, size - skipped
            while left:
                self._stream.seek(position)
                piece = self._stream.read(min(_PIECE, left))
                if not piece:
                    return  # the recorded image ends here; what reads us counts bytes
                position += len(piece)
                left -= len(piece)
                yield piece

    def _whole(self, path: str) -> bytes:
        file = self._file(path)
        if file.size_bytes > _DESCRIBING_LIMIT:
            raise DiscDamaged(f"/{path} cannot have {file.size_bytes} bytes")
        return b"".join(self._read(file))

    def read_file(self, path: str) -> Iterator[bytes]:
        """The bytes of any file, in pieces, unchecked. `path` from the root, with `/`. Raises: DiscDamaged."""
        return self._read(self._file(path))

    def paths(self) -> Iterator[str]:
        """Every file, from the root with `/`. Raises: DiscDamaged."""
        folders = [""]
        while folders:
            folder = folders.pop()
            for name, record in self._folder(folder).items():
                path = f"{folder}/{name}" if folder else name
                if record.is_dir():
                    folders.append(path)
                else:
                    yield path

    # -- what the disc says --

    def label(self) -> VolumeLabel:
        """The label. Raises: NotALabel, LabelDamaged, FormatTooNew, DiscDamaged."""
        if "LABEL.TXT" not in self._folder(ARCHIVE):
            raise NotALabel(f"the disc has no /{LABEL_PLACE}: it is not one of ours")
        if self._file(LABEL_PLACE).size_bytes > LABEL_BYTES:
            raise NotALabel(f"/{LABEL_PLACE} is too long to be a label of ours")
        return decode_label(self._whole(LABEL_PLACE))

    def sequences(self) -> tuple[int, ...]:
        """The numbers of the packs on the disc. Raises: DiscDamaged."""
        names = (name for name, record in self._folder(ARCHIVE).items() if record.is_dir())
        return tuple(sorted(int(name) for name in names if name.isdecimal() and len(name) >= 4))

    def pack(self, sequence: int) -> PackPrefix:
        """What a pack says of itself; all of it has its digest. Raises: PackDamaged, FormatTooNew, DiscDamaged."""
        if sequence not in self._prefixes:
            folder = f"{ARCHIVE}/{sequence:04d}"
            prefix = prefix_from(RecordCursor(self._beginning(folder)))
            if prefix.header.sequence != sequence:
                raise PackDamaged(f"/{folder} holds pack number {prefix.header.sequence}", (HEADER_NAME,))
            self._prefixes[sequence] = prefix
        return self._prefixes[sequence]

    def _beginning(self, folder: str) -> Iterator[bytes]:
        """The stream of a pack up to its study description."""
        header = self._whole(f"{folder}/{HEADER_NAME}")
        if len(header) != HEADER_BYTES:
            raise PackDamaged(f"/{folder}/{HEADER_NAME} has {len(header)} bytes", (HEADER_NAME,))
        contents = (HEADER_NAME, header), *((n, self._whole(f"{folder}/{n}")) for n in (MANIFEST_NAME, STUDY_NAME))
        for name, content in contents:
            yield ustar.header(name, len(content)) + content + bytes(ustar.padding(len(content)))

    def packs(self) -> tuple[PackPrefix, ...]:
        """All packs by sequence. Raises: as `pack`."""
        return tuple(self.pack(sequence) for sequence in self.sequences())

    # -- content --

    def stream(self, sequence: int, offset_bytes: int = 0) -> Iterator[bytes]:
        """The stream of a copy from some byte on: the tar this pack is on a tape, made of the files here.

        Everything that reads frames reads it: `verify_stream`, `extract`.

        Raises: as `pack`; PackDamaged, naming the member, when a file is missing or has another size.
        """
        prefix = self.pack(sequence)
        folder = f"{ARCHIVE}/{sequence:04d}"
        position = 0
        for size, pieces in self._parts(prefix.frame, folder, image_places(sequence, prefix.members)):
            if position + size > offset_bytes:
                yield from pieces(max(0, offset_bytes - position))
            position += size

    def _parts(self, frame: Frame, folder: str, places: list[str]) -> Iterator[tuple[int, Any]]:
        """The stream as parts: (size, function of a start that gives the bytes from there on)."""

        def fixed(data: bytes) -> tuple[int, Any]:
            return len(data), lambda start: iter((data[start:],))

        study, images = frame.entries[0], frame.entries[1:]
        yield fixed(b"".join(self._beginning(folder)))
        position = study.end_offset
        for entry, place in zip(images, places, strict=True):
            yield fixed(ustar.header(entry.path, entry.size_bytes))
            yield entry.size_bytes, lambda start, e=entry, p=place: self._exactly(p, e.path, e.size_bytes, start)
            yield fixed(bytes(ustar.padding(entry.size_bytes)))
            position = entry.end_offset
        yield fixed(ustar.END)
        assert position + len(ustar.END) == frame.size_bytes

    def _exactly(self, place: str, path: str, size_bytes: int, start: int) -> Iterator[bytes]:
        try:
            file = self._file(place)
        except DiscDamaged as wrong:
            raise PackDamaged(f"{path} is missing: {wrong}", (path,)) from wrong
        if file.size_bytes != size_bytes:
            raise PackDamaged(f"/{place} has {file.size_bytes} bytes instead of {size_bytes}", (path,))
        return self._read(file, start)

    def open_member(self, sequence: int, member: Member) -> Iterator[bytes]:
        """The bytes of one instance, in pieces, unchecked. Raises: PackDamaged, DiscDamaged."""
        prefix = self.pack(sequence)
        by_uid = {
            m.sop_instance_uid: place
            for m, place in zip(prefix.members, image_places(sequence, prefix.members), strict=True)
        }
        place = by_uid.get(member.sop_instance_uid)
        if place is None:
            raise PackDamaged(f"{member.sop_instance_uid} is not in pack number {sequence} of the disc")
        path = f"{member.series_instance_uid}/{member.sop_instance_uid}.dcm"
        return self._exactly(place, path, member.size_bytes, 0)

    def verify(self, sequence: int | None = None) -> tuple[VerifiedPack, ...]:
        """Read one pack, or all, and the label, and check every byte and the chain of the packs.

        Raises: PackDamaged (naming all bad members of the first bad pack), WrongPack, DiscDamaged, LabelDamaged.
        """
        label = self.label()
        sequences = self.sequences() if sequence is None else (sequence,)
        if not sequences:
            raise DiscDamaged(f"disc {label.barcode} holds no packs")
        verified: list[VerifiedPack] = []
        for number in sequences:
            found = verify_stream(self.stream(number))
            header = found.header
            if (header.barcode, header.volume_uuid) != (label.barcode, label.uuid):
                raise PackDamaged(f"pack number {number} belongs to {header.barcode}, not to {label.barcode}")
            if sequence is None and not _follows(header, verified):
                raise PackDamaged(f"pack number {number} does not follow the one before: a pack is missing or foreign")
            planned = layout(found.study_json, inputs_of(found.study_json))
            if self._whole(f"{ARCHIVE}/{number:04d}/{FILES_NAME}") != file_list(number, planned):
                raise PackDamaged(f"{FILES_NAME} of pack number {number} is damaged", (FILES_NAME,))
            verified.append(found)
        return tuple(verified)


def _follows(header: PackHeader, before: list[VerifiedPack]) -> bool:
    """Whether a header names the pack that was read before it, or none if there was none."""
    named = header.previous_address, header.previous_digest, header.previous_stream_sha256
    if not before:
        return named == (None, None, None)
    return named == (before[-1].header.sequence, before[-1].digest, before[-1].stream_sha256)
