"""What an error says about a drive or a volume, and what is set aside because of it.

Source: the invariant "a failing thing is set aside": a burst of bad volumes stops the drive, not the stock.
"""

import structlog

from drivers.base import Barcode
from drivers.errors import Blame, DriverError, MediumError, WriteProtected
from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord
from hsm.library.errors import VolumeNotInLibrary, WrongVolume
from hsm.mover.context import MoverContext
from hsm.states import VOLUME_TABLE, DriveState, VolumeState

log = structlog.get_logger()


def judge(
    context: MoverContext,
    library: str,
    drive: int,
    barcode: Barcode,
    error: DriverError,
    drive_fails_after: int,
    purpose: str | None = None,
) -> None:
    """Count an error against what it speaks against, and set that aside when it was one too many.

    `purpose`: what the drive was used for, "read" or "write"; only success at the same takes the error back.
    """
    catalog, now = context.catalog, context.now()
    if error.blame in (Blame.DRIVE, Blame.VOLUME) and not isinstance(error, WrongVolume | WriteProtected):
        # A bad volume counts against the drive, too: a third one in a row says that it is the drive.
        errors = catalog.drives.count_error(library, drive, purpose)
        if errors >= drive_fails_after:
            catalog.drives.change(library, drive, "fail", now, reason=str(error))
            catalog.events.record(
                "error", "drive_failed", catalog.drives.get(library, drive).serial, {"reason": str(error)}, now
            )
            log.error("drive_failed", library=library, drive=drive, errors=errors, reason=str(error))
            return
    if error.blame is Blame.VOLUME:
        _judge_volume(catalog, barcode, error, context)


def _judge_volume(catalog: Catalog, barcode: Barcode, error: DriverError, context: MoverContext) -> None:
    now = context.now()
    state = catalog.volumes.get(barcode).state
    catalog.volumes.count_error(barcode)
    if isinstance(error, WriteProtected):
        if state in (VolumeState.BLANK, VolumeState.LABELLED, VolumeState.FILLING):
            catalog.volumes.protect(barcode, str(error), now)
    elif isinstance(error, WrongVolume | MediumError) and (state, "doubt") in VOLUME_TABLE:
        catalog.volumes.doubt(barcode, str(error), now)
        catalog.events.record("error", "volume_suspected", barcode, {"reason": str(error)}, now)
        log.error("volume_suspected", volume=barcode, reason=str(error))


def is_usable(drive: DriveRecord) -> bool:
    """Whether work may be given to a drive."""
    return drive.state not in (DriveState.DOWN, DriveState.FAILED, DriveState.CLEANING)


def is_missing(error: Exception) -> bool:
    """Whether a volume has to be brought by a person."""
    return isinstance(error, VolumeNotInLibrary)
