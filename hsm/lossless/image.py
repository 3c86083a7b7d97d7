"""Which pixels can be compressed and how they lie: what is odd in any way is left as it is."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hsm.elements import Malformed

MOST_SIDE: Final = 65535  # of a JPEG-LS image
ROWS, COLUMNS, FRAMES = 0x00280010, 0x00280011, 0x00280008
SAMPLES, PHOTOMETRIC, PLANAR = 0x00280002, 0x00280004, 0x00280006
ALLOCATED, STORED, HIGH_BIT, SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
WANTED: Final = frozenset({ROWS, COLUMNS, FRAMES, SAMPLES, PHOTOMETRIC, PLANAR, ALLOCATED, STORED, HIGH_BIT, SIGNED})
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_COLOUR: Final = frozenset({"RGB", "YBR_FULL"})


class NotCompressed(Exception):
    """An object stays as it is; the message says why, in a few words that can be counted."""


@dataclass(frozen=True)
class Image:
    """How the pixels of an object lie."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Of one frame, uncompressed."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def value_bytes(self) -> int:
        """Of all frames, padded to an even number (PS3.5 section 8.1.1)."""
        whole = self.frame_bytes * self.frames
        return whole + whole % 2


def image_of(values: Mapping[int, bytes]) -> Image:
    """From the values of WANTED as they were written, little endian.

    Raises: NotCompressed.
    """
    try:
        samples, allocated, stored = _number(values, SAMPLES), _number(values, ALLOCATED), _number(values, STORED)
        high_bit, signed = _number(values, HIGH_BIT), _number(values, SIGNED)
        rows, columns = _number(values, ROWS), _number(values, COLUMNS)
        frames = int(_text(values, FRAMES) or "1")
    except (Malformed, ValueError, UnicodeDecodeError):
        raise NotCompressed("its image description is incomplete or not clear") from None
    photometric = _text(values, PHOTOMETRIC)
    if allocated not in (8, 16) or not 2 <= stored <= allocated or signed not in (0, 1):
        raise NotCompressed(f"{allocated} bits allocated, {stored} stored cannot be written as JPEG-LS")
    if high_bit != stored - 1:
        raise NotCompressed("its pixels do not lie in the lowest bits")
    if (samples, photometric) not in {(1, name) for name in _GREY} | {(3, name) for name in _COLOUR}:
        raise NotCompressed("this kind of colours is not compressed")
    if samples == 3 and (signed or _number(values, PLANAR, 0) != 0):
        raise NotCompressed("its colours lie plane by plane")
    if not (1 <= rows <= MOST_SIDE and 1 <= columns <= MOST_SIDE and frames >= 1):
        raise NotCompressed("its image description is incomplete or not clear")
    return Image(rows, columns, samples, allocated, stored, bool(signed), frames)


def _number(values: Mapping[int, bytes], tag: int, otherwise: int | None = None) -> int:
    value = values.get(tag, b"")
    if not value and otherwise is not None:
        return otherwise
    if len(value) != 2:
        raise Malformed("not one number")
    return int(struct.unpack("<H", value)[0])


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii").strip(" \0")
