"""A robot behind a SCSI generic device.

Every move is checked against the inventory before and after it: what the robot says about a move and what it sees in
its elements do not always agree, and the elements are believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from drivers import command
from drivers.base import Inventory
from drivers.changer.failures import RobotAttention, error_of, said
from drivers.changer.moves import Move, Spot, Verdict, plan, verdict, whereabouts
from drivers.changer.status import StatusUnreadable, parse
from drivers.clock import Clock
from drivers.errors import ChangerError, CommandFailed, DriverError, RobotBusy

_log = structlog.get_logger()
_ATTENTIONS = 5  # a robot that was reset reports each reason once; more than these are no report but a fault


@dataclass(frozen=True)
class Limits:
    """How patient a changer is."""

    answer_s: float = 180.0  # for an inventory; a robot that reads all its labels first needs long
    move_s: float = 900.0  # for one move, from one end of a large library to the other
    busy_s: float = 60.0  # a robot that becomes ready is waited for so long
    settle_s: float = 60.0  # after a move, until the elements show it
    poll_s: float = 2.0


class MtxChanger:
    """A media changer driven with mtx. Slots and mail slots share one numbering from 1, drives count from 0."""

    def __init__(
        self,
        name: str,
        device: Path,
        drive_serials: Sequence[str | None],
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        """`device`: the robot's sg device, best by a name that survives a restart; `drive_serials`: the serial numbers
        of the drives in the order of the drive elements, None where it is not known.
        """
        self._name = name
        self._device = device
        self._serials = tuple(drive_serials)
        self._clock = clock
        self._limits = limits or Limits()

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return False

    def inventory(self) -> Inventory:
        """Ask what is where. A robot that was just reset or is becoming ready is asked again for a while.

        Raises: ChangerError, ChangerGone, RobotBusy when it did not become ready in time.
        """
        attentions, waited_s = 0, 0.0
        while True:
            try:
                done = self._mtx(f"inventory of library {self._name}", self._limits.answer_s, "status")
                return Inventory(self._name, parse(done.stdout, self._serials))
            except RobotAttention:
                attentions += 1
                if attentions >= _ATTENTIONS:
                    raise
            except RobotBusy:
                if waited_s >= self._limits.busy_s:
                    raise
                waited_s += self._limits.poll_s
                self._clock.sleep(self._limits.poll_s)
            except StatusUnreadable as error:
                raise ChangerError(
                    f"the answer of the robot of library {self._name} is not understood: {error}; compare it with "
                    f"`mtx -f {self._device} status`"
                ) from error

    def load(self, slot: int, drive: int) -> None:
        self._move(Spot(False, slot), Spot(True, drive), "load", str(slot), str(drive))

    def unload(self, drive: int, slot: int) -> None:
        self._move(Spot(True, drive), Spot(False, slot), "unload", str(slot), str(drive))

    def transfer(self, source: int, target: int) -> None:
        self._move(Spot(False, source), Spot(False, target), "transfer", str(source), str(target))

    def _move(self, source: Spot, target: Spot, *arguments: str) -> None:
        for last in (False, True):
            move = plan(self.inventory(), source, target)
            try:
                done = self._mtx(f"move of {move} in library {self._name}", self._limits.move_s, *arguments)
            except DriverError as error:
                after = self._look_after(error)
                # The robot had something to report before it would do anything. What it reports may be that somebody
                # changed what is where, so the plan is made anew.
                if isinstance(error, RobotAttention) and verdict(move, after) is Verdict.UNMOVED and not last:
                    continue
                raise self._explained(move, after, error) from error
            self._see_it_done(move, done)
            return

    def _see_it_done(self, move: Move, done: command.Completed) -> None:
        """Wait until the elements show a move that mtx says was done.

        Raises: ChangerError when they do not.
        """
        waited_s = 0.0
        while True:
            after = self.inventory()
            if verdict(move, after) is Verdict.DONE:
                _log.debug("volume_moved", library=self._name, volume=move.barcode, waited_s=waited_s)
                return
            if waited_s >= self._limits.settle_s:
                break
            waited_s += self._limits.poll_s
            self._clock.sleep(self._limits.poll_s)
        complaint = f" (mtx: {said(done.stderr)})" if done.stderr.strip() else ""
        raise ChangerError(
            f"the robot of library {self._name} says it moved {move}{complaint}, but {whereabouts(move, after)}; "
            "look at the library"
        )

    def _explained(self, move: Move, after: Inventory, error: DriverError) -> DriverError:
        """The error of a failed move: the same when nothing moved, else one that says where the volume is."""
        match verdict(move, after):
            case Verdict.UNMOVED:
                return error
            case Verdict.DONE:
                return ChangerError(f"{error}. That was reported, but {move.target} holds the volume: it was moved")
            case Verdict.ASTRAY:
                return ChangerError(f"{error}. Since then {whereabouts(move, after)}")

    def _look_after(self, error: DriverError) -> Inventory:
        try:
            return self.inventory()
        except DriverError as unknown:
            raise ChangerError(f"{error}. Where the volume is now could not be asked: {unknown}") from error

    def _mtx(self, subject: str, limit_s: float, *arguments: str) -> command.Completed:
        """What mtx said. Raises: DriverError as drivers/changer/failures tells them apart."""
        argv = ("mtx", "-f", str(self._device), *arguments)
        try:
            return command.run(argv, limit_s)
        except CommandFailed as error:
            raise error_of(subject, error) from error
