"""A medium changer on the wire. Source: SMC-3; the addresses are in elements.py."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from drivers.errors import DriverError
from drivers.scsi import sense
from drivers.scsi.cdb import CHANGER
from drivers.scsi.sense import CheckCondition
from drivers.scsi.unit import Outcome
from drivers.simulator.changer import hidden_volumes
from drivers.simulator.faultlines import Action
from drivers.simulator.faults import Scope
from drivers.simulator.robot import Robot, Spot
from drivers.simulator.scsi import elements, modes
from drivers.simulator.scsi.elements import Addresses, Request
from drivers.simulator.scsi.identity import changer_identity, padded
from drivers.simulator.scsi.logs import LogPage, tape_alert
from drivers.simulator.scsi.modes import ModePage
from drivers.simulator.scsi.patience import pass_time
from drivers.simulator.scsi.tape import TapeUnit
from drivers.simulator.scsi.trouble import sense_of
from drivers.simulator.scsi.unit import Call, ScsiUnit
from drivers.simulator.state import Places
from drivers.timing import ROBOT

_ASSIGNMENT, _GEOMETRY, _CAPABILITIES = 0x1D, 0x1E, 0x1F
# Volumes are kept by drives, mail slots and slots; any of them can be moved or exchanged with any; tags are read.
_CAN = bytes.fromhex("0e03000e0e0e00000000000e0e0e00000000")


class ChangerUnit(ScsiUnit):
    """The robot of a simulated library."""

    def __init__(self, robot: Robot, drives: Mapping[int, TapeUnit], luns: Sequence[int]) -> None:
        """`drives`: the tape drives by drive element number."""
        places = robot.places.read()
        pages = (
            ModePage(_ASSIGNMENT, Addresses.of(places).assignment()),
            ModePage(_GEOMETRY, bytes(2)),
            ModePage(_CAPABILITIES, _CAN),
        )
        super().__init__(changer_identity("SIM-CHANGER", robot.library), CHANGER, pages, luns)
        self._robot = robot
        self._drives = drives
        self._mail = dict(elements.storage_of(places))

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        self._robot.spend = partial(pass_time, self._robot.clock, aborted=aborted)
        try:
            return super().execute(nexus, cdb, data_out, aborted)
        finally:
            self._robot.spend = self._robot.clock.sleep

    def close(self) -> None:
        """The robot keeps no files open."""

    def _notice(self) -> None:
        mail = dict(elements.storage_of(self._robot.places.read()))
        if mail != self._mail:
            self._mail = mail
            self.attend(sense.MAIL_SLOT_ACCESSED)

    @contextmanager
    def _moving(self) -> Iterator[None]:
        try:
            yield
        except DriverError as error:
            raise CheckCondition(sense_of(error, "move")) from error
        finally:
            self._mail = dict(elements.storage_of(self._robot.places.read()))  # our own doing is no news

    def _spot(self, call: Call, field: str) -> Spot:
        spot = Addresses.of(self._robot.places.read()).spot(call.command[field])
        if spot is None:
            raise CheckCondition(sense.NO_SUCH_ELEMENT)
        return spot

    def _source(self, call: Call, field: str) -> Spot:
        """A place to take a volume from, unless a drive is told to keep it."""
        spot = self._spot(call, field)
        drive = self._drives.get(spot[1]) if spot[0].value == "drive" else None
        if drive is not None and drive.removal_prevented:
            raise CheckCondition(sense.REMOVAL_PREVENTED)
        return spot

    def _check_hand(self, call: Call, *inversions: str) -> None:
        if call.command["transport"] not in (0, elements.HAND):
            raise CheckCondition(sense.NO_SUCH_ELEMENT)
        for field in inversions:
            if call.command[field]:
                raise call.command.refuse(field)

    # Commands

    def _initialize_elements(self, call: Call) -> bytes:
        with self._moving():
            self._robot.check_idle()
        return b""

    def _initialize_range(self, call: Call) -> bytes:
        if call.command["range"]:
            self._spot(call, "start")
        return self._initialize_elements(call)

    def _position_to_element(self, call: Call) -> bytes:
        self._check_hand(call, "invert")
        self._spot(call, "destination")
        with self._moving():
            self._robot.check_idle()
            self._robot.spend(ROBOT.move_s / 2)
        return b""

    def _move_medium(self, call: Call) -> bytes:
        self._check_hand(call, "invert")
        source, target = self._spot(call, "source"), self._spot(call, "destination")
        with self._moving():
            if self._robot.places.read().at(*source) is not None:
                self._source(call, "source")
                if source == target:
                    return b""
            self._robot.move(source, target)
        return b""

    def _exchange_medium(self, call: Call) -> bytes:
        self._check_hand(call, "invert_first", "invert_second")
        source, first = self._source(call, "source"), self._source(call, "first_destination")
        second = self._spot(call, "second_destination")
        with self._moving():
            self._robot.exchange(source, first, second)
        return b""

    def _read_element_status(self, call: Call) -> bytes:
        command = call.command
        if command["kind"] > elements.DRIVE_TYPE:
            raise command.refuse("kind")
        with self._moving():
            self._robot.check_idle()
        if self._robot.faults.fire(Action.BLIND, Scope()):
            raise CheckCondition(sense.INTERNAL_FAILURE)
        places = self._robot.places.read()
        request = Request(
            command["kind"], command["start"], command["number"], bool(command["tags"]), bool(command["identify"])
        )
        hidden = hidden_volumes(self._robot.faults, places)
        return call.cut(
            elements.element_status(
                request, places, hidden, partial(_accessible, places), partial(self._drive_name, places)
            )
        )

    def _drive_name(self, places: Places, index: int) -> bytes:
        """The identifier of a drive: that of its vital product data, for a recorder one made in the same way."""
        drive = self._drives.get(index)
        if drive is not None:
            return drive.identity.t10()
        return padded("FIRN", 8) + padded("SIM-RECORDER", 16) + places.drives[index].encode("ascii", "replace")

    # Mode and log pages

    def _mode_head(self, control: int) -> tuple[int, int, bytes]:
        return 0, 0, b""

    def _mode_overrides(self) -> Mapping[int, bytes]:
        return {}

    def _mode_check(self, head: modes.Selected) -> Callable[[], None]:
        if head.descriptor:
            raise modes.bad_parameter(head.descriptor_at)
        if head.specific:
            raise modes.bad_parameter(head.specific_at)
        return lambda: None

    def _log_pages(self) -> Mapping[int, LogPage]:
        return {0x2E: LogPage(lambda: tape_alert(()))}


def _accessible(places: Places, drive: int) -> bool:
    inside = places.in_drive(drive)
    return inside is None or inside.released
