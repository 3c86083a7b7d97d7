"""What went wrong inside a drive or the robot, said in sense data."""

from drivers.errors import (
    DriveEmpty,
    DriveNotReady,
    DriverError,
    EndOfData,
    EndOfMedium,
    MediumError,
    NoSuchElement,
    RobotBusy,
    SourceEmpty,
    TargetFull,
    UnitAttention,
    WriteProtected,
)
from drivers.scsi import sense
from drivers.scsi.sense import Sense
from drivers.simulator.mishaps import (
    DeferredError,
    HeldByDrive,
    Overwrite,
    PowerLost,
    RobotStuck,
)

# The first that fits holds: what is more special comes first.
_SENSES: tuple[tuple[type[DriverError], Sense], ...] = (
    (DeferredError, Sense(sense.Key.MEDIUM_ERROR, (0x0C, 0x00), deferred=True)),
    (PowerLost, sense.POWER_LOST),
    (Overwrite, sense.WORM_OVERWRITE),
    (WriteProtected, sense.WRITE_PROTECTED),
    (EndOfMedium, sense.OVERFLOW),
    (EndOfData, sense.END_OF_DATA),
    (UnitAttention, sense.RESET),
    (DriveEmpty, sense.MEDIUM_NOT_PRESENT),
    (DriveNotReady, sense.BECOMING_READY),
    (SourceEmpty, sense.SOURCE_EMPTY),
    (TargetFull, sense.DESTINATION_FULL),
    (NoSuchElement, sense.NO_SUCH_ELEMENT),
    (HeldByDrive, sense.MANUAL_INTERVENTION),
    (RobotStuck, sense.MECHANICAL_ERROR),
    (RobotBusy, sense.IN_PROGRESS),
)
_MEDIUM_ERRORS = {
    "read": sense.READ_ERROR,
    "write": sense.WRITE_ERROR,
    "flush": sense.WRITE_ERROR,
    "mark": sense.WRITE_ERROR,
    "unload": sense.LOAD_OR_EJECT_FAILED,
}


def sense_of(error: DriverError, operation: str) -> Sense:
    """The sense data of an error in an operation of a drive or the robot."""
    if isinstance(error, MediumError):
        return _MEDIUM_ERRORS.get(operation, sense.LOCATE_ERROR)
    other = sense.LOAD_OR_EJECT_FAILED if operation == "unload" else sense.INTERNAL_FAILURE
    return next((said for kind, said in _SENSES if isinstance(error, kind)), other)
