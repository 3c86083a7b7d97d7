"""What a drive says of itself: whether it is there, what alarms it, whether it wants to be cleaned."""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from drivers.base import DriveStatus
from drivers.errors import DriverError
from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord

if TYPE_CHECKING:
    from hsm.library.library import Library

log = structlog.get_logger()

ASKS_FOR_CLEANING = frozenset({"clean_now", "clean_periodic"})  # TapeAlert 20 and 21
USED_UP = "expired_cleaning_media"  # TapeAlert 22


def ask(library: "Library", catalog: Catalog, drive: int, now: datetime) -> DriveRecord:
    """Ask a drive and write down what it says. A recorder that answers has nothing to tell.

    Raises: DriverError when it does not answer.
    """
    status = library.device(drive).status()
    if not isinstance(status, DriveStatus):
        return catalog.drives.get(library.name, drive)
    _hear_of_the_cartridge(library, catalog, drive, status, now)
    wants = status.needs_cleaning or bool(ASKS_FOR_CLEANING & set(status.alerts))
    return catalog.drives.said(library.name, drive, status.alerts, wants, now)


def _hear_of_the_cartridge(
    library: "Library", catalog: Catalog, drive: int, status: DriveStatus, now: datetime
) -> None:
    """What the volume that was just used remembers of its life: how worn it is."""
    device, barcode = library.device(drive), catalog.drives.get(library.name, drive).barcode
    if not status.ready or barcode is None or not hasattr(device, "statistics"):
        return
    try:
        catalog.volumes.told(barcode, device.statistics(), now)
    except DriverError as error:
        log.info("cartridge_not_heard", library=library.name, drive=drive, volume=barcode, reason=str(error))
