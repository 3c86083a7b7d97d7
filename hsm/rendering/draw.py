"""From a wish and an open object to the bytes of a picture. Pure, and only ever run in a process of its own."""

import io
import zlib
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from hsm.rendering.picture import (
    NoPicture,
    frame_of,
    frames_of,
    header_of,
    representative,
    shown,
    values_of,
    window_of,
    window_shown,
)
from hsm.rendering.wish import Annotation, Form, Viewport, Wish

MOST_SIDE_PX = 1 << 16
MOST_GIF_FRAMES = 200
USUAL_FRAME_MS = 100
_PILLOW = {Form.JPEG: "JPEG", Form.PNG: "PNG", Form.GIF: "GIF"}


def draw(stream: BinaryIO, wish: Wish) -> tuple[bytes, dict[str, Any]]:
    """The picture, and what is to be known of it: `frame`, and for VALUES how to read them (see `_values`).

    Raises: NoPicture, NoSuchPicture; and whatever a decoder raises.
    """
    header = header_of(stream)
    number = representative(header) if wish.frame is None else wish.frame
    if wish.form is Form.VALUES:
        return _values(frame_of(stream, header, number, MOST_SIDE_PX), header, number)
    if wish.form is Form.GIF and wish.frame is None and frames_of(header) > 1:
        return _moving(stream, header, wish), {"frame": 1}
    image = _one(stream, header, number, wish)
    options: dict[str, Any] = {"quality": wish.quality} if wish.form is Form.JPEG else {}
    out = io.BytesIO()
    image.save(out, _PILLOW[wish.form], **options)
    return out.getvalue(), {"frame": number}


def _one(stream: BinaryIO, header: Dataset, number: int, wish: Wish) -> Image.Image:
    image = shown(frame_of(stream, header, number, MOST_SIDE_PX), header, wish.window)
    if wish.viewport is not None:
        image = fitted(image, wish.viewport)
    if wish.annotations:
        _write(image, header, number, wish)
    return image


def fitted(image: Image.Image, port: Viewport) -> Image.Image:
    """The part of an image that a viewport names, as large as fits into it. Raises: NoPicture when it names no part."""
    width = image.width - port.left if port.region_width is None else port.region_width
    height = image.height - port.top if port.region_height is None else port.region_height
    box = (
        max(0.0, port.left),
        max(0.0, port.top),
        min(float(image.width), port.left + abs(width)),
        min(float(image.height), port.top + abs(height)),
    )
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        raise NoPicture("the region lies outside of the image")
    scale = min(port.width / (box[2] - box[0]), port.height / (box[3] - box[1]))
    size = max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))
    made = image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC, box)
    if width < 0:
        made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return made.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else made


def _moving(stream: BinaryIO, header: Dataset, wish: Wish) -> bytes:
    """All frames of an object, the first MOST_GIF_FRAMES of many."""
    frames = [_one(stream, header, number, wish) for number in range(1, min(frames_of(header), MOST_GIF_FRAMES) + 1)]
    out = io.BytesIO()
    rate = float(header.get("RecommendedDisplayFrameRate") or header.get("CineRate") or 0)
    each_ms = float(header.get("FrameTime") or 0) or (1000 / rate if rate > 0 else USUAL_FRAME_MS)
    duration = round(min(1000.0, max(20.0, each_ms)))
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0)
    return out.getvalue()


def _values(frame: Any, header: Dataset, number: int) -> tuple[bytes, dict[str, Any]]:
    """The values of a grey frame, compressed (zlib): unsigned, 16 bits, least first; n means n * slope + intercept.

    `low` and `high` are the edges between which they are shown when nobody says which.
    """
    if frame.ndim == 3:
        raise NoPicture("a coloured image has no window")
    values = values_of(frame, header)
    low, high = float(values.min()), float(values.max())
    whole = high - low < 65536 and bool((values == np.floor(values)).all())
    slope = 1.0 if whole else (high - low) / 65535
    numbers = np.round((values - low) / slope).astype("<u2")
    shown_low, shown_high = window_shown(values, header)
    about = {
        "columns": int(values.shape[1]),
        "rows": int(values.shape[0]),
        "slope": slope,
        "intercept": low,
        "low": shown_low,
        "high": shown_high,
        "inverted": header.get("PhotometricInterpretation") == "MONOCHROME1",
        "frame": number,
    }
    return zlib.compress(numbers.tobytes(), 1), about


def _write(image: Image.Image, header: Dataset, number: int, wish: Wish) -> None:
    """Words in the corners: above left whose image it is, below left how it was made."""
    size = max(10, min(image.size) // 36)
    font, brush = ImageFont.load_default(size), ImageDraw.Draw(image)
    grey = 255 if image.mode == "L" else (255, 255, 255)
    dark = 0 if image.mode == "L" else (0, 0, 0)

    def write(lines: list[str], top: bool) -> None:
        text = "\n".join(line.encode("latin-1", "replace").decode("latin-1") for line in lines if line)
        at = (size // 2, size // 2) if top else (size // 2, image.height - size // 2)
        brush.multiline_text(at, text, grey, font, "la" if top else "ld", stroke_width=1, stroke_fill=dark)

    if Annotation.PATIENT in wish.annotations:
        alphabetic = str(header.get("PatientName") or "").split("=", maxsplit=1)[0].replace("^", " ").strip()
        write([alphabetic, str(header.get("PatientID") or ""), str(header.get("PatientBirthDate") or "")], top=True)
    if Annotation.TECHNIQUE in wish.annotations:
        window = wish.window or window_of(header)
        said = [
            " ".join(str(header.get(name) or "") for name in ("Modality", "StudyDate", "StudyDescription")).strip(),
            f"Series {header.get('SeriesNumber') or '-'}, image {header.get('InstanceNumber') or '-'}, frame {number}",
            "" if window is None else f"C {window.centre:g} W {window.width:g}",
        ]
        write(said, top=False)
