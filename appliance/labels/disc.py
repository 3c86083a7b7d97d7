"""The face of a disc and the inlay of its case. Nothing of a patient stands on them."""

from dataclasses import dataclass
from datetime import date

from reportlab.lib.colors import black, lightgrey
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from appliance.labels import barcodes
from appliance.labels.errors import LabelRefused
from appliance.labels.sheets import Place

DISC_MM, PRINTED_MM, HUB_MM = 120.0, 118.0, 23.0  # diameters: of the disc, and between which it is printed
INLAY_WIDTH_MM, INLAY_HEIGHT_MM, SPINE_MM = 151.0, 118.0, 6.5
NARROW_MM = 0.35
_BARS_MM = 9.0
LONGEST_MM = 80.0  # what the face has room for below the hub


@dataclass(frozen=True)
class DiscLabel:
    """What is printed for one disc."""

    barcode: str
    pool: str = ""
    written_on: date | None = None
    packs: int = 0


def check(label: DiscLabel) -> None:
    """Raises: LabelRefused."""
    barcodes.check(label.barcode)
    if barcodes.width_mm(label.barcode, NARROW_MM) > LONGEST_MM:
        raise LabelRefused(f"{label.barcode} is too long for the face of a disc: take up to 12 characters")


def lines(label: DiscLabel) -> list[str]:
    """What a person reads below the name."""
    found = [f"DICOM File-set ID {label.barcode}"]
    if label.pool:
        found.append(f"Pool {label.pool}")
    if label.written_on is not None:
        found.append(f"Written {label.written_on.isoformat()}" + (f", {label.packs} packs" if label.packs else ""))
    return [*found, "Opens in any DICOM viewer (DICOMDIR)"]


def draw_face(canvas: Canvas, label: DiscLabel, place: Place) -> None:
    """Draw the round face into its square of 120 mm."""
    x_mm, y_mm = place.x_mm + DISC_MM / 2, place.y_mm + DISC_MM / 2
    canvas.setStrokeColor(lightgrey)
    canvas.setLineWidth(0.3)
    for diameter_mm in (DISC_MM, PRINTED_MM, HUB_MM):
        canvas.circle(x_mm * mm, y_mm * mm, diameter_mm / 2 * mm, stroke=1, fill=0)
    _text(canvas, label.barcode, x_mm, y_mm + 34, 22, bold=True)
    for number, line in enumerate(lines(label)[:2]):
        _text(canvas, line, x_mm, y_mm + 26 - 5 * number, 9)
    width_mm = barcodes.width_mm(label.barcode, NARROW_MM)
    barcodes.draw(canvas, label.barcode, x_mm - width_mm / 2, y_mm - 30, NARROW_MM, _BARS_MM)
    for number, line in enumerate(lines(label)[2:]):
        _text(canvas, line, x_mm, y_mm - 36 - 5 * number, 8)


def draw_inlay(canvas: Canvas, label: DiscLabel, place: Place) -> None:
    """Draw the inlay that lies below the disc in a jewel case, a spine on each side."""
    canvas.setStrokeColor(lightgrey)
    canvas.setLineWidth(0.3)
    canvas.rect(place.x_mm * mm, place.y_mm * mm, INLAY_WIDTH_MM * mm, INLAY_HEIGHT_MM * mm)
    canvas.setDash(1, 2)
    for x_mm in (place.x_mm + SPINE_MM, place.x_mm + INLAY_WIDTH_MM - SPINE_MM):
        canvas.line(x_mm * mm, place.y_mm * mm, x_mm * mm, (place.y_mm + INLAY_HEIGHT_MM) * mm)
    canvas.setDash()
    for x_mm, turned in ((place.x_mm + SPINE_MM / 2, 90), (place.x_mm + INLAY_WIDTH_MM - SPINE_MM / 2, -90)):
        canvas.saveState()
        canvas.translate(x_mm * mm, (place.y_mm + INLAY_HEIGHT_MM / 2) * mm)
        canvas.rotate(turned)
        _text(canvas, f"{label.barcode}   {label.pool}".strip(), 0, -1.3, 10, bold=True)
        canvas.restoreState()
    x_mm, top_mm = place.x_mm + INLAY_WIDTH_MM / 2, place.y_mm + INLAY_HEIGHT_MM
    _text(canvas, label.barcode, x_mm, top_mm - 22, 26, bold=True)
    for number, line in enumerate(lines(label)):
        _text(canvas, line, x_mm, top_mm - 34 - 6 * number, 11)
    width_mm = barcodes.width_mm(label.barcode, NARROW_MM)
    barcodes.draw(canvas, label.barcode, x_mm - width_mm / 2, place.y_mm + 14, NARROW_MM, _BARS_MM)


def _text(canvas: Canvas, text: str, x_mm: float, y_mm: float, points: float, bold: bool = False) -> None:
    canvas.setFillColor(black)
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", points)
    canvas.drawCentredString(x_mm * mm, y_mm * mm, text)
