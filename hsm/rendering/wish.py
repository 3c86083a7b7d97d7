"""What somebody wants to see of an object. Pure.

Source: PS3.18 section 8.3.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MOST_VIEWPORT_PIXELS = 4096 * 4096
QUALITY = 85


class WindowFunction(StrEnum):
    """How values within a window become grey. Source: PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


class Form(StrEnum):
    """In which form a picture goes out."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"  # moving, where an object has several frames and none was named
    VALUES = "application/octet-stream"  # no picture: the values behind it, 16 bits each, for a program that windows


class Annotation(StrEnum):
    """What is written into a picture."""

    PATIENT = "patient"
    TECHNIQUE = "technique"


@dataclass(frozen=True)
class Window:
    """Which values are told apart: those around a centre."""

    centre: float
    width: float  # above 0; at least 1 for LINEAR
    function: WindowFunction = WindowFunction.LINEAR

    @property
    def edges(self) -> tuple[float, float]:
        """The values that are black and white at last; for SIGMOID those between which it is steep."""
        if self.function is WindowFunction.LINEAR:
            return self.centre - 0.5 - (self.width - 1) / 2, self.centre - 0.5 + (self.width - 1) / 2
        return self.centre - self.width / 2, self.centre + self.width / 2


@dataclass(frozen=True)
class Viewport:
    """How large a picture may be, and which part of the image it shows. The image keeps its shape."""

    width: int
    height: int
    left: float = 0
    top: float = 0
    region_width: float | None = None  # None: to the right edge; below 0: mirrored
    region_height: float | None = None  # None: to the lower edge; below 0: upside down

    @property
    def whole(self) -> bool:
        """Whether all of the image is shown."""
        return not self.left and not self.top and self.region_width is None and self.region_height is None


@dataclass(frozen=True)
class Wish:
    """One picture."""

    form: Form = Form.JPEG
    frame: int | None = None  # from 1; None: the one that stands for the object
    window: Window | None = None  # None: as the header says
    viewport: Viewport | None = None  # None: pixel for pixel
    quality: int = QUALITY  # of a JPEG, 1 to 100
    annotations: frozenset[Annotation] = frozenset()

    @property
    def plain(self) -> bool:
        """Whether nothing is asked of the picture but its size: one that was drawn before will do."""
        return self.window is None and not self.annotations and (self.viewport is None or self.viewport.whole)


def to_json(wish: Wish) -> dict[str, Any]:
    """A wish as it is handed to a process."""
    window, port = wish.window, wish.viewport
    return {
        "form": wish.form.value,
        "frame": wish.frame,
        "window": None if window is None else [window.centre, window.width, window.function.value],
        "viewport": None
        if port is None
        else [port.width, port.height, port.left, port.top, port.region_width, port.region_height],
        "quality": wish.quality,
        "annotations": sorted(wish.annotations),
    }


def from_json(said: Mapping[str, Any]) -> Wish:
    """The wish that `to_json` wrote."""
    window = said["window"]
    return Wish(
        Form(said["form"]),
        said["frame"],
        None if window is None else Window(window[0], window[1], WindowFunction(window[2])),
        None if said["viewport"] is None else Viewport(*said["viewport"]),
        said["quality"],
        frozenset(Annotation(name) for name in said["annotations"]),
    )
