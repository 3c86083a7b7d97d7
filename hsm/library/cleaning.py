"""Cleaning a drive with a cleaning cartridge."""

import structlog

from drivers.base import Barcode, DriveStatus, ElementKind
from drivers.clock import Clock
from drivers.errors import MediumError, MediumUnsupported
from hsm.catalog import Catalog
from hsm.library.errors import CartridgeUsedUp, VolumeNotInLibrary
from hsm.library.library import Library
from hsm.library.upkeep import USED_UP

CLEANING_LIMIT_S = 900.0  # the longest any drive takes is about five minutes

log = structlog.get_logger()


def clean(library: Library, drive: int, cartridge: Barcode, catalog: Catalog, clock: Clock) -> None:
    """Empty a drive, let a cleaning cartridge do its work in it, and put the cartridge back.

    Raises: CartridgeUsedUp, VolumeNotInLibrary, DriverError; the cartridge is out of the drive then, or the drive down.
    """
    library.empty_drive(drive)
    with library.turn() as inventory:
        place = inventory.find(cartridge)
        if place is None or place.kind is ElementKind.DRIVE:
            raise VolumeNotInLibrary(f"cleaning cartridge {cartridge} is in no slot of library {library.name}")
        catalog.drives.change(library.name, drive, "clean", clock.now(), barcode=cartridge)
        library.insert(place.index, drive)
    log.info("cleaning_began", library=library.name, drive=drive, cartridge=cartridge)
    try:
        if _is_used_up(library, drive):
            raise CartridgeUsedUp(f"{cartridge} cleans no more; put in a new cleaning cartridge")
    except MediumError as error:
        raise CartridgeUsedUp(f"{cartridge} cleans no more ({error})") from error
    finally:
        library.put_back_quietly(drive)


def _is_used_up(library: Library, drive: int) -> bool:
    """Let the drive clean itself; whether it says that the cartridge did nothing."""
    device = library.device(drive)
    try:
        device.wait_ready(CLEANING_LIMIT_S)
    except MediumUnsupported:
        log.info("cleaning_ended", library=library.name, drive=drive)  # that is how it says that there is no tape in it
    status = device.status()
    return isinstance(status, DriveStatus) and USED_UP in status.alerts
