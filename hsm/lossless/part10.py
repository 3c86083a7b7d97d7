"""A Part 10 file taken apart so that it can be put together again byte for byte: preamble, file meta, elements, pixels.

Nothing here interprets a value. What is moved between implicit and explicit VR is moved element by element, and every
length that follows from what lies inside is written anew in both directions.
Source: PS3.5 sections 6.2.2, 7.1 and 7.5, annex A; PS3.10 section 7.1.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR

from hsm.elements import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    MAX_DEPTH,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    BytesSource,
    Encoding,
    Malformed,
    read_element_header,
    read_item_header,
)

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
PREAMBLE_BYTES: Final = 128
META_START: Final = PREAMBLE_BYTES + 4
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GROUP_LENGTH: Final = b"\x02\x00\x00\x00UL\x04\x00"
_SYNTAX_TAG: Final = 0x00020010
_EXPLICIT: Final = Encoding(implicit=False, little=True)
_IMPLICIT: Final = Encoding(implicit=True, little=True)
_SHORT_LIMIT: Final = 1 << 16
# What the dictionary leaves open: written down so in explicit VR, and gone again on the way back.
_CHOICES: Final = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}
_EITHER: Final = "US or SS"  # as Pixel Representation says, of the item itself or of what it lies in
_PIXEL_REPRESENTATION: Final = 0x00280103


@dataclass(frozen=True)
class Meta:
    """The beginning of a Part 10 file."""

    raw: bytes  # preamble, DICM and group 0002
    transfer_syntax_uid: str
    _value_at: int  # where the value of the transfer syntax begins
    _value_bytes: int

    def with_syntax(self, transfer_syntax_uid: str) -> bytes:
        """The same with another transfer syntax and the group length that follows."""
        value = transfer_syntax_uid.encode("ascii")
        value += b"\0" * (len(value) % 2)
        head, tail = self.raw[: self._value_at - 2], self.raw[self._value_at + self._value_bytes :]
        made = head + struct.pack("<H", len(value)) + value + tail
        return (
            made[:META_START] + _GROUP_LENGTH + struct.pack("<I", len(made) - META_START - 12) + made[META_START + 12 :]
        )


def read_meta(data: bytes, dataset_offset: int) -> Meta:
    """Take the beginning of a file apart. Raises: Malformed when it is not written as PS3.10 asks."""
    raw = data[:dataset_offset]
    if raw[PREAMBLE_BYTES:META_START] != b"DICM":
        raise Malformed("the file does not begin as PS3.10 asks")
    if raw.startswith(_TIFF):
        raise Malformed("its preamble makes it a TIFF file, too, which describes where its pixels lie now")
    if raw[META_START : META_START + 8] != _GROUP_LENGTH:
        raise Malformed("the file meta information does not begin with its length")
    if struct.unpack("<I", raw[META_START + 8 : META_START + 12])[0] != len(raw) - META_START - 12:
        raise Malformed("the length of the file meta information is not right")
    source = BytesSource(raw[META_START:])
    while not source.peek_end():
        tag, _, size = read_element_header(source, _EXPLICIT)
        if tag == _SYNTAX_TAG:
            at = META_START + source.tell()
            return Meta(raw, source.take(size).rstrip(b"\0").decode("ascii", "replace"), at, size)
        source.skip(size)
    raise Malformed("the file meta information names no transfer syntax")


@dataclass(frozen=True)
class Part:
    """One element at the top of a data set, still as bytes."""

    tag: int
    vr: str  # "" in implicit VR
    start: int
    value_at: int
    end: int
    undefined: bool


class Cut:
    """Finds the elements at the top of a data set without keeping any of them; the data set may be mapped memory."""

    def __init__(self, data: memoryview, implicit: bool) -> None:
        self._data = data
        self._encoding = _IMPLICIT if implicit else _EXPLICIT

    def parts(self) -> Iterator[Part]:
        """In file order. Raises: Malformed."""
        at, end = 0, len(self._data)
        while at < end:
            source = BytesSource(bytes(self._data[at : at + 12]))
            tag, vr, size = read_element_header(source, self._encoding)
            if tag >> 16 == 0xFFFE:
                raise Malformed(f"an item or delimiter outside a sequence at byte {at}")
            if not self._encoding.implicit and not vr:
                raise Malformed(f"an element without a VR at byte {at}")
            value_at = at + source.tell()
            if size == UNDEFINED:
                stop = self._behind_items(value_at, self._inside(vr), 0)
            else:
                stop = value_at + size
            if stop > end:
                raise Malformed(f"truncated: ({tag >> 16:04X},{tag & 0xFFFF:04X}) ends behind the file")
            yield Part(tag, vr, at, value_at, stop, size == UNDEFINED)
            at = stop

    def _inside(self, vr: str) -> Encoding:
        return _IMPLICIT if vr == "UN" else self._encoding

    def _header(self, at: int) -> BytesSource:
        if at >= len(self._data):
            raise Malformed("truncated within a sequence")
        return BytesSource(bytes(self._data[at : at + 12]))

    def _behind_items(self, at: int, encoding: Encoding, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise Malformed(f"sequences are nested deeper than {MAX_DEPTH}")
        while True:
            source = self._header(at)
            tag, size = read_item_header(source, encoding)
            at += source.tell()
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM:
                raise Malformed(f"no item where one should begin, at byte {at}")
            at = self._behind_item(at, encoding, depth) if size == UNDEFINED else at + size

    def _behind_item(self, at: int, encoding: Encoding, depth: int) -> int:
        while True:
            source = self._header(at)
            tag, vr, size = read_element_header(source, encoding)
            at += source.tell()
            if tag == ITEM_END:
                return at
            if size == UNDEFINED:
                at = self._behind_items(at, _IMPLICIT if vr == "UN" else encoding, depth + 1)
            else:
                at += size


def to_explicit(data: bytes) -> bytes:
    """Elements in implicit VR little endian, written in explicit VR. Raises: Malformed."""
    return _moved(data, _IMPLICIT, _write_explicit, 0, False)


def to_implicit(data: bytes) -> bytes:
    """Elements in explicit VR little endian, written in implicit VR. Raises: Malformed."""
    return _moved(data, _EXPLICIT, _write_implicit, 0, False)


_Write = Callable[[int, str, bytes, bool], bytes]


def _moved(data: bytes, encoding: Encoding, write: _Write, depth: int, signed: bool) -> bytes:
    if depth > MAX_DEPTH:
        raise Malformed(f"sequences are nested deeper than {MAX_DEPTH}")
    made: list[bytes] = []
    lengths: dict[int, int] = {}  # group: place of its length among what was made
    sizes: dict[int, int] = {}
    parts = list(Cut(memoryview(data), encoding.implicit).parts())
    for part in parts:
        if part.tag == _PIXEL_REPRESENTATION:
            signed = data[part.value_at : part.end] == b"\x01\x00"
    for part in parts:
        vr = part.vr or implied_vr(part.tag, signed)
        value = data[part.value_at : part.end]
        if vr == "SQ" or (part.undefined and vr != "UN"):
            vr, value = "SQ", _moved_items(value, encoding, write, part.undefined, depth, signed)
        written = write(part.tag, vr, value, part.undefined)
        group = part.tag >> 16
        if part.tag & 0xFFFF == 0 and len(value) == 4:
            lengths[group] = len(made)
        else:
            sizes[group] = sizes.get(group, 0) + len(written)
        made.append(written)
    for group, place in lengths.items():
        made[place] = made[place][:-4] + struct.pack("<I", sizes.get(group, 0))
    return b"".join(made)


def _moved_items(data: bytes, encoding: Encoding, write: _Write, undefined: bool, depth: int, signed: bool) -> bytes:
    made: list[bytes] = []
    at = 0
    cut = Cut(memoryview(data), encoding.implicit)
    while at < len(data):
        tag, size = read_item_header(BytesSource(data[at : at + 8]), encoding)
        at += 8
        if tag == SEQUENCE_END and undefined and at == len(data) and size == 0:
            made.append(data[at - 8 : at])
            break
        if tag != ITEM:
            raise Malformed("no item where one should begin")
        if size == UNDEFINED:
            end = cut._behind_item(at, encoding, depth)
            inner, closing = data[at : end - 8], data[end - 8 : end]
        else:
            end = at + size
            inner, closing = data[at:end], b""
        if end > len(data):
            raise Malformed("an item ends behind its sequence")
        moved = _moved(inner, encoding, write, depth + 1, signed)
        made += [struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED if size == UNDEFINED else len(moved)), moved, closing]
        at = end
    return b"".join(made)


def _write_explicit(tag: int, vr: str, value: bytes, undefined: bool) -> bytes:
    size = UNDEFINED if undefined else len(value)
    raw = vr.encode("ascii")
    if raw not in LONG_VRS and size >= _SHORT_LIMIT:
        raw = b"UN"  # PS3.5 6.2.2: what does not fit 16 bits of length
    if raw in LONG_VRS:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, raw, 0, size) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, raw, size) + value


def _write_implicit(tag: int, _vr: str, value: bytes, undefined: bool) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, UNDEFINED if undefined else len(value)) + value


def implied_vr(tag: int, signed: bool = False) -> str:
    """The VR of an element that was written without one. Source: PS3.6, PS3.5 sections 7.8 and 6.2.2."""
    group, element = tag >> 16, tag & 0xFFFF
    if element == 0:
        return "UL"
    if group % 2:
        return "LO" if 0x10 <= element <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    if vr == _EITHER:
        return "SS" if signed else "US"
    return _CHOICES.get(vr, vr)


def pixel_header(vr: str, size: int) -> bytes:
    """The header of Pixel Data; `vr` is "" for implicit VR."""
    group, element = PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF
    if not vr:
        return struct.pack("<HHI", group, element, size)
    return struct.pack("<HH2sHI", group, element, vr.encode("ascii"), 0, size)
