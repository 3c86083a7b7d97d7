"""What a client may wish of a picture, read from its parameters.

Source: PS3.18 sections 8.3.5 and 9.1.2 (the older ones of WADO-URI).
"""

import math
from collections.abc import Mapping, Sequence

from hsm.rendering.wish import MOST_VIEWPORT_PIXELS, QUALITY, Annotation, Form, Viewport, Window, WindowFunction, Wish
from web.dicomweb.accept import ANY, Range

FORMS = (Form.JPEG, Form.PNG, Form.GIF)  # the first is meant where a client takes any
THUMBNAIL = Viewport(160, 160)
ICC = frozenset({"no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"})


class PictureInvalid(Exception):
    """A parameter of a picture cannot be understood; the message says which and why."""


def form_wanted(wanted: Sequence[Range], multipart: bool | None = None) -> tuple[Form, bool] | None:
    """In which form a client takes pictures, and whether as parts of several; None when in none of ours.

    `multipart`: only what it takes as parts, or only what it takes by itself.
    """
    for each in wanted:
        if multipart is not None and each.multipart is not multipart and each.media_type != "*/*":
            continue
        if each.transfer_syntax not in ("", ANY):
            continue
        for form in FORMS:
            if each.covers(form.value):
                return form, each.multipart
    return None


def rendered(parameters: Mapping[str, str], form: Form, frame: int | None = None) -> Wish:
    """What is wished of a rendered resource. Raises: PictureInvalid."""
    if parameters.get("iccprofile", "no") not in ICC:
        raise PictureInvalid(f"iccprofile is one of: {', '.join(sorted(ICC))}")
    return Wish(
        form=form,
        frame=frame,
        window=_window(parameters.get("window")),
        viewport=_viewport(parameters.get("viewport")),
        quality=_quality(parameters.get("quality")),
        annotations=_annotations(parameters.get("annotation")),
    )


def thumbnail(parameters: Mapping[str, str], form: Form, frame: int | None = None) -> Wish:
    """What is wished of a thumbnail: it has no parameter but its size. Raises: PictureInvalid."""
    port = _viewport(parameters.get("viewport"))
    if port is not None and not port.whole:
        raise PictureInvalid("viewport of a thumbnail is its width and height")
    return Wish(form=form, frame=frame, viewport=port or THUMBNAIL)


def older(parameters: Mapping[str, str], form: Form) -> Wish:
    """What is wished with the parameters of WADO-URI. Raises: PictureInvalid. Source: PS3.18 section 9.1.2.2."""
    frame = _number("frameNumber", parameters["frameNumber"]) if "frameNumber" in parameters else None
    window = None
    if "windowCenter" in parameters or "windowWidth" in parameters:
        if "windowCenter" not in parameters or "windowWidth" not in parameters:
            raise PictureInvalid("windowCenter and windowWidth come together")
        window = _window(f"{parameters['windowCenter']},{parameters['windowWidth']},linear")
    return Wish(
        form=form,
        frame=frame,
        window=window,
        viewport=_of_rows(parameters),
        quality=_quality(parameters.get("imageQuality")),
        annotations=_annotations(parameters.get("annotation")),
    )


def _of_rows(parameters: Mapping[str, str]) -> Viewport | None:
    """Of the parameters rows, columns and region, which is in parts of the image from 0 to 1."""
    rows = _number("rows", parameters["rows"]) if "rows" in parameters else None
    columns = _number("columns", parameters["columns"]) if "columns" in parameters else None
    if rows is None and columns is None:
        return None
    largest = 4096
    port = (columns or largest, rows or largest)
    if port[0] * port[1] > MOST_VIEWPORT_PIXELS:
        raise PictureInvalid(f"a picture has at most {MOST_VIEWPORT_PIXELS} pixels")
    return Viewport(*port)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0):
        raise PictureInvalid(f"{name} is a whole number from 1")
    return int(text)


def _quality(text: str | None) -> int:
    if text is None:
        return QUALITY
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
        raise PictureInvalid("quality is a whole number from 1 to 100")
    return int(text)


def _annotations(text: str | None) -> frozenset[Annotation]:
    try:
        return frozenset(Annotation(part.strip().strip('"')) for part in text.split(",")) if text else frozenset()
    except ValueError:
        raise PictureInvalid("annotation is patient, technique, or both with a comma between") from None


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) == 3:
        centre, width = (_real(part) for part in parts[:2])
        function = next((known for known in WindowFunction if known.value == parts[2].strip().lower()), None)
        if centre is not None and width is not None and function is not None:
            least = 1.0 if function is WindowFunction.LINEAR else 1e-6
            if width >= least:
                return Window(centre, width, function)
            raise PictureInvalid("the width of a window is at least 1, or above 0 for linear-exact and sigmoid")
    raise PictureInvalid("window is centre,width,function with linear, linear-exact or sigmoid as function")


def _viewport(text: str | None) -> Viewport | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    given = [_real(part) if part else None for part in parts]
    odd = any(part and value is None for part, value in zip(parts, given, strict=True))
    if odd or len(parts) not in (2, 6) or not all(part.isascii() and part.isdigit() for part in parts[:2]):
        raise PictureInvalid("viewport is width,height or width,height,left,top,width,height of the part shown")
    width, height = int(parts[0][:9]), int(parts[1][:9])
    if not width or not height or width * height > MOST_VIEWPORT_PIXELS:
        raise PictureInvalid(f"a viewport has from 1 to {MOST_VIEWPORT_PIXELS} pixels")
    if len(parts) == 2:
        return Viewport(width, height)
    left, top, region_width, region_height = given[2:]
    if (left or 0) < 0 or (top or 0) < 0 or region_width == 0 or region_height == 0:
        raise PictureInvalid("the part that a viewport shows begins within the image and is not empty")
    return Viewport(width, height, left or 0, top or 0, region_width, region_height)


def _real(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e12 else None
