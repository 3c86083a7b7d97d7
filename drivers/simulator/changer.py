"""The robot as a program sees it."""

from drivers.base import ElementKind, Inventory
from drivers.clock import Clock
from drivers.errors import ChangerError, NoSuchElement
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Faults, Scope
from drivers.simulator.robot import Robot
from drivers.simulator.state import Places, PlacesFile


class SimulatedChanger:
    """Slots, mail slots and drives, and a robot that serves them."""

    def __init__(self, name: str, places: PlacesFile, faults: Faults, clock: Clock) -> None:
        self._name = name
        self._places, self._faults = places, faults
        self.robot = Robot(name, places, faults, clock)

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return False

    def inventory(self) -> Inventory:
        self.robot.check_idle()
        if self._faults.fire(Action.BLIND, Scope()):
            raise ChangerError(f"the robot of {self._name} does not answer; look at the library, then ask again")
        places = self._places.read()
        return Inventory(self._name, places.elements(hidden_volumes(self._faults, places)))

    def load(self, slot: int, drive: int) -> None:
        places = self._places.read()
        kind = self._check_slot(places, slot)
        self._check_drive(places, drive)
        self.robot.move((kind, slot), (ElementKind.DRIVE, drive))

    def unload(self, drive: int, slot: int) -> None:
        places = self._places.read()
        kind = self._check_slot(places, slot)
        self._check_drive(places, drive)
        self.robot.move((ElementKind.DRIVE, drive), (kind, slot))

    def transfer(self, source: int, target: int) -> None:
        places = self._places.read()
        kinds = self._check_slot(places, source), self._check_slot(places, target)
        self.robot.move((kinds[0], source), (kinds[1], target))

    def _check_slot(self, places: Places, slot: int) -> ElementKind:
        kind = places.kind_of(slot)
        if kind is None:
            last = places.slots + places.mail_slots
            raise NoSuchElement(f"{self._name} has no slot {slot}; slots and mail slots run from 1 to {last}")
        return kind

    def _check_drive(self, places: Places, drive: int) -> None:
        if not 0 <= drive < len(places.drives):
            raise NoSuchElement(f"{self._name} has no drive {drive}; drives run from 0 to {len(places.drives) - 1}")


def hidden_volumes(faults: Faults, places: Places) -> frozenset[str]:
    """The volumes whose barcode the robot cannot read."""
    return frozenset(
        place.volume for place in places.volumes if faults.standing(Action.HIDE, Scope(volume=place.volume))
    )
