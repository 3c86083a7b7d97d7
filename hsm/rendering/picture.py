"""One frame of a DICOM object as a grey or colour picture. Pure, and only ever run in a process of its own.

Decoders meet whatever was sent to the archive: what bounds them is the limit on pixels here and the limits on time and
memory that the process sets on itself, see hsm/rendering/previews.py and hsm/rendering/program.py.
"""

import io
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array

from hsm.rendering.wish import Window, WindowFunction

MOST_PIXELS = 64_000_000  # of one frame: a mammogram has 15 million, a slide level of pathology more than this
LARGE_PX = 2048  # a preview of a frame above this is thinned out before anything is computed
QUALITY = 80
DARKEST_PCT, BRIGHTEST_PCT = 1.0, 99.0  # where a header gives no window


class NoPicture(Exception):
    """The object has no picture that can be shown; the message says why."""


class NoSuchPicture(NoPicture):
    """The object has no frame of that number."""


def picture(stream: BinaryIO) -> Image.Image:
    """The frame that stands for an object, windowed as the header says, thinned out where it is large.

    Raises: NoPicture; and whatever a decoder raises.
    """
    header = header_of(stream)
    return shown(frame_of(stream, header, representative(header), LARGE_PX), header, None)


def header_of(stream: BinaryIO) -> Dataset:
    """What an object says of its image. Raises: NoPicture when there is none, or one too large to decode."""
    header = dcmread(stream, stop_before_pixels=True)
    columns, rows = int(header.get("Columns") or 0), int(header.get("Rows") or 0)
    if not columns or not rows:
        raise NoPicture("it has no image")
    if rows * columns * int(header.get("SamplesPerPixel") or 1) > MOST_PIXELS:
        raise NoPicture(f"a frame of {columns} x {rows} is too large")
    return header


def frames_of(header: Dataset) -> int:
    """How many frames there are."""
    return max(1, int(header.get("NumberOfFrames") or 1))


def representative(header: Dataset) -> int:
    """The frame, from 1, that stands for all: the one the object names, or the middle one."""
    frames = frames_of(header)
    with suppress(ValueError, TypeError):
        named = int(header.get("RepresentativeFrameNumber") or 0)
        if 1 <= named <= frames:
            return named
    return (frames - 1) // 2 + 1


def frame_of(stream: BinaryIO, header: Dataset, number: int, longest_px: int) -> Any:
    """The decoded values of one frame, from 1; of one with a longer side than that only each second, third ...

    Raises: NoSuchPicture, NoPicture; and whatever a decoder raises.
    """
    if not 1 <= number <= frames_of(header):
        raise NoSuchPicture(f"there is no frame {number}: the object has {frames_of(header)}")
    stream.seek(0)
    frame = np.asarray(pixel_array(stream, index=number - 1))
    if frame.ndim not in (2, 3):
        raise NoPicture(f"{frame.ndim} dimensions are no picture")
    step = -(-max(frame.shape[:2]) // longest_px)
    frame = frame[::step, ::step]
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        frame = np.asarray(apply_color_lut(frame, header))
    return frame


def shown(frame: Any, header: Dataset, window: Window | None) -> Image.Image:
    """Values as a picture; `window` in place of that of the header. Raises: NoPicture."""
    return _coloured(frame) if frame.ndim == 3 else _grey(frame, header, window)


def values_of(frame: Any, header: Dataset) -> Any:
    """What the pixels of a grey frame mean, as far as the object says (Hounsfield units and the like)."""
    return np.nan_to_num(np.asarray(apply_modality_lut(frame, header), dtype=np.float32))


def window_shown(values: Any, header: Dataset) -> tuple[float, float]:
    """The edges between which values are shown when nobody says which."""
    window = window_of(header)
    if window is not None:
        low, high = window.edges
        if high > low and float(values.max()) > low and float(values.min()) < high:
            return low, high  # else it shows nothing
    low, high = (float(edge) for edge in np.percentile(values, (DARKEST_PCT, BRIGHTEST_PCT)))
    return low, high


def _coloured(frame: Any) -> Image.Image:
    if frame.shape[2] != 3:
        raise NoPicture(f"{frame.shape[2]} samples a pixel are no colour")
    if frame.dtype != np.uint8:
        frame = frame.astype(np.float32) * (255.0 / max(float(frame.max()), 1.0))
    return Image.fromarray(np.ascontiguousarray(frame, dtype=np.uint8), "RGB")


def _grey(frame: Any, header: Dataset, window: Window | None) -> Image.Image:
    values = values_of(frame, header)
    if window is None and window_of(header) is None and header.get("VOILUTSequence"):
        looked_up = np.asarray(apply_voi(values.astype(np.int32), header), dtype=np.float32)
        grey = _between(looked_up, 0.0, float(2 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1))
    elif window is not None and window.function is WindowFunction.SIGMOID:
        grey = 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - window.centre) / window.width, -80.0, 80.0)))
    else:
        low, high = window_shown(values, header) if window is None else window.edges
        grey = _between(values, low, high)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = 1.0 - grey
    return Image.fromarray((grey * 255.0).astype(np.uint8), "L")


def _between(values: Any, low: float, high: float) -> Any:
    """From 0 at the lower to 1 at the upper edge; a step where they are the same."""
    if high <= low:
        return (values > low).astype(np.float32)
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def window_of(header: Dataset) -> Window | None:
    """The first window of the header; None without one that makes sense. Source: PS3.3 C.11.2.1.2.1."""
    with suppress(ValueError, TypeError, IndexError, AttributeError):
        centre, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
        named = str(header.get("VOILUTFunction") or "LINEAR").strip()
        exact = named in ("LINEAR_EXACT", "SIGMOID")
        if width >= (1e-6 if exact else 1) and np.isfinite(centre) and np.isfinite(width):
            return Window(centre, width, WindowFunction.LINEAR_EXACT if exact else WindowFunction.LINEAR)
    return None


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)


def jpeg(image: Image.Image, longest_px: int) -> bytes:
    """The picture made small; metadata of any kind stays behind."""
    small = image.copy()
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
