"""Errors of a simulated drive that its SCSI face tells apart and a caller of the roles need not."""

from drivers.errors import ChangerError, DeviceError, EndOfMedium, WriteProtected


class VolumeOverflow(EndOfMedium):
    """The hard end: there is no room for this block."""


class Overwrite(WriteProtected):
    """A WORM cartridge holds something at this block already."""


class DeferredError(DeviceError):
    """An earlier write had failed; what it was meant to write and everything behind it is gone."""


class PowerLost(DeviceError):
    """The drive lost power, and with it what was not flushed."""


class HeldByDrive(ChangerError):
    """A drive has not let go of the volume the robot was to take."""


class RobotStuck(ChangerError):
    """The robot could not do it; everything is where it was."""
