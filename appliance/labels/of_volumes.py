"""Labels of volumes that the catalog knows, for those who have no file to write to."""

import io
from collections.abc import Iterable

from appliance.labels import document
from appliance.labels.disc import DiscLabel
from appliance.labels.errors import LabelRefused
from appliance.labels.sheets import PAPERS
from drivers.base import MediumKind
from hsm.facts import VolumeRecord
from web.services import LabelsRefused


def disc_label(volume: VolumeRecord) -> DiscLabel:
    """What is printed for a disc."""
    written = volume.first_filled_at
    return DiscLabel(volume.barcode, volume.pool or "", written.date() if written else None, volume.last_sequence)


def sheet(volumes: Iterable[VolumeRecord], paper: str, coloured: bool, skip: int) -> bytes:
    """A PDF with stickers for the cartridges, then a page for each disc. Raises: LabelsRefused."""
    listed = list(volumes)
    tapes = [volume.barcode for volume in listed if volume.kind is MediumKind.TAPE]
    discs = [disc_label(volume) for volume in listed if volume.kind is MediumKind.DISC]
    written = io.BytesIO()
    try:
        document.write(written, PAPERS[paper], tapes, discs, coloured=coloured, skip=skip)
    except LabelRefused as error:
        raise LabelsRefused(str(error)) from error
    return written.getvalue()
