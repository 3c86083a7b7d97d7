"""Packs read back: the beginning of one, all of it with every byte checked, or some of its members."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hsm.facts import Member, PackDigest
from hsm.format import frame as frames
from hsm.format import ustar
from hsm.format.errors import FormatError, FormatTooNew, PackDamaged, WrongPack
from hsm.format.frame import MANIFEST_NAME, Entry, Frame
from hsm.format.header import HEADER_BYTES, HEADER_NAME, KIND_PACK, PackHeader, decode
from hsm.format.pack import PackInput, layout
from hsm.format.records import RecordCursor
from hsm.format.study_json import STUDY_NAME, listing


@dataclass(frozen=True)
class PackPrefix:
    """What the first records of a frame say; all of it has its digest."""

    header: PackHeader
    digest: PackDigest
    members: tuple[Member, ...]  # instance_id is 0: a volume does not know it; empty for a catalog file
    study_json: bytes  # empty for a catalog file
    frame: Frame


@dataclass(frozen=True)
class VerifiedPack:
    """A frame of which every byte was read and is right."""

    header: PackHeader
    digest: PackDigest
    stream_sha256: str
    members: tuple[Member, ...]  # instance_id is 0; empty for a catalog file
    study_json: bytes  # empty for a catalog file


def read_header(records: Iterable[bytes]) -> PackHeader:
    """Only 00_HEADER.json: the first record is enough.

    Raises: PackDamaged, FormatTooNew.
    """
    return _header(RecordCursor(records))


def _header(cursor: RecordCursor) -> PackHeader:
    block = cursor.read(ustar.BLOCK)
    content = cursor.read(HEADER_BYTES)
    if block != ustar.header(HEADER_NAME, HEADER_BYTES):
        raise PackDamaged("the frame does not begin with the header block of 00_HEADER.json", (HEADER_NAME,))
    try:
        return decode(content)
    except FormatTooNew:
        raise
    except FormatError as wrong:
        raise PackDamaged(str(wrong), (HEADER_NAME,)) from wrong


def _size(cursor: RecordCursor, path: str) -> int:
    """Pass over the header of a member whose size nothing else says."""
    blocks = cursor.read(ustar.BLOCK)
    found = ustar.parse(blocks)
    size_bytes = found[1] if found else None
    if found and found[2] == ustar.PAX_TYPE:
        blocks += cursor.read(2 * ustar.BLOCK)
        size_bytes = ustar.parse_pax_size(blocks[ustar.BLOCK :][: found[1]])
    if size_bytes is None or blocks != ustar.header(path, size_bytes):
        raise PackDamaged(f"the header block of {path} is damaged", (path,))
    return size_bytes


def _small_member(cursor: RecordCursor, path: str, limit_bytes: int) -> bytes:
    size_bytes = _size(cursor, path)
    if size_bytes > limit_bytes:
        raise PackDamaged(f"{path} cannot have {size_bytes} bytes in a frame of {limit_bytes}", (path,))
    content = cursor.read(size_bytes)
    if any(cursor.read(ustar.padding(size_bytes))):
        raise PackDamaged(f"the padding of {path} is damaged", (path,))
    return content


def prefix_from(cursor: RecordCursor, expected_digest: str | None = None) -> PackPrefix:
    """As `read_prefix`; leaves the cursor behind what it has read, ready to go on with the next member."""
    header = _header(cursor)
    if expected_digest is not None and header.pack_digest != expected_digest:
        where = f"number {header.sequence} on {header.barcode}"
        raise WrongPack(f"{where} is pack {header.pack_digest}, not the wanted {expected_digest}")
    manifest = _small_member(cursor, MANIFEST_NAME, header.pack_bytes)
    if hashlib.sha256(manifest).hexdigest() != header.pack_digest:
        raise PackDamaged(f"the manifest of pack {header.pack_digest} is damaged", (MANIFEST_NAME,))
    study_json = b""
    members: tuple[Member, ...] = ()
    try:
        listed = frames.parse_manifest(manifest)
        if header.kind == KIND_PACK:
            study_json = _small_member(cursor, STUDY_NAME, header.pack_bytes)
            if listed[0] != (STUDY_NAME, hashlib.sha256(study_json).hexdigest()):
                raise PackDamaged(f"the study description of pack {header.pack_digest} is damaged", (STUDY_NAME,))
            planned = layout(study_json, inputs_of(study_json))
            frame, members = planned.frame, planned.members
        else:
            path, sha256 = listed[0]
            frame = frames.plan([(path, _size(cursor, path), sha256)])
    except (PackDamaged, FormatTooNew):
        raise
    except FormatError as wrong:
        raise PackDamaged(f"pack {header.pack_digest} contradicts itself: {wrong}") from wrong
    if frame.manifest != manifest or frame.size_bytes != header.pack_bytes:
        raise PackDamaged(f"manifest, description and size of pack {header.pack_digest} contradict each other")
    return PackPrefix(header, header.pack_digest, members, study_json, frame)


def inputs_of(study_json: bytes) -> list[PackInput]:
    """The instances a study description lists, for `layout`. Raises: StudyJsonInvalid, FormatTooNew."""
    return [PackInput(i.sop_instance_uid, i.series_instance_uid, i.size_bytes, i.sha256) for i in listing(study_json)]


def read_prefix(records: Iterable[bytes], expected_digest: str | None = None) -> PackPrefix:
    """Header, manifest and study description; as few records as these need.

    Raises: WrongPack, PackDamaged, FormatTooNew.
    """
    return prefix_from(RecordCursor(records), expected_digest)


def _is_right(cursor: RecordCursor, entry: Entry) -> bool:
    """Read one member from wherever it is up to; whether header, content and padding are as they must be."""
    right = True
    if cursor.offset_bytes == entry.header_offset:
        right = cursor.read(entry.offset_bytes - entry.header_offset) == ustar.header(entry.path, entry.size_bytes)
    right &= cursor.sha256(entry.size_bytes) == entry.sha256
    return right & (not any(cursor.read(ustar.padding(entry.size_bytes))))


def verify_stream(
    records: Iterable[bytes], expected_stream_sha256: str | None = None, expected_digest: str | None = None
) -> VerifiedPack:
    """Read a whole frame once and check every byte of it (docs/FORMAT.md section 2.6).

    Errors of the records' source pass through.

    Raises: WrongPack, PackDamaged naming all bad members, FormatTooNew.
    """
    cursor = RecordCursor(records, hashed=True)
    prefix = prefix_from(cursor, expected_digest)
    bad: list[str] = []
    for entry in prefix.frame.entries:
        if entry.end_offset <= cursor.offset_bytes:
            continue
        try:
            right = _is_right(cursor, entry)
        except PackDamaged as short:
            missing = [e.path for e in prefix.frame.entries if e.end_offset > cursor.offset_bytes]
            raise PackDamaged(f"pack {prefix.digest} is cut off: {short}", [*bad, *missing]) from short
        if not right:
            bad.append(entry.path)
    if bad:
        raise PackDamaged(f"{len(bad)} members of pack {prefix.digest} are damaged, the first is {bad[0]}", bad)
    if cursor.read(len(ustar.END)) != ustar.END:
        raise PackDamaged(f"pack {prefix.digest} does not end with two blocks of NULs")
    if not cursor.at_end():
        raise PackDamaged(f"something follows the end of pack {prefix.digest}")
    if expected_stream_sha256 not in (None, cursor.stream_sha256):
        raise WrongPack(f"the stream of pack {prefix.digest} is whole but not the one written: {cursor.stream_sha256}")
    return VerifiedPack(prefix.header, prefix.digest, cursor.stream_sha256, prefix.members, prefix.study_json)


def extract(
    records: Iterable[bytes], first_offset: int, wanted: Sequence[Member]
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Some members of a pack, in the order they lie, from records that begin at `first_offset` of the stream.

    Each member comes with its bytes, in pieces; they may be believed only after the last piece was taken without an
    error. What is not taken is passed over before the next member. After PackDamaged of one member the next may still
    be asked for.

    Raises: PackDamaged (from the pieces) when a digest is wrong or the stream ends; ValueError when a member lies
    before `first_offset`.
    """
    cursor = RecordCursor(records, first_offset)
    for member in sorted(wanted, key=lambda m: m.offset_bytes):
        if member.offset_bytes < cursor.offset_bytes:
            raise ValueError(f"{member.sop_instance_uid} lies before byte {cursor.offset_bytes} of the stream")
        cursor.skip(member.offset_bytes - cursor.offset_bytes)
        yield member, _checked(cursor, member)
        cursor.skip(max(0, member.offset_bytes + member.size_bytes - cursor.offset_bytes))


def _checked(cursor: RecordCursor, member: Member) -> Iterator[bytes]:
    digest = hashlib.sha256()
    path = f"{member.series_instance_uid}/{member.sop_instance_uid}.dcm"
    try:
        for piece in cursor.take(member.size_bytes):
            digest.update(piece)
            yield bytes(piece)
    except PackDamaged as short:
        raise PackDamaged(f"{path} is cut off: {short}", (path,)) from short
    if digest.hexdigest() != member.sha256:
        raise PackDamaged(f"{path} is damaged: its digest is {digest.hexdigest()}, not {member.sha256}", (path,))
