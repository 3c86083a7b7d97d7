"""Drives without a robot: a person is it. See hands.py for what that person does."""

from drivers.base import Element, ElementKind, Inventory
from drivers.errors import ChangerError, NeedsOperator, NoSuchElement
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Faults, Scope
from drivers.simulator.state import PlacesFile


class ByHandChanger:
    """Knows which drives hold a medium, and moves nothing."""

    def __init__(self, name: str, places: PlacesFile, faults: Faults) -> None:
        self._name, self._places, self._faults = name, places, faults

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return True

    def inventory(self) -> Inventory:
        if self._faults.fire(Action.BLIND, Scope()):
            raise ChangerError(f"the drives of {self._name} do not answer; look at their cables, then ask again")
        places = self._places.read()
        elements = []
        for index, serial in enumerate(places.drives):
            place = places.in_drive(index)
            # What a drive let go of lies in an open tray: nothing is in the drive any more.
            full = place is not None and not place.released
            elements.append(Element(ElementKind.DRIVE, index, full, drive_serial=serial))
        return Inventory(self._name, tuple(elements))

    def load(self, slot: int, drive: int) -> None:
        raise NeedsOperator(f"{self._name} has no robot: put the volume into drive {drive} by hand")

    def unload(self, drive: int, slot: int) -> None:
        places = self._places.read()
        if not 0 <= drive < len(places.drives):
            raise NoSuchElement(f"{self._name} has no drive {drive}; drives run from 0 to {len(places.drives) - 1}")
        place = places.in_drive(drive)
        if place is not None and not place.released:
            raise NeedsOperator(f"drive {drive} of {self._name} holds on to its volume; tell the drive to unload")

    def transfer(self, source: int, target: int) -> None:
        raise NeedsOperator(f"{self._name} has no robot and no slots: carry the volume by hand")
