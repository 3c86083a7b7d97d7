"""The robot's arm: one volume from one place to another. Both faces of the changer move volumes with it."""

from collections.abc import Callable

from drivers.base import ElementKind
from drivers.clock import Clock
from drivers.errors import ChangerError, RobotBusy, SourceEmpty, TargetFull
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Faults, Scope
from drivers.simulator.mishaps import HeldByDrive, RobotStuck
from drivers.simulator.state import Place, Places, PlacesFile
from drivers.timing import ROBOT

Spot = tuple[ElementKind, int]  # a drive, slot or mail slot, by the numbers of drivers.base.Element


class Robot:
    """Moves volumes about; a move takes the robot's time and then happens in one step."""

    def __init__(self, library: str, places: PlacesFile, faults: Faults, clock: Clock) -> None:
        self.library = library
        self.places, self.faults = places, faults
        self.clock = clock
        self.spend: Callable[[float], None] = clock.sleep  # how device time passes: a face may cut it short

    def check_idle(self) -> None:
        """Raises: RobotBusy."""
        if self.faults.fire(Action.BUSY, Scope()):
            raise RobotBusy(f"the robot of {self.library} is occupied; ask again in a while")

    def move(self, source: Spot, target: Spot) -> None:
        """Take the volume from one place and put it into another, which must be empty.

        Raises: SourceEmpty, TargetFull, HeldByDrive, RobotBusy, RobotStuck, ChangerError.
        """
        places = self.places.read()
        place = places.at(*source)
        if place is None:
            raise SourceEmpty(f"{self._named(source)} is empty; ask for the inventory")
        if (inside := places.at(*target)) is not None:
            raise TargetFull(f"{self._named(target)} already holds {inside.barcode}; ask for the inventory")
        self._check_released(source, place)
        self.check_idle()
        operation, scope = self._operation(source, target, place, places)
        self.spend(ROBOT.move_s)
        self._strike(Action.ROBOT_BEFORE, scope, operation, place)
        now = self.clock.now()
        with self.places.change() as now_there:
            found = next(p for p in now_there.volumes if p.volume == place.volume)
            if (found.kind, found.index) != source or now_there.at(*target) is not None:
                raise ChangerError(
                    f"somebody moved volumes of {self.library} during the {operation}; ask for the inventory"
                )
            origin = source[1] if source[0] is not ElementKind.DRIVE else found.origin
            now_there.put(found, *target, now, origin if target[0] is ElementKind.DRIVE else None)
        self._strike(Action.ROBOT_AFTER, scope, operation, place)

    def exchange(self, source: Spot, first: Spot, second: Spot) -> None:
        """Put the volume of one place into another, whose volume goes to a third, which may be the first place.

        Raises: as move() does.
        """
        places = self.places.read()
        coming, going = places.at(*source), places.at(*first)
        if coming is None or going is None:
            raise SourceEmpty(f"{self._named(source if coming is None else first)} is empty; ask for the inventory")
        if second != source and places.at(*second) is not None:
            raise TargetFull(f"{self._named(second)} is occupied; ask for the inventory")
        self._check_released(source, coming)
        self._check_released(first, going)
        self.check_idle()
        _, scope = self._operation(source, first, coming, places)
        self.spend(2 * ROBOT.move_s)
        self._strike(Action.ROBOT_BEFORE, scope, "transfer", coming)
        now = self.clock.now()
        with self.places.change() as now_there:
            for place, target, before in ((going, second, first), (coming, first, source)):
                found = next(p for p in now_there.volumes if p.volume == place.volume)
                if (found.kind, found.index) != before:
                    raise ChangerError(f"somebody moved volumes of {self.library}; ask for the inventory")
                now_there.put(found, *target, now, before[1] if target[0] is ElementKind.DRIVE else None)
        self._strike(Action.ROBOT_AFTER, scope, "transfer", coming)

    def _strike(self, action: Action, scope: Scope, operation: str, place: Place) -> None:
        if not self.faults.fire(action, scope, operation):
            return
        if action is Action.ROBOT_BEFORE:
            raise RobotStuck(
                f"the robot of {self.library} is stuck: {operation} of {place.barcode} was not done; "
                "look into the library, then ask for the inventory"
            )
        raise ChangerError(
            f"the robot of {self.library} reported a failure after the {operation} of {place.barcode}; "
            "where it is now must be asked"
        )

    def _check_released(self, spot: Spot, place: Place) -> None:
        if spot[0] is ElementKind.DRIVE and not place.released:
            raise HeldByDrive(
                f"drive {spot[1]} of {self.library} holds on to {place.barcode}; tell the drive to unload, then move it"
            )

    def _operation(self, source: Spot, target: Spot, place: Place, places: Places) -> tuple[str, Scope]:
        if target[0] is ElementKind.DRIVE:
            operation, drive = "load", target[1]
        elif source[0] is ElementKind.DRIVE:
            operation, drive = "unload", source[1]
        else:
            return "transfer", Scope(volume=place.volume)
        return operation, Scope(drive, places.drives[drive], place.volume)

    def _named(self, spot: Spot) -> str:
        return f"{'drive' if spot[0] is ElementKind.DRIVE else 'slot'} {spot[1]} of {self.library}"
