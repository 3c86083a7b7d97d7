"""Walks the elements of a DICOM data set without believing a word of it.

Every length is checked against what is really there before anything is read or skipped, nesting is bounded, and values
are only kept where somebody asked for them: a data set of gigabytes is walked by seeking over its pixels.
Source: PS3.5 sections 7.1 to 7.5 and Annex A.
"""

import os
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
MAX_DEPTH = 48  # real objects stay below 10
MAX_ELEMENTS = 2_000_000  # of one data set; enhanced objects with thousands of frames stay below
MAX_PADDING_BYTES = 1 << 16  # zeros behind the last element


@dataclass(frozen=True)
class _Layout:
    """The structures of element headers in one byte order, made once: every element of every object is read by them."""

    explicit: struct.Struct  # group, element, VR, short length
    implicit: struct.Struct  # group, element, length
    long: struct.Struct


_LITTLE = _Layout(struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I"))
_BIG = _Layout(struct.Struct(">HH2sH"), struct.Struct(">HHI"), struct.Struct(">I"))


class Malformed(Exception):
    """The bytes are not a whole data set; the message says where it stops making sense."""


@dataclass(frozen=True)
class Encoding:
    """How a transfer syntax writes elements down."""

    implicit: bool
    little: bool
    deflated: bool = False


@dataclass(frozen=True)
class Element:
    """One element and its value as it was written."""

    tag: int
    vr: str  # "" where the encoding does not say
    value: bytes
    encoding: Encoding


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """How a transfer syntax encodes the elements; private and unknown ones are taken as explicit little endian.

    Source: PS3.5 Annex A: everything encapsulated is Explicit VR Little Endian.
    """
    match transfer_syntax_uid:
        case "1.2.840.10008.1.2":
            return Encoding(implicit=True, little=True)
        case "1.2.840.10008.1.2.2":
            return Encoding(implicit=False, little=False)
        case "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205":
            return Encoding(implicit=False, little=True, deflated=True)
        case _:
            return Encoding(implicit=False, little=True)


class Source(Protocol):
    """Bytes that are walked forward."""

    def take(self, size: int) -> bytes:
        """Exactly so many bytes. Raises: Malformed when there are fewer."""
        ...

    def skip(self, size: int) -> None:
        """Pass so many bytes. Raises: Malformed when there are fewer."""
        ...

    def peek_end(self) -> bool:
        """Whether nothing follows."""
        ...

    def tell(self) -> int:
        """How many bytes were passed."""
        ...


class FileSource:
    """A seekable file from its present position to its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = stream.tell()
        self._end = stream.seek(0, os.SEEK_END)
        stream.seek(self._position)

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        self._check(size)
        data = self._stream.read(size)
        if len(data) != size:
            raise Malformed(f"the file shrank while it was read, at byte {self._position}")
        self._position += size
        return data

    def skip(self, size: int) -> None:
        """Pass so many bytes by seeking."""
        self._check(size)
        self._position += size
        self._stream.seek(self._position)

    def peek_end(self) -> bool:
        """Whether the end is reached."""
        return self._position >= self._end

    def peek_group(self) -> int:
        """The little-endian group number that follows, without passing it. Raises: Malformed."""
        group = self.take(2)
        self._position -= 2
        self._stream.seek(self._position)
        return int.from_bytes(group, "little")

    def tell(self) -> int:
        """The position in the file."""
        return self._position

    def _check(self, size: int) -> None:
        missing = self._position + size - self._end
        if missing > 0:
            raise Malformed(f"truncated: {missing} bytes are missing behind byte {self._end}")


class InflatingSource:
    """The inflated bytes of a deflated data set, a piece at a time.

    Source: PS3.5 A.5 (raw deflate, RFC 1951).
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ready = b""
        self._position = 0

    def take(self, size: int) -> bytes:
        """Exactly so many inflated bytes."""
        parts = []
        for part in self._pieces(size):
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Inflate and drop so many bytes."""
        for _ in self._pieces(size):
            continue

    def peek_end(self) -> bool:
        """Whether the deflated stream has ended."""
        if not self._ready:
            self._fill()
        return not self._ready

    def tell(self) -> int:
        """How many inflated bytes were passed."""
        return self._position

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._ready:
                self._fill()
            if not self._ready:
                raise Malformed(f"truncated: the deflated data set ends {size} bytes early")
            part, self._ready = self._ready[:size], self._ready[size:]
            self._position += len(part)
            size -= len(part)
            yield part

    def _fill(self) -> None:
        try:
            while not self._ready and not self._inflater.eof:
                data = self._inflater.unconsumed_tail or self._stream.read(65536)
                if not data:
                    raise Malformed("truncated: the deflated data set has no end")
                self._ready = self._inflater.decompress(data, 1 << 18)
        except zlib.error as error:
            raise Malformed(f"the deflated data set cannot be inflated: {error}") from None


class Walker:
    """One pass over a data set that keeps the wanted top-level values and checks that all others are there."""

    def __init__(self, source: Source, encoding: Encoding, wanted: Collection[int], max_value_bytes: int) -> None:
        """`max_value_bytes` bounds what is kept of one element: longer ones are passed as if nobody had asked."""
        self._source = source
        self._encoding = encoding
        self._wanted = wanted
        self._max_value_bytes = max_value_bytes
        self._seen = 0

    def walk(self) -> Iterator[Element]:
        """The wanted elements in file order.

        Raises: Malformed, also when the part behind the last wanted element is broken: walk to the end.
        """
        source, encoding = self._source, self._encoding
        while not source.peek_end():
            start = source.tell()
            tag, vr, size = read_element_header(source, encoding)
            self._count()
            if tag == 0 and size == 0:
                self._padding(start)
                return
            if tag >> 16 == 0xFFFE:
                raise Malformed(f"an item or delimiter outside a sequence at byte {start}")
            if size == UNDEFINED:
                inner = self._encoding_inside(vr, encoding)
                if tag in self._wanted and tag != PIXEL_DATA:
                    value = self._recorded(inner)
                    if value is not None:
                        yield Element(tag, "SQ", value, inner)
                else:
                    self._undefined(inner, 0)
            elif tag in self._wanted and size <= self._max_value_bytes:
                yield Element(tag, vr, source.take(size), encoding)
            else:
                source.skip(size)

    def _recorded(self, encoding: Encoding) -> bytes | None:
        """Pass a sequence of undefined length and keep its bytes, unless they are too many."""
        source = self._source
        recorder = _Recorder(source, self._max_value_bytes)
        self._source = recorder
        try:
            self._undefined(encoding, 0)
        finally:
            self._source = source
        return recorder.value()

    def _undefined(self, encoding: Encoding, depth: int) -> None:
        """Pass the items of one sequence (or the fragments of one pixel data element) of undefined length."""
        if depth > MAX_DEPTH:
            raise Malformed(f"sequences are nested deeper than {MAX_DEPTH}")
        source = self._source
        while True:
            start = source.tell()
            tag, size = read_item_header(source, encoding)
            self._count()
            if tag == SEQUENCE_END:
                return
            if tag != ITEM:
                raise Malformed(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) where an item should begin, at byte {start}")
            if size == UNDEFINED:
                self._item(encoding, depth)
            else:
                source.skip(size)

    def _item(self, encoding: Encoding, depth: int) -> None:
        source = self._source
        while True:
            tag, vr, size = read_element_header(source, encoding)
            self._count()
            if tag == ITEM_END:
                return
            if size == UNDEFINED:
                self._undefined(self._encoding_inside(vr, encoding), depth + 1)
            else:
                source.skip(size)

    @staticmethod
    def _encoding_inside(vr: str, encoding: Encoding) -> Encoding:
        # an unknown element of undefined length holds implicit little endian, whatever surrounds it: PS3.5 6.2.2 note 1
        return Encoding(implicit=True, little=True) if vr == "UN" else encoding

    def _count(self) -> None:
        self._seen += 1
        if self._seen > MAX_ELEMENTS:
            raise Malformed(f"more than {MAX_ELEMENTS} elements")

    def _padding(self, start: int) -> None:
        """Zeros behind the last element are harmless; anything else is not."""
        source = self._source
        total = source.tell() - start
        while not source.peek_end():
            if source.take(1) != b"\0":
                raise Malformed(f"bytes that belong to no element at byte {source.tell() - 1}")
            total += 1
            if total > MAX_PADDING_BYTES:
                raise Malformed(f"more than {MAX_PADDING_BYTES} zeros behind the last element")


def read_element_header(source: Source, encoding: Encoding) -> tuple[int, str, int]:
    """Tag, VR ("" where none is written) and length of the next element. Raises: Malformed."""
    layout = _LITTLE if encoding.little else _BIG
    start = source.take(8)
    group, element, vr, short = layout.explicit.unpack(start)
    tag = group << 16 | element
    # items and delimiters have no VR; elements that do not look like explicit ones are read as implicit, as peers do
    if encoding.implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
        return tag, "", layout.implicit.unpack(start)[2]
    if vr in LONG_VRS:
        return tag, vr.decode("ascii"), layout.long.unpack(source.take(4))[0]
    return tag, vr.decode("ascii"), short


def read_item_header(source: Source, encoding: Encoding) -> tuple[int, int]:
    """Tag and length of the next item or delimiter. Raises: Malformed."""
    group, element, size = (_LITTLE if encoding.little else _BIG).implicit.unpack(source.take(8))
    return group << 16 | element, size


class BytesSource:
    """A piece of memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        part = self._data[self._position : self._position + size]
        if len(part) != size:
            raise Malformed(f"truncated at byte {len(self._data)} of a sequence")
        self._position += size
        return part

    def skip(self, size: int) -> None:
        """Pass so many bytes."""
        self.take(size)

    def peek_end(self) -> bool:
        """Whether the end is reached."""
        return self._position >= len(self._data)

    def tell(self) -> int:
        """How many bytes were passed."""
        return self._position

    def slice(self, start: int, end: int) -> bytes:
        """Bytes that were passed."""
        return self._data[start:end]


class _Recorder:
    """A source that keeps what passes through it, up to a bound."""

    def __init__(self, source: Source, limit_bytes: int) -> None:
        self._source = source
        self._limit_bytes = limit_bytes
        self._kept: list[bytes] | None = []
        self._size_bytes = 0

    def value(self) -> bytes | None:
        """All that passed, or None when it was more than the bound."""
        return None if self._kept is None else b"".join(self._kept)

    def take(self, size: int) -> bytes:
        """Exactly so many bytes, kept."""
        data = self._source.take(size)
        self._size_bytes += size
        if self._kept is not None:
            self._kept.append(data)
        if self._size_bytes > self._limit_bytes:
            self._kept = None
        return data

    def skip(self, size: int) -> None:
        """Pass so many bytes, kept while the bound allows."""
        if self._kept is None or self._size_bytes + size > self._limit_bytes:
            self._kept = None
            self._source.skip(size)
        else:
            self.take(size)

    def peek_end(self) -> bool:
        """Whether nothing follows."""
        return self._source.peek_end()

    def tell(self) -> int:
        """How many bytes were passed."""
        return self._source.tell()
