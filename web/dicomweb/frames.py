"""Single frames of a stored object, read from its file without the others.

Source: PS3.5 section 8.2 and annex A.4, PS3.18 section 10.4.1.1.6 and table 8.7.3-5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import get_expected_length, pixel_array

from hsm.elements import FileSource, Malformed, encoding_of, read_element_header
from hsm.transcoding import can_decode, is_native, swapped
from web.dicomweb.accept import ANY, EXPLICIT, OCTETS, Range

MAX_FRAMES_ASKED = 1000
# how a compressed frame is called outside of DICOM. Source: PS3.18 table 8.7.3-5
MEDIA_TYPES: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}


class FramesUnreadable(Exception):
    """The frames of an object cannot be given; the message says why."""


class NoSuchFrame(FramesUnreadable):
    """The object has fewer frames than was asked for, or none."""


@dataclass(frozen=True)
class FrameForm:
    """How frames go out."""

    media_type: str
    transfer_syntax_uid: str
    as_stored: bool

    @property
    def content_type(self) -> str:
        """For the header of a part."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"


def form_of(stored: str, wanted: Sequence[Range]) -> FrameForm | None:
    """How the frames of an object go to a client; None when it takes none of the ways there are.

    Frames go as they are stored wherever the client takes that: nothing is lost, and nothing has to be decoded.
    """
    native = is_native(stored)
    kept = EXPLICIT if native else stored
    media_type = OCTETS if native else MEDIA_TYPES.get(stored, OCTETS)
    can = native or can_decode(stored)
    for each in wanted:
        syntax = each.transfer_syntax
        if each.covers(media_type) and syntax in ("", ANY, kept) and (native or syntax or media_type != OCTETS):
            return FrameForm(media_type, kept, True)
        if each.covers(OCTETS) and syntax in (ANY, stored):
            return FrameForm(media_type, kept, True)  # any syntax will do: its own name is the honest one
        if each.covers(OCTETS) and syntax in ("", EXPLICIT) and can:
            return FrameForm(OCTETS, EXPLICIT, native)
    return None


class FrameReader:
    """The frames of one open object."""

    def __init__(self, stream: BinaryIO) -> None:
        """Raises: FramesUnreadable."""
        self._stream = stream
        try:
            self.dataset: FileDataset = pydicom.dcmread(stream, stop_before_pixels=True)
            self.transfer_syntax_uid = str(self.dataset.file_meta.TransferSyntaxUID)
            self.frames = max(1, int(self.dataset.get("NumberOfFrames") or 1))
            self._to_pixels()
        except (InvalidDicomError, AttributeError, ValueError, TypeError, Malformed) as error:
            raise FramesUnreadable(f"the object cannot be read: {type(error).__name__}") from error

    def _to_pixels(self) -> None:
        """Note where the value of the pixels begins; reading has stopped before their element.

        Raises: FramesUnreadable, Malformed.
        """
        if encoding_of(self.transfer_syntax_uid).deflated:
            raise FramesUnreadable("a deflated object is given whole only")
        source = FileSource(self._stream)
        if source.peek_end():
            raise NoSuchFrame("the object has no pixels")
        _, _, self._size_bytes = read_element_header(source, encoding_of(self.transfer_syntax_uid))
        self._at = source.tell()

    def check(self, numbers: Sequence[int]) -> None:
        """Raises: NoSuchFrame when one of these frames, counted from 1, is not there."""
        for number in numbers:
            if not 1 <= number <= self.frames:
                raise NoSuchFrame(f"there is no frame {number}: the object has {self.frames}")

    def frame(self, number: int, form: FrameForm) -> bytes:
        """One frame, counted from 1. Raises: NoSuchFrame, FramesUnreadable."""
        self.check((number,))
        try:
            if is_native(self.transfer_syntax_uid):
                return self._native(number - 1)
            if form.as_stored:
                return self._encapsulated(number - 1)
            self._stream.seek(0)
            pixels = pixel_array(self._stream, index=number - 1)
            return bytes(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
        except FramesUnreadable:
            raise
        except (ValueError, TypeError, AttributeError, RuntimeError, NotImplementedError, EOFError, KeyError) as error:
            raise FramesUnreadable(f"frame {number} cannot be read: {type(error).__name__}") from error

    def _native(self, index: int) -> bytes:
        bits = self._frame_bits()
        if bits % 8:
            return self._unaligned(index, bits)
        size = bits // 8
        if (index + 1) * size > self._size_bytes:
            raise FramesUnreadable(f"the pixels end before frame {index + 1} does")
        self._stream.seek(self._at + index * size)
        data = self._stream.read(size)
        big = self.transfer_syntax_uid == "1.2.840.10008.1.2.2"
        width = int(self.dataset.get("BitsAllocated", 8)) // 8
        return swapped(data, width) if big and width > 1 else data

    def _frame_bits(self) -> int:
        whole = int(self.dataset.Rows) * int(self.dataset.Columns) * int(self.dataset.SamplesPerPixel)
        if self.dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            return get_expected_length(self.dataset, unit="bytes") // self.frames * 8
        return whole * int(self.dataset.BitsAllocated)

    def _unaligned(self, index: int, bits: int) -> bytes:
        """A frame of single bits that begins within a byte: moved to begin with one."""
        first, last = index * bits, (index + 1) * bits
        self._stream.seek(self._at + first // 8)
        number = int.from_bytes(self._stream.read((last + 7) // 8 - first // 8), "little")
        return ((number >> first % 8) & ((1 << bits) - 1)).to_bytes((bits + 7) // 8, "little")

    def _encapsulated(self, index: int) -> bytes:
        tables = self.dataset.get("ExtendedOffsetTable"), self.dataset.get("ExtendedOffsetTableLengths")
        self._stream.seek(self._at)
        return get_frame(
            self._stream, index, extended_offsets=tables if all(tables) else None, number_of_frames=self.frames
        )


def numbers_of(text: str) -> tuple[int, ...]:
    """Frame numbers of an address, "1,3,4". Raises: NoSuchFrame."""
    parts = text.split(",")
    if len(parts) > MAX_FRAMES_ASKED or not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        raise NoSuchFrame(f"frames are asked for as numbers from 1 with commas between, {MAX_FRAMES_ASKED} at most")
    return tuple(int(part) for part in parts)
