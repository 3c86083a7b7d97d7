"""What a reading that failed says of a copy, and of the volume it lies on."""

import structlog

from drivers.base import Barcode
from hsm.facts import CopyRecord
from hsm.mover.context import MoverContext
from hsm.states import IllegalTransition

LOSE_AFTER_DOUBTS = 2  # by two drives; by one drive alone it takes one more
LOSE_AFTER_DOUBTS_ONE_DRIVE = 3

log = structlog.get_logger()


def is_lost(doubts: int, drive_serial: str, doubted_by: str | None) -> bool:
    """Whether a copy that could not be read again is given up: two drives failed on it, or one drive three times."""
    if doubted_by is not None and doubted_by != drive_serial:
        return doubts >= LOSE_AFTER_DOUBTS
    return doubts >= LOSE_AFTER_DOUBTS_ONE_DRIVE


def doubt(context: MoverContext, copy: CopyRecord, barcode: Barcode, serial: str, error: Exception) -> None:
    """Note that a copy could not be read; give it up when that was once too often.

    What was lost or superseded meanwhile is beyond doubt.
    """
    catalog, now = context.catalog, context.now()
    try:
        doubts = catalog.copies.doubt(copy.id, serial, str(error), now)
    except IllegalTransition as beyond:
        log.info("copy_not_doubted", volume=barcode, pack=copy.pack_digest, reason=str(beyond))
        return
    log.warning("copy_doubted", volume=barcode, pack=copy.pack_digest, drive=serial, reason=str(error))
    if is_lost(doubts, serial, copy.doubted_by):
        catalog.copies.lose(copy.id, str(error), now)
        # What two drives cannot read says something about the whole volume: nothing more is entrusted to it.
        catalog.volumes.doubt(barcode, f"a copy on it was lost: {error}", now)
        log.error("copy_lost", volume=barcode, pack=copy.pack_digest)
