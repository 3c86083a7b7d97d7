"""DICOMDIR, encoded by hand: explicit VR little endian, offsets exact, nothing in it that was not asked for.

Source: PS3.3 F.3 (Basic Directory IOD), PS3.5 7.1.2 and 7.5, PS3.10 7.1 and 8.6.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias, Union

from pydicom.datadict import dictionary_VR, tag_for_keyword

from hsm.format.dicom_text import charset_of, encoded

Value: TypeAlias = Union[str, int, Sequence["Values"]]  # noqa: UP007 - refers to itself
Values: TypeAlias = Mapping[str, Value]  # by DICOM keyword

IMPLEMENTATION_UID: Final = "2.25.278164954283050063196523670827338155027"
IMPLEMENTATION_NAME: Final = "FIRN"
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_DIRECTORY_STORAGE: Final = "1.2.840.10008.1.3.10"
_LONG: Final = frozenset({"OB", "SQ", "UT", "UC", "UN"})  # VRs with a 32-bit length
_BINARY: Final = {"US": "<H", "UL": "<I"}
_NEXT, _LOWER = "OffsetOfTheNextDirectoryRecord", "OffsetOfReferencedLowerLevelDirectoryEntity"
_FIRST: Final = "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity"
_LAST: Final = "OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity"
_IN_USE: Final = 0xFFFF


@dataclass
class Record:
    """One directory record and what hangs below it."""

    kind: str  # Directory Record Type
    values: dict[str, Value]
    children: list["Record"] = field(default_factory=list)


def _element(tag: int, vr: str, data: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii"))
    length = struct.pack("<HI", 0, len(data)) if vr in _LONG else struct.pack("<H", len(data))
    return head + length + data


def _encode_values(values: Values, charset: str) -> bytes:
    tagged = []
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(f"{keyword} is not in the DICOM dictionary")
        tagged.append((tag, dictionary_VR(tag), value))
    return b"".join(_element(tag, vr, _content(vr, value, charset)) for tag, vr, value in sorted(tagged, key=_by_tag))


def _by_tag(item: tuple[int, str, Value]) -> int:
    return item[0]


def _content(vr: str, value: Value, charset: str) -> bytes:
    if isinstance(value, int):
        return struct.pack(_BINARY[vr], value)
    if isinstance(value, str):
        return encoded(vr, value, charset)
    return b"".join(_item(_encode_values(item, charset)) for item in value)


def _item(data: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def _texts(values: Values) -> list[str]:
    found = []
    for value in values.values():
        if isinstance(value, str):
            found.append(value)
        elif not isinstance(value, int):
            found += [text for item in value for text in _texts(item)]
    return found


def _encode_record(record: Record, following: int, lower: int) -> bytes:
    values: dict[str, Value] = {
        _NEXT: following,
        "RecordInUseFlag": _IN_USE,
        _LOWER: lower,
        "DirectoryRecordType": record.kind,
        **record.values,
    }
    charset = charset_of(_texts(record.values))
    if charset:
        values["SpecificCharacterSet"] = charset
    return _item(_encode_values(values, charset))


def _file_meta(uid: str) -> bytes:
    body = _element(0x00020001, "OB", b"\0\1") + _encode_values(
        {
            "MediaStorageSOPClassUID": _DIRECTORY_STORAGE,
            "MediaStorageSOPInstanceUID": uid,
            "TransferSyntaxUID": _EXPLICIT_LITTLE,
            "ImplementationClassUID": IMPLEMENTATION_UID,
            "ImplementationVersionName": IMPLEMENTATION_NAME,
        },
        "",
    )
    return bytes(128) + b"DICM" + _element(0x00020000, "UL", struct.pack("<I", len(body))) + body


def encode(file_set_id: str, file_set_uid: str, roots: Sequence[Record]) -> bytes:
    """The whole file DICOMDIR.

    `file_set_id`: at most 16 characters of A-Z 0-9 _ and blank. `roots`: the PATIENT records.
    """
    meta = _file_meta(file_set_uid)

    def before(first: int, last: int) -> bytes:
        return meta + _encode_values(
            {"FileSetID": file_set_id, _FIRST: first, _LAST: last, "FileSetConsistencyFlag": 0}, ""
        )

    # Depth first; the length of a record does not depend on the offsets in it, so they are known after one pass.
    order: list[Record] = []
    _flatten(roots, order)
    start = len(before(0, 0)) + 12  # behind tag, VR and length of the Directory Record Sequence
    places: dict[int, int] = {}
    position = start
    for record in order:
        places[id(record)] = position
        position += len(_encode_record(record, 0, 0))
    following = _following(roots)
    body = bytearray()
    for record in order:
        lower = places[id(record.children[0])] if record.children else 0
        sibling = following.get(id(record))
        body += _encode_record(record, places[id(sibling)] if sibling else 0, lower)
    head = before(places[id(roots[0])], places[id(roots[-1])]) if roots else before(0, 0)
    return head + _element(0x00041220, "SQ", bytes(body))


def _flatten(records: Sequence[Record], order: list[Record]) -> None:
    for record in records:
        order.append(record)
        _flatten(record.children, order)


def _following(records: Sequence[Record]) -> dict[int, Record]:
    found = {id(record): sibling for record, sibling in pairwise(records)}
    for record in records:
        found |= _following(record.children)
    return found
