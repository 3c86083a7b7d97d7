"""The simulated library on the wire: its changer and tape drives as SCSI logical units."""

from collections.abc import Mapping

from drivers.scsi.unit import LogicalUnit
from drivers.simulator.changer import SimulatedChanger
from drivers.simulator.library import SimulatedLibrary
from drivers.simulator.scsi.changer import ChangerUnit
from drivers.simulator.scsi.tape import TapeUnit
from drivers.simulator.tape import SimulatedTapeDrive

__all__ = ["ChangerUnit", "TapeUnit", "units"]


def units(library: SimulatedLibrary) -> Mapping[int, LogicalUnit]:
    """The logical units of a library by number: 0 is the changer, 1 and on the tape drives in element order.

    Without a robot the drives begin at 0. Recorders have no SCSI face. The units work on the same drives and volumes as
    the roles of the library do; they are to be closed before it.
    """
    drives = {
        index: drive.mechanism
        for index, drive in sorted(library.tape_drives.items())
        if isinstance(drive, SimulatedTapeDrive)
    }
    robot = library.changer.robot if isinstance(library.changer, SimulatedChanger) else None
    first = 0 if robot is None else 1
    luns = range(first + len(drives))
    tapes = {index: TapeUnit(mechanism, luns) for index, mechanism in drives.items()}
    found: dict[int, LogicalUnit] = {} if robot is None else {0: ChangerUnit(robot, tapes, luns)}
    return found | dict(enumerate(tapes.values(), first))
