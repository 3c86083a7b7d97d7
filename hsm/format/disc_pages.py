"""What a person without a DICOM viewer finds on a disc (IHE PDI: README.TXT and INDEX.HTM)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from hsm.format.study_json import PackedInstance
from hsm.format.tape import media_text

_STYLE = "body{font:16px sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}"
_NOT_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Row:
    """One pack as the page shows it."""

    sequence: int
    instances: tuple[PackedInstance, ...]
    folder: str  # below which its images lie


def readme(barcode: str, now: datetime) -> bytes:
    """README.TXT."""
    text = media_text("README_DISC.TXT").decode("ascii")
    return text.replace("{barcode}", barcode).replace("{date}", f"{now:%Y-%m-%d}").encode("ascii")


def _html(text: object) -> str:
    """Any text, as it may stand in a page."""
    return escape(_NOT_HTML.sub("\ufffd", str(text)))


def _row(row: Row) -> str:
    first = row.instances[0].header
    modalities = sorted({instance.header.modality for instance in row.instances})
    cells = [
        first.patient_name,
        first.patient_id,
        first.birth_date or "",
        first.study_date or "",
        first.study_description,
        " ".join(modalities),
        first.accession_number,
        len(row.instances),
    ]
    link = f'<td><a href="{_html(row.folder)}">{_html(row.folder)}</a></td>'
    return "<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in cells) + link + "</tr>"


def index(barcode: str, now: datetime, rows: Sequence[Row]) -> bytes:
    """INDEX.HTM: what is on the disc, nothing in it executable."""
    names = ("Patient", "ID", "Born", "Study date", "Description", "Modality", "Accession", "Images", "Folder")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "\n".join(_row(row) for row in rows)
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{_html(barcode)}</title><style>{_STYLE}</style></head><body>
<h1>Medical images on disc {_html(barcode)}</h1>
<p>Written on {now:%Y-%m-%d} (UTC) by the image archive Firn. Open <a href="DICOMDIR">DICOMDIR</a> with any DICOM
viewer; there is none on this disc. <a href="README.TXT">README.TXT</a> says how to check and copy the files.</p>
<table><tr>{head}</tr>
{body}
</table>
<p>These data are confidential. They were stored as received, or compressed without loss.</p>
</body></html>
"""
    return page.encode("utf-8")
