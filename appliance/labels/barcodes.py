"""Code 39 as lines, without a check character.

Source: ANSI/AIM BC1 (USS-39); the makers' label specifications of LTO cartridges.
"""

import re

from reportlab.graphics.barcode.code39 import Standard39
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from appliance.labels.errors import LabelRefused

RATIO = 2.75  # wide elements to narrow ones
MODULES = 6 + 3 * RATIO  # of one character: six narrow elements, three wide ones; a narrow gap behind each

_ALLOWED = re.compile(r"[0-9A-Z. $/+%-]+")


def check(text: str) -> None:
    """Raises: LabelRefused."""
    if _ALLOWED.fullmatch(text) is None:
        raise LabelRefused(f"{text!r} cannot be printed as Code 39: capital letters, digits and . $ / + % - can")


def width_mm(text: str, narrow_mm: float) -> float:
    """How wide the bars are, start and stop included, quiet zones left out."""
    characters = len(text) + 2
    return (characters * MODULES + characters - 1) * narrow_mm


def draw(canvas: Canvas, text: str, x_mm: float, y_mm: float, narrow_mm: float, height_mm: float) -> None:
    """Draw the bars, the lower left corner of the first at a place. Raises: LabelRefused."""
    check(text)
    bars = Standard39(
        text,
        barWidth=narrow_mm * mm,
        gap=narrow_mm * mm,
        ratio=RATIO,
        barHeight=height_mm * mm,
        checksum=0,
        stop=1,
        quiet=0,
        humanReadable=0,
    )
    bars.drawOn(canvas, x_mm * mm, y_mm * mm)
