"""The robot."""

from datetime import datetime

from drivers.base import ElementKind, Inventory
from drivers.clock import Clock
from drivers.errors import ChangerError, NoSuchElement, SourceEmpty, TargetFull
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Faults, Scope
from drivers.simulator.state import Place, Places, PlacesFile
from drivers.timing import ROBOT


class SimulatedChanger:
    """Moves volumes about; a move takes the robot's time and then happens in one step."""

    def __init__(self, name: str, places: PlacesFile, faults: Faults, clock: Clock) -> None:
        self._name = name
        self._places, self._faults, self._clock = places, faults, clock

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return False

    def inventory(self) -> Inventory:
        if self._faults.fire(Action.BLIND, Scope()):
            raise ChangerError(f"the robot of {self._name} does not answer; look at the library, then ask again")
        places = self._places.read()
        hidden = frozenset(
            place.volume for place in places.volumes if self._faults.standing(Action.HIDE, Scope(volume=place.volume))
        )
        return Inventory(self._name, places.elements(hidden))

    def load(self, slot: int, drive: int) -> None:
        places = self._places.read()
        self._check_slot(places, slot)
        self._check_drive(places, drive)
        place = _source(places.in_storage(slot), f"slot {slot} of {self._name}")
        _target(places.in_drive(drive), f"drive {drive} of {self._name}")
        self._move("load", place, drive, ElementKind.DRIVE, drive, slot)

    def unload(self, drive: int, slot: int) -> None:
        places = self._places.read()
        kind = self._check_slot(places, slot)
        self._check_drive(places, drive)
        place = _source(places.in_drive(drive), f"drive {drive} of {self._name}")
        _target(places.in_storage(slot), f"slot {slot} of {self._name}")
        if not place.released:
            raise ChangerError(
                f"drive {drive} of {self._name} holds on to {place.barcode}; tell the drive to unload, then move it"
            )
        self._move("unload", place, drive, kind, slot)

    def transfer(self, source: int, target: int) -> None:
        places = self._places.read()
        self._check_slot(places, source)
        kind = self._check_slot(places, target)
        place = _source(places.in_storage(source), f"slot {source} of {self._name}")
        _target(places.in_storage(target), f"slot {target} of {self._name}")
        self._move("transfer", place, None, kind, target)

    def _move(
        self, operation: str, place: Place, drive: int | None, kind: ElementKind, index: int, origin: int | None = None
    ) -> None:
        scope = Scope(drive, None if drive is None else self._places.read().drives[drive], place.volume)
        self._clock.sleep(ROBOT.move_s)
        if self._faults.fire(Action.ROBOT_BEFORE, scope, operation):
            raise ChangerError(
                f"the robot of {self._name} is stuck: {operation} of {place.barcode} was not done; "
                "look into the library, then ask for the inventory"
            )
        now: datetime = self._clock.now()
        with self._places.change() as places:
            found = next(p for p in places.volumes if p.volume == place.volume)
            if (found.kind, found.index) != (place.kind, place.index) or places.at(kind, index) is not None:
                raise ChangerError(
                    f"somebody moved volumes of {self._name} during the {operation}; ask for the inventory"
                )
            places.put(found, kind, index, now, origin)
        if self._faults.fire(Action.ROBOT_AFTER, scope, operation):
            raise ChangerError(
                f"the robot of {self._name} reported a failure after the {operation} of {place.barcode}; "
                "where it is now must be asked"
            )

    def _check_slot(self, places: Places, slot: int) -> ElementKind:
        kind = places.kind_of(slot)
        if kind is None:
            last = places.slots + places.mail_slots
            raise NoSuchElement(f"{self._name} has no slot {slot}; slots and mail slots run from 1 to {last}")
        return kind

    def _check_drive(self, places: Places, drive: int) -> None:
        if not 0 <= drive < len(places.drives):
            raise NoSuchElement(f"{self._name} has no drive {drive}; drives run from 0 to {len(places.drives) - 1}")


def _source(place: Place | None, where: str) -> Place:
    if place is None:
        raise SourceEmpty(f"{where} is empty; ask for the inventory")
    return place


def _target(place: Place | None, where: str) -> None:
    if place is not None:
        raise TargetFull(f"{where} already holds {place.barcode}; ask for the inventory")
