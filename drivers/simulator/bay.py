"""What tape drives and recorders share: the medium in the drive, when it is ready, and what the drive remembers."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from drivers import tape_alerts
from drivers.base import ElementKind
from drivers.clock import Clock
from drivers.errors import DeviceError, DriveEmpty, DriveNotReady, DriverError, UnitAttention
from drivers.simulator import state
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Faults, Scope
from drivers.simulator.spec import DriveSpec
from drivers.simulator.state import Place, PlacesFile

_log = structlog.get_logger()


@dataclass
class Memory:
    """What a drive keeps through a restart of the process that uses it."""

    move: int = 0  # the arrival it last noticed
    holding: bool = False  # it noticed a medium and did not release it
    ready: bool = False  # the medium was loaded to the end
    position: int | None = None  # None: unknown
    attention: bool = False  # the next command will be told of a reset or a swap
    needs_cleaning: bool = False


class Bay:
    """One drive element: finds out what the robot put into it, by the number of the move that brought it."""

    def __init__(self, root: Path, library: str, index: int, spec: DriveSpec, faults: Faults, clock: Clock) -> None:
        self.root, self.index, self.spec, self.faults, self.clock = root, index, spec, faults, clock
        self.spend: Callable[[float], None] = clock.sleep  # how device time passes: a face may cut it short
        self.name = f"{library}/drive{index}"
        self.load_s = 0.0
        self._places = PlacesFile(root)
        self._file = root / "drives" / f"{index}.json"
        self.memory = self._remembered()

    def keep(self) -> None:
        """Write the drive's memory down."""
        state.save(self._file, asdict(self.memory), durable=False)

    def _remembered(self) -> Memory:
        try:
            return Memory(**state.load(self._file))
        except FileNotFoundError:
            return Memory()
        except (ValueError, TypeError) as error:  # the host lost power: the drive looks at its medium afresh
            _log.warning("drive_memory_lost", drive=self.name, reason=str(error))
            return Memory()

    def folder(self, place: Place) -> Path:
        """Where a volume's bytes are."""
        return self.root / "volumes" / place.volume

    def scope(self, place: Place | None = None) -> Scope:
        """Which faults may strike here."""
        return Scope(self.index, self.spec.serial, place.volume if place else None)

    def look(self) -> tuple[Place | None, bool]:
        """What is in the drive, and whether it arrived since the last look."""
        place = self._places.read().in_drive(self.index)
        if place is None or place.move == self.memory.move:
            return place, False
        swapped = self.memory.holding
        self.memory = Memory(
            place.move, holding=not place.released, attention=swapped, needs_cleaning=self.memory.needs_cleaning
        )
        self.keep()
        return place, True

    def remaining_s(self, place: Place) -> float:
        """Seconds until a medium that arrived is ready. What was ready once stays so, whatever the clock says."""
        if self.memory.ready:
            return 0.0
        passed_s = (self.clock.now() - place.arrived_at).total_seconds()
        if 0 <= passed_s < self.load_s:
            return self.load_s - passed_s
        self.memory.ready = True  # also when the clock of an earlier process was ahead of ours
        self.keep()
        return 0.0

    def held(self, place: Place | None) -> Place:
        """The medium, if the drive holds one. Raises: DriveEmpty, DriveNotReady."""
        if place is None:
            raise DriveEmpty(f"{self.name} is empty; load a volume first")
        if place.released:
            raise DriveNotReady(f"{self.name} has let go of {place.barcode}; have the robot take it or load it again")
        return place

    def wait(self, place: Place, limit_s: float) -> None:
        """Let the load time pass. Raises: DriveNotReady."""
        never = self.faults.fire(Action.NEVER_READY, self.scope(place))
        if never or self.remaining_s(place) > limit_s:
            self.spend(limit_s)
            raise DriveNotReady(
                f"{self.name} was not ready with {place.barcode} after {limit_s:g} s; try another drive, or wait longer"
            )
        self.spend(self.remaining_s(place))

    def usable(self, place: Place | None) -> Place:
        """The medium, if it can be used at this moment. Raises: DriveEmpty, DriveNotReady."""
        place = self.held(place)
        if self.remaining_s(place) > 0:
            raise DriveNotReady(f"{self.name} is still loading {place.barcode}; wait until it is ready")
        return place

    def strike(self, operation: str, place: Place) -> None:
        """Let a fault of a whole operation happen, or a pending unit attention be told."""
        scope = self.scope(place)
        if hang := self.faults.fire(Action.HANG, scope, operation):
            self.spend(hang.seconds)
            raise DeviceError(f"{self.name} did not answer to {operation} within {hang.seconds:g} s; reset the drive")
        if self.faults.fire(Action.ATTENTION, scope):
            self.memory.attention = True
        if self.memory.attention:
            self.memory.attention, self.memory.position = False, 0
            self.keep()
            raise UnitAttention(
                f"{self.name} was reset or its medium was changed before {operation}; rewind and read the label again"
            )
        if fault := self.faults.fire(Action.FAIL, scope, operation):
            raise failure(fault.error, self.name, operation, place)

    def release(self, place: Place) -> None:
        """Let go of the medium."""
        with self._places.change() as places:
            if (found := places.in_drive(self.index)) is not None and found.move == place.move:
                found.released = True
        self.memory = Memory(place.move, needs_cleaning=self.memory.needs_cleaning)
        self.keep()

    def take_in(self, place: Place) -> None:
        """Take a medium in again that was let go of, unless the robot was faster."""
        with self._places.change() as places:
            if (found := places.in_drive(self.index)) is not None and found.move == place.move:
                places.put(found, ElementKind.DRIVE, self.index, self.clock.now(), found.origin)


def failure(error: type[DriverError], drive: str, operation: str, place: Place) -> DriverError:
    """The error of a failed operation, with what, to what and what to do."""
    return error(f"{drive}: {operation} failed on {place.barcode}; what was not flushed is in doubt, try another drive")


def alert_names(numbers: Iterable[int]) -> tuple[str, ...]:
    """TapeAlert flags by name, in the order of their numbers."""
    return tape_alerts.names(numbers)
