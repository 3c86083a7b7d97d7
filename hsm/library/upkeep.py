"""What a drive says of itself: whether it is there, what alarms it, whether it wants to be cleaned."""

from datetime import datetime
from typing import TYPE_CHECKING

from drivers.base import DriveStatus
from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord

if TYPE_CHECKING:
    from hsm.library.library import Library

ASKS_FOR_CLEANING = frozenset({"clean_now", "clean_periodic"})  # TapeAlert 20 and 21
USED_UP = "expired_cleaning_media"  # TapeAlert 22


def ask(library: "Library", catalog: Catalog, drive: int, now: datetime) -> DriveRecord:
    """Ask a drive and write down what it says. A recorder that answers has nothing to tell.

    Raises: DriverError when it does not answer.
    """
    status = library.device(drive).status()
    if not isinstance(status, DriveStatus):
        return catalog.drives.get(library.name, drive)
    wants = status.needs_cleaning or bool(ASKS_FOR_CLEANING & set(status.alerts))
    return catalog.drives.said(library.name, drive, status.alerts, wants, now)
