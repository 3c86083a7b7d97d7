"""The sticker of a cartridge: bars below, the same in large characters above."""

import re

from reportlab.lib.colors import HexColor, black, white
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from appliance.labels import barcodes
from appliance.labels.errors import LabelRefused
from appliance.labels.sheets import Place

WIDTH_MM, HEIGHT_MM = 78.0, 15.8
NARROW_MM = 0.423
BARS_MM = 11.1
QUIET_MM = 5.25  # at least, on either side
_TEXT_MM = HEIGHT_MM - BARS_MM - 0.3
_SERIAL = 6  # characters that name the cartridge; two more name its generation

_LABEL = re.compile(r"[A-Z0-9]{6}(L[1-9A-Z]|M8)")

# As on labels one can buy: each digit has its colour.
DIGITS = {
    "0": "#d7261e",
    "1": "#f2c500",
    "2": "#7cc142",
    "3": "#57b6e2",
    "4": "#9a9b9c",
    "5": "#f08a1d",
    "6": "#e86aa6",
    "7": "#157f3b",
    "8": "#c79a5b",
    "9": "#6d4a9e",
}
_DARK = frozenset("0679")  # white characters on these


def check(barcode: str) -> None:
    """Raises: LabelRefused."""
    if _LABEL.fullmatch(barcode) is None:
        raise LabelRefused(
            f"{barcode!r} is no barcode for a cartridge: six capital letters or digits and the two characters of its "
            "generation, as in A00001L8"
        )


def draw(canvas: Canvas, barcode: str, place: Place, coloured: bool) -> None:
    """Draw one sticker. Raises: LabelRefused."""
    check(barcode)
    left_mm = place.x_mm + (WIDTH_MM - barcodes.width_mm(barcode, NARROW_MM)) / 2
    barcodes.draw(canvas, barcode, left_mm, place.y_mm, NARROW_MM, BARS_MM)
    cell_mm = WIDTH_MM / (_SERIAL + 1)
    bottom_mm = place.y_mm + HEIGHT_MM - _TEXT_MM
    for number, character in enumerate(barcode[:_SERIAL]):
        _cell(canvas, character, place.x_mm + number * cell_mm, bottom_mm, cell_mm, coloured)
    canvas.setFillColor(black)
    canvas.setFont("Helvetica-Bold", 9)
    canvas.drawCentredString((place.x_mm + 6.5 * cell_mm) * mm, (bottom_mm + 1.1) * mm, barcode[_SERIAL:])


def _cell(canvas: Canvas, character: str, x_mm: float, y_mm: float, width_mm: float, coloured: bool) -> None:
    colour = DIGITS.get(character) if coloured else None
    canvas.setStrokeColor(black)
    canvas.setLineWidth(0.2)
    canvas.setFillColor(white if colour is None else HexColor(colour))
    canvas.rect(x_mm * mm, y_mm * mm, width_mm * mm, _TEXT_MM * mm, stroke=1, fill=1)
    canvas.setFillColor(white if colour is not None and character in _DARK else black)
    canvas.setFont("Helvetica-Bold", 11)
    canvas.drawCentredString((x_mm + width_mm / 2) * mm, (y_mm + 0.8) * mm, character)
