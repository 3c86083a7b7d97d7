"""Reads the header of one DICOM object once: what the catalog keeps of it, and whether the bytes are a whole object.

Nothing is decoded that is not asked for, pixels least of all; but every element's length is checked to the end of the
file, so a truncated object is refused before anybody relies on it.
Source: PS3.10 section 7.1, PS3.5 section 7, PS3.3 C.7.
"""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

from hsm.charsets import decode, encodings_of
from hsm.elements import (
    UNDEFINED,
    Element,
    Encoding,
    FileSource,
    InflatingSource,
    Malformed,
    Source,
    Walker,
    encoding_of,
    read_element_header,
)
from hsm.facts import Header, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.text import is_uid
from hsm.values import date_of, int_of, json_of, tag_key, text_of, texts_of, time_of

MAX_VALUE_BYTES = 64 * 1024  # of one header element; longer ones are not kept
_REMEMBERED_BYTES = 128  # of values that are not worked out again for each object
MAX_META_BYTES = 1 << 20  # of the file meta
_PREAMBLE_BYTES = 128
_META = Encoding(implicit=False, little=True)

# Further keys that a query may ask for, by the level they describe. Kept as DICOM JSON.
PATIENT_KEYS = frozenset({
    0x00100022, 0x00100024, 0x00100026, 0x00100027, 0x00100032, 0x00101000, 0x00101001, 0x00101002, 0x00101005,
    0x00102160, 0x00102201, 0x00102202, 0x00102203, 0x00102292, 0x00102297, 0x00104000,
})  # fmt: skip
STUDY_KEYS = frozenset({
    0x00080051, 0x00080201, 0x00081032, 0x00081048, 0x00081060, 0x00081080, 0x00101010, 0x00101020, 0x00101030,
    0x00102000, 0x00102110, 0x00102180, 0x001021B0, 0x001021C0, 0x0032000A, 0x0032000C, 0x00321032, 0x00321033,
    0x00321060, 0x00321064, 0x00324000, 0x00380010, 0x00380060, 0x00380300, 0x00380500,
})  # fmt: skip
SERIES_KEYS = frozenset({
    0x00080068, 0x00080070, 0x00080080, 0x00081010, 0x00081040, 0x00081050, 0x00081070, 0x00081090, 0x00180010,
    0x00180024, 0x00181000, 0x00181020, 0x00181030, 0x00185100, 0x00200052, 0x00200060, 0x00201040, 0x00400244,
    0x00400245, 0x00400250, 0x00400251, 0x00400253, 0x00400254, 0x00400260, 0x00400275, 0x00540081, 0x00541000,
})  # fmt: skip
INSTANCE_KEYS = frozenset({
    0x00080008, 0x00080012, 0x00080013, 0x00080022, 0x00080023, 0x0008002A, 0x00080032, 0x00080033, 0x00082111,
    0x0008103F, 0x00181310, 0x00200012, 0x00200032, 0x00200037, 0x00201041, 0x00204000, 0x00280002, 0x00280004,
    0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280103, 0x00281050, 0x00281051,
    0x0040A032, 0x0040A043, 0x0040A491, 0x0040A493, 0x00420010, 0x00420012, 0x00700080, 0x00700081, 0x00700082,
    0x00700083, 0x00700084,
})  # fmt: skip
_FIXED = frozenset({
    0x00080005, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080030, 0x00080031, 0x00080050, 0x00080060,
    0x00080080, 0x00080090, 0x00081030, 0x0008103E, 0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040,
    0x00180015, 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200013,
})  # fmt: skip
_WANTED = _FIXED | PATIENT_KEYS | STUDY_KEYS | SERIES_KEYS | INSTANCE_KEYS


class HeaderInvalid(Exception):
    """The bytes are no object that can be kept under its identity; the message says why, without names of persons."""


@dataclass(frozen=True)
class FileMeta:
    """What the file meta of a Part 10 file says; empty for what it does not."""

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    dataset_offset: int  # where the data set begins in the file


@dataclass(frozen=True)
class ParsedHeader:
    """A header, and where its data set begins."""

    header: Header
    dataset_offset: int


def read_header(stream: BinaryIO) -> ParsedHeader:
    """Read a whole Part 10 file from its beginning.

    Raises: HeaderInvalid; OSError when the file itself cannot be read.
    """
    meta = read_file_meta(stream)
    stream.seek(meta.dataset_offset)
    return ParsedHeader(read_dataset_header(stream, meta.transfer_syntax_uid), meta.dataset_offset)


def read_file_meta(stream: BinaryIO) -> FileMeta:
    """Read preamble and file meta of a Part 10 file.

    Raises: HeaderInvalid when there is none, or when it names no transfer syntax.
    Source: PS3.10 section 7.1.
    """
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if size_bytes == 0:
        raise HeaderInvalid("the file is empty")
    start = stream.read(_PREAMBLE_BYTES + 4)
    if start[_PREAMBLE_BYTES:] != b"DICM":
        raise HeaderInvalid("not a DICOM Part 10 file: no DICM behind the preamble")
    values: dict[int, str] = {}
    offset = _PREAMBLE_BYTES + 4
    source = FileSource(stream)
    try:
        for element, end in _meta_elements(source):
            values.setdefault(element.tag, decode(element.value, ["ascii"]).strip(" \0"))
            offset = end
    except Malformed as error:
        raise HeaderInvalid(f"the file meta is broken: {error}") from None
    transfer_syntax_uid = values.get(0x00020010, "")
    if not is_uid(transfer_syntax_uid):
        raise HeaderInvalid("the file meta names no valid transfer syntax")
    return FileMeta(transfer_syntax_uid, values.get(0x00020002, ""), values.get(0x00020003, ""), offset)


def _meta_elements(source: FileSource) -> Iterable[tuple[Element, int]]:
    """The elements of group 2 and where each ends. The group length is not believed: too many writers get it wrong."""
    begin = source.tell()
    while not source.peek_end():
        if source.peek_group() != 2:
            return
        tag, vr, size = read_element_header(source, _META)
        if size == UNDEFINED or source.tell() + size - begin > MAX_META_BYTES:
            raise Malformed(f"an element of {size} bytes")
        value = source.take(size)
        yield Element(tag, vr, value, _META), source.tell()


def read_dataset_header(stream: BinaryIO, transfer_syntax_uid: str) -> Header:
    """Read a data set from the stream's present position to its end.

    Raises: HeaderInvalid when it is not whole, or identifies no instance.
    """
    deflated = encoding_of(transfer_syntax_uid).deflated
    return header_from(InflatingSource(stream) if deflated else FileSource(stream), transfer_syntax_uid)


def header_from(source: Source, transfer_syntax_uid: str) -> Header:
    """Read a whole data set, inflated if need be, from where it begins.

    Raises: HeaderInvalid when it is not whole, or identifies no instance.
    """
    encoding = encoding_of(transfer_syntax_uid)
    found: dict[int, Element] = {}
    try:
        for element in Walker(source, encoding, _WANTED, MAX_VALUE_BYTES).walk():
            found.setdefault(element.tag, element)
    except Malformed as error:
        raise HeaderInvalid(f"the data set is broken: {error}") from None
    return _header(found, transfer_syntax_uid)


def _json_of(element: Element, encodings: tuple[str, ...]) -> dict[str, Any] | None:
    if len(element.value) > _REMEMBERED_BYTES:
        return json_of(element, encodings)
    how = element.encoding
    return _remembered(element.tag, element.vr, element.value, how.implicit, how.little, encodings)


@lru_cache(maxsize=8192)
def _remembered(
    tag: int, vr: str, value: bytes, implicit: bool, little: bool, encodings: tuple[str, ...]
) -> dict[str, Any] | None:
    """What a short value says. The objects of a series say mostly the same; nobody may change what this returns."""
    return json_of(Element(tag, vr, value, Encoding(implicit, little)), encodings)


def _header(found: Mapping[int, Element], transfer_syntax_uid: str) -> Header:
    charset_element = found.get(0x00080005)
    terms = [] if charset_element is None else texts_of(charset_element, ["ascii"])
    encodings = tuple(encodings_of(terms))

    def text(tag: int, limit: int = 1 << 16) -> str:
        element = found.get(tag)
        return "" if element is None else text_of(element, encodings)[:limit]

    def first(tag: int, limit: int = 1 << 16) -> str:
        return text(tag, limit).split("\\")[0].strip()

    def attributes(tags: Set[int]) -> dict[str, Any]:
        said = {tag_key(tag): _json_of(found[tag], encodings) for tag in sorted(found.keys() & tags)}
        return {key: value for key, value in said.items() if value is not None}

    def identity(tag: int, name: str) -> str:
        uid = text(tag)
        if not uid:
            raise HeaderInvalid(f"no {name}")
        if not is_uid(uid):
            raise HeaderInvalid(f"{name} is not a UID: {uid[:80]!r}")
        return uid

    def patient_text(tag: int, name: str) -> str:
        value = text(tag)
        if len(value) > 256:  # cutting it could make two patients one
            raise HeaderInvalid(f"{name} has {len(value)} characters; at most 256 are kept")
        return value

    return Header(
        sop_instance_uid=SopInstanceUid(identity(0x00080018, "SOP Instance UID")),
        sop_class_uid=identity(0x00080016, "SOP Class UID"),
        transfer_syntax_uid=transfer_syntax_uid,
        study_instance_uid=StudyUid(identity(0x0020000D, "Study Instance UID")),
        series_instance_uid=SeriesUid(identity(0x0020000E, "Series Instance UID")),
        patient_id=patient_text(0x00100020, "Patient ID"),
        issuer=patient_text(0x00100021, "Issuer of Patient ID"),
        patient_name=first(0x00100010),
        birth_date=date_of(first(0x00100030)),
        sex=first(0x00100040, 16),
        study_date=date_of(first(0x00080020)),
        study_time=time_of(first(0x00080030)),
        accession_number=text(0x00080050, 256),
        study_id=text(0x00200010, 256),
        study_description=text(0x00081030),
        referring_physician=first(0x00080090),
        institution=text(0x00080080),
        character_set="\\".join(terms)[:128],
        modality=first(0x00080060, 64),
        series_number=int_of(text(0x00200011)),
        series_description=text(0x0008103E),
        body_part=text(0x00180015, 64),
        series_date=date_of(first(0x00080021)),
        series_time=time_of(first(0x00080031)),
        instance_number=int_of(text(0x00200013)),
        patient_attributes=attributes(PATIENT_KEYS),
        study_attributes=attributes(STUDY_KEYS),
        series_attributes=attributes(SERIES_KEYS),
        instance_attributes=attributes(INSTANCE_KEYS),
    )
