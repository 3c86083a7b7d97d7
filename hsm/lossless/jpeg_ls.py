"""Frames to JPEG-LS and back, by CharLS. Source: ISO/IEC 14495-1, PS3.5 section 8.2.3 and annex A.4.3."""

from typing import Final

import jpeg_ls
import numpy as np
from numpy.typing import NDArray

from hsm.lossless.image import Image, NotCompressed

TRANSFER_SYNTAX: Final = "1.2.840.10008.1.2.4.80"  # JPEG-LS Lossless Image Compression
_BY_LINE, _BY_PIXEL = 1, 2


class FrameDamaged(Exception):
    """A code stream does not give the frame that it should."""


def encode(frame: bytes, image: Image) -> bytes:
    """One frame as a code stream of even length.

    Raises: NotCompressed when its unused bits say something, or the codec refuses it.
    """
    samples = np.frombuffer(frame, dtype="<u1" if image.bits_allocated == 8 else "<u2")
    low = _low(samples, image)
    if _whole(low, image).tobytes() != frame:
        raise NotCompressed("there is something in the unused bits of its pixels")
    plain = low.astype("<u1") if image.bits_stored <= 8 else low
    try:
        stream = bytes(
            jpeg_ls.encode_buffer(
                plain.tobytes(), image.rows, image.columns, image.samples, image.bits_stored, 0, _BY_PIXEL
            )
        )
    except (ValueError, RuntimeError) as error:
        raise NotCompressed("the codec does not take its pixels") from error
    return stream + b"\0" * (len(stream) % 2)


def decode(stream: bytes, image: Image) -> bytes:
    """The frame of a code stream, unused bits included. Raises: FrameDamaged."""
    try:
        pixels, info = jpeg_ls.decode_buffer(stream)
    except (ValueError, RuntimeError) as error:
        raise FrameDamaged(f"the code stream cannot be decoded: {error}") from error
    said = info["height"], info["width"], info["components"], info["bits_per_sample"]
    if said != (image.rows, image.columns, image.samples, image.bits_stored):
        raise FrameDamaged("the code stream is of another image")
    samples = np.frombuffer(pixels, dtype="<u1" if image.bits_stored <= 8 else "<u2")
    return _whole(samples.astype("<u1" if image.bits_allocated == 8 else "<u2"), image).tobytes()


def _low(samples: NDArray[np.unsignedinteger], image: Image) -> NDArray[np.unsignedinteger]:
    """The stored bits alone."""
    return samples & samples.dtype.type((1 << image.bits_stored) - 1)


def _whole(low: NDArray[np.unsignedinteger], image: Image) -> NDArray[np.unsignedinteger]:
    """With the unused bits that a sign has: PS3.5 section 8.1.1."""
    if not image.signed or image.bits_stored == image.bits_allocated:
        return low
    unused = low.dtype.type((1 << image.bits_allocated) - (1 << image.bits_stored))
    sign = low.dtype.type(1 << (image.bits_stored - 1))
    return np.where(low & sign, low | unused, low)
