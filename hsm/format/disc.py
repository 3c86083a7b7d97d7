"""The tree of files that becomes a disc: a DICOM File-set, and beside it what proves it (docs/FORMAT.md section 5)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from hsm.facts import Member
from hsm.format import study_json
from hsm.format.directory import Directory
from hsm.format.disc_pages import Row, index, readme
from hsm.format.disc_reader import DiscReader
from hsm.format.errors import LayoutInvalid
from hsm.format.header import HEADER_NAME, KIND_PACK, PackHeader
from hsm.format.header import encode as encode_header
from hsm.format.label import VolumeLabel
from hsm.format.label import encode as encode_label
from hsm.format.pack import MANIFEST_NAME, STUDY_NAME, PackLayout, PackStream
from hsm.format.places import ARCHIVE, FILES_NAME, LABEL_PLACE, PAR2_INDEX, RESTORE_PLACE, file_list, image_places
from hsm.format.tape import media_text

__all__ = ["PAR2_INDEX", "DiscReader", "DiscTree", "build_tree"]

_PIECE: Final = 1 << 20
DiscPack = tuple[PackLayout, Callable[[Member], BinaryIO]]


@dataclass(frozen=True)
class DiscTree:
    """A tree ready to become an image."""

    root: Path
    headers: tuple[PackHeader, ...]  # by sequence, from 1
    stream_sha256: tuple[str, ...]  # of each copy, as section 5 defines it
    private: tuple[str, ...]  # SOP Instance UIDs that the DICOMDIR could reference only by a record of type PRIVATE
    size_bytes: int  # of all files; the image is a little larger

    @property
    def par2_index(self) -> Path:
        """Where recovery data may be put."""
        return self.root / PAR2_INDEX

    def files(self) -> list[Path]:
        """Every file, in the order of their names: what recovery data should cover."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())


class _Copying:
    """Reads a member for the stream and writes the same bytes to their place on the disc."""

    def __init__(self, source: BinaryIO, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._source = source
        self._target = target.open("xb")

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._target.write(data)
        return data

    def close(self) -> None:
        try:
            self._source.close()
        finally:
            self._target.close()

    def __enter__(self) -> "_Copying":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def build_tree(root: Path, packs: Sequence[DiscPack], label: VolumeLabel, now: datetime) -> DiscTree:
    """Write everything a disc will hold below `root`, a folder that does not exist or is empty.

    `packs`: layout and the way to open a member's stored file, in the order of their sequence. Each file is copied byte
    for byte and compared with its digest on the way.

    Raises: MemberChanged, LayoutInvalid (no packs), TextInvalid, ValueError (label without a proper uuid), OSError. The
    tree is of no use then.
    """
    if not packs:
        raise LayoutInvalid("a disc needs at least one pack")
    root.mkdir(parents=True, exist_ok=True)
    directory = Directory()
    rows: list[Row] = []
    headers: list[PackHeader] = []
    digests: list[str] = []
    for sequence, (layout, open_member) in enumerate(packs, 1):
        instances = study_json.parse(layout.study_json)
        header = _header(layout, label, sequence, instances[0].header.study_instance_uid, headers, digests, now)
        digests.append(_copy_pack(root, layout, header, open_member))
        headers.append(header)
        places = image_places(sequence, layout.members)
        for instance, place in zip(instances, places, strict=True):
            directory.add(instance.header, place, root / place, instance.member_syntax)
        rows.append(Row(sequence, instances, str(PurePosixPath(places[0]).parent.parent)))
    fixed = {
        "DICOMDIR": directory.encode(label.barcode, label.uuid),
        "README.TXT": readme(label.barcode, now),
        "INDEX.HTM": index(label.barcode, now, rows),
        LABEL_PLACE: encode_label(label),
        RESTORE_PLACE: media_text("restore.py"),
    }
    for place, content in fixed.items():
        (root / place).write_bytes(content)
    size_bytes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return DiscTree(root, tuple(headers), tuple(digests), tuple(directory.private), size_bytes)


def _header(
    layout: PackLayout,
    label: VolumeLabel,
    sequence: int,
    study_instance_uid: str,
    headers: Sequence[PackHeader],
    digests: Sequence[str],
    now: datetime,
) -> PackHeader:
    return PackHeader(
        kind=KIND_PACK,
        pack_digest=layout.digest,
        pack_bytes=layout.size_bytes,
        barcode=label.barcode,
        volume_uuid=label.uuid,
        sequence=sequence,
        previous_address=sequence - 1 if headers else None,
        previous_digest=headers[-1].pack_digest if headers else None,
        previous_stream_sha256=digests[-1] if digests else None,
        study_instance_uid=study_instance_uid,
        written_at=now,
    )


def _copy_pack(root: Path, layout: PackLayout, header: PackHeader, open_member: Callable[[Member], BinaryIO]) -> str:
    """The files of one pack. Returns the SHA-256 of its stream."""
    folder = root / ARCHIVE / f"{header.sequence:04d}"
    folder.mkdir(parents=True)
    places = dict(zip(layout.members, image_places(header.sequence, layout.members), strict=True))
    contents = {
        HEADER_NAME: encode_header(header),
        MANIFEST_NAME: layout.manifest,
        STUDY_NAME: layout.study_json,
        FILES_NAME: file_list(header.sequence, layout),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)

    def copying(member: Member) -> BinaryIO:
        return _Copying(open_member(member), root / places[member])  # type: ignore[return-value]

    with PackStream(layout, header, copying) as stream:
        for _ in _pieces(stream):
            continue
        return stream.stream_sha256


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece
