"""What a cleaning cartridge does in a drive."""

from drivers.errors import MediumError
from drivers.simulator.bay import Bay
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.state import Place

CLEANING_S = 120.0
CLEANINGS = 50  # of one cleaning cartridge


def clean(bay: Bay, place: Place, takes_time: bool = True) -> None:
    """Clean the drive with the cartridge in it, which takes device time unless that has passed.

    Raises: MediumError when the cartridge is used up.
    """
    cartridge = Cartridge(bay.folder(place))
    try:
        if cartridge.counter("cleanings") >= CLEANINGS:
            raise MediumError(f"{bay.name}: cleaning cartridge {place.barcode} is used up; put in a new one")
        if takes_time:
            bay.spend(CLEANING_S)
        cartridge.count(cleanings=1)
    finally:
        cartridge.close()
    bay.memory.needs_cleaning = False
    bay.keep()
