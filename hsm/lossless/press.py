"""One object compressed without loss, and the same object put together again byte for byte.

Only the transfer syntax, the way elements are written (explicit VR) and Pixel Data differ.
Source: PS3.5 annexes A.4 and A.4.3; docs/FORMAT.md section 2.7.
"""

import hashlib
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from hsm.elements import ITEM, PIXEL_DATA, SEQUENCE_END, UNDEFINED, Malformed
from hsm.facts import Pressed
from hsm.lossless import jpeg_ls
from hsm.lossless.image import WANTED, Image, NotCompressed, image_of
from hsm.lossless.part10 import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Cut,
    Meta,
    Part,
    pixel_header,
    read_meta,
    to_explicit,
    to_implicit,
)

MOST_BYTES: Final = 4 * 1024**3 - 1  # of an object: offsets in its table have 32 bits
MOST_HEAD_BYTES: Final = 64 * 1024**2  # what stands around the pixels is held in memory
WORTH_PCT: Final = 95  # what does not become smaller than this stays as it is
_LENGTH_OF_PIXELS: Final = 0x7FE00000
# Beside pixels of other kinds: a table of offsets belongs to another way of writing; a signature would no longer fit.
_NOT_WITH: Final = {
    0x7FE00001: "its pixels have a table of offsets",
    0x7FE00002: "its pixels have a table of offsets",
    0x7FE00008: "its pixels are floating-point numbers",
    0x7FE00009: "its pixels are floating-point numbers",
    0xFFFAFFFA: "it is signed digitally",
}


class NotRestored(Exception):
    """A compressed object does not give the object that was received; the message says what differs."""


class _Sink(Protocol):
    """Where a restored object goes."""

    def write(self, data: bytes, /) -> object:
        """The next bytes."""
        ...


@dataclass(frozen=True)
class _Pieces:
    """An object around its pixels."""

    meta: Meta
    head: bytes
    pixels: Part
    tail: bytes
    image: Image
    length_before: bool  # the last element of the head is the length of the group of pixels


def compress(source: Path, dataset_offset: int, target: Path) -> Pressed:
    """Write a Part 10 file again with its pixels as JPEG-LS. What was written is not proved yet.

    Raises: NotCompressed with the reason why it stays as it is; OSError.
    """
    size_bytes = source.stat().st_size
    if size_bytes > MOST_BYTES:
        raise NotCompressed("it is larger than 4 GiB")
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            pieces = _taken_apart(view, dataset_offset)
            with target.open("wb") as out:
                offset = _write_pressed(view, dataset_offset, pieces, out)
        finally:
            view.release()
    return _described(target, offset, pieces.pixels.vr, size_bytes)


def _taken_apart(view: memoryview, dataset_offset: int) -> _Pieces:
    try:
        return _pieces(view, dataset_offset)
    except (Malformed, ValueError, IndexError, struct.error) as error:
        raise NotCompressed(f"it is not written regularly: {str(error).split(', at byte')[0]}") from None


def _pieces(view: memoryview, dataset_offset: int) -> _Pieces:
    with view[dataset_offset:] as dataset:
        return _pieces_of(view, dataset_offset, dataset)


def _pieces_of(view: memoryview, dataset_offset: int, dataset: memoryview) -> _Pieces:
    meta = read_meta(bytes(view[:dataset_offset]), dataset_offset)
    if meta.transfer_syntax_uid not in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        raise NotCompressed("it is compressed already, or written in another way than little endian")
    implicit = meta.transfer_syntax_uid == IMPLICIT_LITTLE
    pixels, values, length_before = _around(dataset, implicit)
    if pixels is None:
        raise NotCompressed("it has no pixels")
    if pixels.undefined or pixels.vr not in ("", "OB", "OW"):
        raise NotCompressed("its pixels are not written regularly")
    if pixels.start + len(dataset) - pixels.end > MOST_HEAD_BYTES:
        raise NotCompressed("there is more around its pixels than is held in memory")
    image = image_of(values)
    if pixels.end - pixels.value_at != image.value_bytes:
        raise NotCompressed("its pixels are not as many as the description says")
    head, tail = bytes(dataset[: pixels.start]), bytes(dataset[pixels.end :])
    if implicit:
        head, tail = to_explicit(head), to_explicit(tail)
    return _Pieces(meta, head, pixels, tail, image, length_before)


def _around(dataset: memoryview, implicit: bool) -> tuple[Part | None, dict[int, bytes], bool]:
    """Pixel Data, the values of WANTED, and whether the length of their group is written down.

    Raises: NotCompressed, Malformed.
    """
    values: dict[int, bytes] = {}
    pixels: Part | None = None
    before, length_before = -1, False
    for part in Cut(dataset, implicit).parts():
        if part.tag <= before:
            raise Malformed("elements are out of order")
        before = part.tag
        if part.tag in _NOT_WITH:
            raise NotCompressed(_NOT_WITH[part.tag])
        if part.tag == PIXEL_DATA:
            pixels = part
        elif part.tag == _LENGTH_OF_PIXELS:
            if part.end - part.value_at != 4:
                raise Malformed("the length of a group is not a number")
            length_before = True
        elif part.tag in WANTED:
            values[part.tag] = bytes(dataset[part.value_at : min(part.end, part.value_at + 64)])
    return pixels, values, length_before


def _write_pressed(view: memoryview, dataset_offset: int, pieces: _Pieces, out: BinaryIO) -> int:
    """Returns: where the data set begins."""
    meta = pieces.meta.with_syntax(jpeg_ls.TRANSFER_SYNTAX)
    out.write(meta)
    out.write(pieces.head)
    out.write(pixel_header("OB", UNDEFINED))
    image, pixels = pieces.image, pieces.pixels
    table_at = out.tell() + 8
    out.write(_item(bytes(4 * image.frames)))
    begin, offsets = out.tell(), list[int]()
    for number in range(image.frames):
        at = dataset_offset + pixels.value_at + number * image.frame_bytes
        offsets.append(out.tell() - begin)
        out.write(_item(jpeg_ls.encode(bytes(view[at : at + image.frame_bytes]), image)))
    out.write(struct.pack("<HHI", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0))
    element_bytes = out.tell() - len(meta) - len(pieces.head)
    out.write(pieces.tail)
    if offsets[-1] > 0xFFFFFFFF:
        raise NotCompressed("it is larger than 4 GiB")
    out.seek(table_at)
    out.write(struct.pack(f"<{image.frames}I", *offsets))
    if pieces.length_before:
        out.seek(len(meta) + len(pieces.head) - 4)
        out.write(struct.pack("<I", element_bytes))
    return len(meta)


def _item(value: bytes) -> bytes:
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(value)) + value


def _described(target: Path, offset: int, pixel_vr: str, received_bytes: int) -> Pressed:
    """The digests of what is on disk, read again."""
    whole, dataset = hashlib.sha256(), hashlib.sha256()
    size_bytes = target.stat().st_size
    if size_bytes * 100 > received_bytes * WORTH_PCT:
        raise NotCompressed("it would not become smaller")
    with target.open("rb") as file:
        whole.update(file.read(offset))
        while piece := file.read(1 << 20):
            whole.update(piece)
            dataset.update(piece)
    return Pressed(
        jpeg_ls.TRANSFER_SYNTAX, size_bytes, whole.hexdigest(), offset, dataset.hexdigest(), pixel_vr or "OW"
    )


def restore(source: Path, dataset_offset: int, transfer_syntax_uid: str, pixel_vr: str, sink: _Sink) -> str:
    """Put the object together as it was received.

    `transfer_syntax_uid` and `pixel_vr`: of the object as it was received.

    Returns: the SHA-256 of what was written to the sink.
    Raises: NotRestored, OSError.
    """
    try:
        return _restored(source, dataset_offset, transfer_syntax_uid, pixel_vr, _Hashing(sink))
    except (Malformed, NotCompressed, jpeg_ls.FrameDamaged, ValueError, IndexError, struct.error) as error:
        raise NotRestored(f"the compressed object cannot be read: {error}") from error


class _Hashing:
    """Passes bytes on and hashes them."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._hash.update(data)
        self._sink.write(data)

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        return self._hash.hexdigest()


def _restored(source: Path, dataset_offset: int, transfer_syntax_uid: str, pixel_vr: str, out: _Hashing) -> str:
    implicit = transfer_syntax_uid == IMPLICIT_LITTLE
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        dataset = view[dataset_offset:]
        try:
            meta = read_meta(bytes(view[:dataset_offset]), dataset_offset)
            parts = list(Cut(dataset, implicit=False).parts())
            pixels = next((part for part in parts if part.tag == PIXEL_DATA), None)
            if pixels is None or not pixels.undefined:
                raise NotRestored("the object has no compressed pixels")
            values = {part.tag: bytes(dataset[part.value_at : part.end]) for part in parts if part.tag in WANTED}
            image = image_of(values)
            head, tail = bytes(dataset[: pixels.start]), bytes(dataset[pixels.end :])
            out.write(meta.with_syntax(transfer_syntax_uid))
            head = to_implicit(head) if implicit else head
            pixels_start = pixel_header("" if implicit else pixel_vr, image.value_bytes)
            if any(part.tag == _LENGTH_OF_PIXELS for part in parts):
                head = head[:-4] + struct.pack("<I", len(pixels_start) + image.value_bytes)
            out.write(head)
            out.write(pixels_start)
            frames = 0
            for stream in _fragments(dataset[pixels.value_at : pixels.end]):
                out.write(jpeg_ls.decode(stream, image))
                frames += 1
            if frames != image.frames:
                raise NotRestored(f"there are {frames} frames instead of {image.frames}")
            out.write(bytes(image.value_bytes - image.frames * image.frame_bytes))
            out.write(to_implicit(tail) if implicit else tail)
        finally:
            dataset.release()
            view.release()
    return out.hexdigest()


def _fragments(data: memoryview) -> Iterator[bytes]:
    """The code streams behind the table of offsets: each frame is one fragment."""
    at, first = 0, True
    while True:
        group, element, size = struct.unpack("<HHI", data[at : at + 8])
        tag = group << 16 | element
        at += 8
        if tag == SEQUENCE_END:
            return
        if tag != ITEM or at + size > len(data):
            raise Malformed("the fragments are not whole")
        if not first:
            yield bytes(data[at : at + size])
        first, at = False, at + size
