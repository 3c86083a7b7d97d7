"""The proof that a compressed object has lost nothing. Pure: two files in, an answer out.

Two things must hold. First, our own restoring gives back, byte for byte, the file that was received: so nothing can
have been lost. Second, a reader that is not ours, with another build of the decoder (pydicom with GDCM), sees the same
elements and the same pixels in both files: so whoever meets the compressed object without us sees what was received.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import iter_pixels

from hsm.facts import Pressed
from hsm.lossless.image import NotCompressed
from hsm.lossless.press import NotRestored, restore

_PIXELS: Final = 0x7FE00010
_OTHER_DECODER: Final = "gdcm"
_NOT_READ: Final = (
    InvalidDicomError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    LookupError,
    OSError,
    EOFError,
)


class _Nowhere:
    """Takes bytes and forgets them."""

    def write(self, data: bytes, /) -> None:
        """The next bytes."""


def prove(received: Path, sha256: str, transfer_syntax_uid: str, compressed: Path, pressed: Pressed) -> None:
    """Return only when nothing was lost. `sha256`: of the file that was received, as it was taken then.

    Raises: NotCompressed: the object has to stay as it is. OSError.
    """
    try:
        restored = restore(compressed, pressed.dataset_offset, transfer_syntax_uid, pressed.pixel_vr, _Nowhere())
    except NotRestored as error:
        raise NotCompressed("it could not be restored") from error
    if restored != sha256:
        raise NotCompressed("it could not be restored byte for byte")
    try:
        same = _same_elements(received, compressed) and _same_pixels(received, compressed)
    except _NOT_READ as error:
        raise NotCompressed("another reader could not compare it") from error
    if not same:
        raise NotCompressed("another reader sees something else in it")


def _same_elements(received: Path, compressed: Path) -> bool:
    return same_dataset(dcmread(received, stop_before_pixels=True), dcmread(compressed, stop_before_pixels=True))


def same_dataset(one: Dataset, other: Dataset) -> bool:
    """Whether two data sets say the same, however they are written; lengths of groups and pixels are not looked at."""
    tags = [{tag for tag in each.keys() if tag.element != 0 and tag != _PIXELS} for each in (one, other)]  # noqa: SIM118
    return tags[0] == tags[1] and all(_same_element(one, other, tag) for tag in sorted(tags[0]))


def _same_element(one: Dataset, other: Dataset, tag: Any) -> bool:
    raw, other_raw = one.get_item(tag), other.get_item(tag)
    if (
        isinstance(raw, RawDataElement)
        and isinstance(other_raw, RawDataElement)
        and isinstance(raw.value, bytes)
        and raw.value == other_raw.value
    ):
        return True
    mine, theirs = one[tag], other[tag]
    if mine.VR == "SQ" or theirs.VR == "SQ":
        return (
            mine.VR == theirs.VR
            and len(mine.value) == len(theirs.value)
            and all(same_dataset(a, b) for a, b in zip(mine.value, theirs.value, strict=True))
        )
    return bool(mine.value == theirs.value)


def _same_pixels(received: Path, compressed: Path) -> bool:
    frames = zip_longest(_frames(received, ""), _frames(compressed, _OTHER_DECODER))
    return all(
        a is not None and b is not None and a.dtype.kind == b.dtype.kind and np.array_equal(a, b) for a, b in frames
    )


def _frames(path: Path, plugin: str) -> Iterator[NDArray[Any]]:
    if plugin:
        return iter_pixels(path, raw=True, decoding_plugin=plugin)
    return iter_pixels(path, raw=True)
