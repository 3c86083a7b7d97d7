"""One frame of a DICOM object as a small grey or colour picture. Pure, and only ever run in a process of its own.

Decoders meet whatever was sent to the archive: what bounds them is the limit on pixels here and the limits on time and
memory that the process sets on itself, see hsm/cards/render.py.
"""

import io
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

MOST_PIXELS = 64_000_000  # of one frame: a mammogram has 15 million, a slide level of pathology more than this
LARGE_PX = 2048  # a frame above this is thinned out before anything is computed
QUALITY = 80
DARKEST_PCT, BRIGHTEST_PCT = 1.0, 99.0  # where a header gives no window


class NoPicture(Exception):
    """The object has no picture that can be shown; the message says why."""


def picture(stream: BinaryIO) -> Image.Image:
    """The middle frame, windowed as the header says. Raises: NoPicture; and whatever a decoder raises."""
    header = dcmread(stream, stop_before_pixels=True)
    columns, rows = int(header.get("Columns") or 0), int(header.get("Rows") or 0)
    if not columns or not rows:
        raise NoPicture("it has no image")
    if rows * columns * int(header.get("SamplesPerPixel") or 1) > MOST_PIXELS:
        raise NoPicture(f"a frame of {columns} x {rows} is too large")
    stream.seek(0)
    frames = int(header.get("NumberOfFrames") or 1)
    frame = np.asarray(pixel_array(stream, index=max(frames - 1, 0) // 2))
    if frame.ndim not in (2, 3):
        raise NoPicture(f"{frame.ndim} dimensions are no picture")
    step = -(-max(frame.shape[:2]) // LARGE_PX)
    frame = frame[::step, ::step]
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        frame = np.asarray(apply_color_lut(frame, header))
    if frame.ndim == 3:
        return _coloured(frame)
    return _grey(frame, header)


def _coloured(frame: Any) -> Image.Image:
    if frame.shape[2] != 3:
        raise NoPicture(f"{frame.shape[2]} samples a pixel are no colour")
    if frame.dtype != np.uint8:
        frame = frame.astype(np.float32) * (255.0 / max(float(frame.max()), 1.0))
    return Image.fromarray(np.ascontiguousarray(frame, dtype=np.uint8), "RGB")


def _grey(frame: Any, header: Dataset) -> Image.Image:
    values = np.nan_to_num(np.asarray(apply_modality_lut(frame, header), dtype=np.float32))
    shown = _between(values, *_window(header))
    if shown is None or float(shown.max()) <= 0.0 or float(shown.min()) >= 1.0:  # none, or one that shows nothing
        shown = _between(values, *(float(edge) for edge in np.percentile(values, (DARKEST_PCT, BRIGHTEST_PCT))))
    if shown is None:
        shown = np.zeros_like(values)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        shown = 1.0 - shown
    return Image.fromarray((shown * 255.0).astype(np.uint8), "L")


def _between(values: Any, low: float, high: float) -> Any:
    """From 0 at the lower to 1 at the upper edge; None when they are no edges."""
    return np.clip((values - low) / (high - low), 0.0, 1.0) if high > low else None


def _window(header: Dataset) -> tuple[float, float]:
    """The edges of the first window of the header; (0, 0) without one that makes sense. Source: PS3.3 C.11.2.1.2.1."""
    with suppress(ValueError, TypeError, IndexError, AttributeError):
        centre, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
        if width >= 1 and np.isfinite(centre) and np.isfinite(width):
            return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return 0.0, 0.0


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)


def jpeg(image: Image.Image, longest_px: int) -> bytes:
    """The picture made small; metadata of any kind stays behind."""
    small = image.copy()
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
