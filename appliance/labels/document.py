"""The PDF: a sheet of stickers, or a page for each disc."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from appliance.labels import disc, tape
from appliance.labels.sheets import Paper, Place, grid

STICKER_GAP_X_MM, STICKER_GAP_Y_MM = 6.0, 1.2
_BETWEEN_MM = 6.0  # face and inlay of a disc


def write(
    target: Path | BinaryIO,
    paper: Paper,
    tapes: Sequence[str],
    discs: Sequence[disc.DiscLabel],
    *,
    coloured: bool = True,
    skip: int = 0,
) -> int:
    """Write stickers for cartridges, then a page for each disc, to a file or a stream; how many pages there are.

    `skip`: so many stickers of the first sheet were used before.

    Raises: LabelRefused, and then no file is made; OSError.
    """
    for barcode in tapes:
        tape.check(barcode)
    for label in discs:
        disc.check(label)
    canvas = Canvas(
        str(target) if isinstance(target, Path) else target,
        pagesize=(paper.width_mm * mm, paper.height_mm * mm),
        invariant=1,
    )
    canvas.setTitle("Firn labels")
    canvas.setViewerPreference("PrintScaling", "None")
    pages = _stickers(canvas, paper, tapes, coloured, skip)
    for label in discs:
        _disc(canvas, paper, label)
        pages += 1
    canvas.save()
    return pages


def _stickers(canvas: Canvas, paper: Paper, barcodes: Sequence[str], coloured: bool, skip: int) -> int:
    page = 0
    places = grid(paper, tape.WIDTH_MM, tape.HEIGHT_MM, STICKER_GAP_X_MM, STICKER_GAP_Y_MM, len(barcodes), skip)
    for barcode, place in zip(barcodes, places, strict=True):
        for _ in range(place.page - page):
            canvas.showPage()
        page = place.page
        tape.draw(canvas, barcode, place, coloured)
    if not barcodes:
        return 0
    canvas.showPage()
    return page + 1


def _disc(canvas: Canvas, paper: Paper, label: disc.DiscLabel) -> None:
    used_mm = disc.DISC_MM + _BETWEEN_MM + disc.INLAY_HEIGHT_MM
    bottom_mm = (paper.height_mm - used_mm) / 2
    disc.draw_inlay(canvas, label, Place(0, (paper.width_mm - disc.INLAY_WIDTH_MM) / 2, bottom_mm))
    face_mm = bottom_mm + disc.INLAY_HEIGHT_MM + _BETWEEN_MM
    disc.draw_face(canvas, label, Place(0, (paper.width_mm - disc.DISC_MM) / 2, face_mm))
    canvas.showPage()
