"""What can go wrong with a device, and what to do about it.

Every class answers two questions for its caller: is it worth trying again (`retry`), and what should be set aside
(`blame`). The mover reads both and nothing else; it never looks at messages.
"""

from collections.abc import Sequence
from enum import StrEnum


class Retry(StrEnum):
    """Whether the same request may succeed later."""

    NOW = "now"  # a transient hiccup: the very same call may be repeated at once
    LATER = "later"  # something has to change first: another drive, a person, time
    NEVER = "never"  # repeating cannot help


class Blame(StrEnum):
    """What a failure speaks against."""

    DRIVE = "drive"
    VOLUME = "volume"
    LIBRARY = "library"
    CALLER = "caller"
    UNKNOWN = "unknown"


class DriverError(Exception):
    """A device did not do what was asked."""

    retry = Retry.NEVER
    blame = Blame.UNKNOWN


class EndOfMedium(DriverError):
    """The volume is full; what was flushed before is safe."""

    retry = Retry.LATER
    blame = Blame.VOLUME


class EndOfData(DriverError):
    """There is nothing written at this position or behind it."""

    blame = Blame.CALLER


class WriteProtected(DriverError):
    """The volume refuses to be written."""

    blame = Blame.VOLUME


class MediumError(DriverError):
    """A place on the volume cannot be read or written; another drive may still be able to."""

    retry = Retry.LATER
    blame = Blame.VOLUME


class DeviceError(DriverError):
    """The drive failed; which of the unflushed writes reached the medium is unknown."""

    retry = Retry.LATER
    blame = Blame.DRIVE


class DeviceGone(DeviceError):
    """The device is no longer there: unplugged, switched off, or its connection was lost in the middle of its work."""


class UnitAttention(DriverError):
    """The drive was reset or its medium was changed: identity and position are unknown until asked again."""

    retry = Retry.LATER
    blame = Blame.DRIVE


class DriveNotReady(DriverError):
    """The drive holds no usable medium, or did not become ready within the time allowed."""

    retry = Retry.LATER
    blame = Blame.DRIVE


class DriveEmpty(DriveNotReady):
    """The drive holds no medium."""


class MediumUnsupported(DriverError):
    """The drive cannot read or write this generation or kind of medium."""

    blame = Blame.CALLER


class MediumNotBlank(DriverError):
    """The disc already holds data and will not be written over."""

    blame = Blame.VOLUME


class ChangerError(DriverError):
    """The robot did not move the volume; where it is now must be asked again."""

    retry = Retry.LATER
    blame = Blame.LIBRARY


class ChangerGone(ChangerError, DeviceGone):
    """The robot is no longer there: switched off, or its connection was lost."""


class RobotBusy(ChangerError):
    """The robot is occupied with something else, or not ready yet; the same request succeeds later."""


class BarcodeAmbiguous(ChangerError):
    """Several volumes of the library carry the same barcode: which of them is meant cannot be told."""

    retry = Retry.NEVER
    blame = Blame.VOLUME


class NeedsOperator(ChangerError):
    """There is no robot here: a person has to bring the volume or to take it out."""


class SourceEmpty(ChangerError):
    """The element to take a volume from holds none."""

    retry = Retry.NEVER
    blame = Blame.CALLER


class TargetFull(ChangerError):
    """The element to put a volume into is occupied."""

    retry = Retry.NEVER
    blame = Blame.CALLER


class NoSuchElement(ChangerError):
    """The library has no slot, mail slot or drive of that number."""

    retry = Retry.NEVER
    blame = Blame.CALLER


class LibraryBusy(DriverError):
    """Another process owns the library."""

    retry = Retry.LATER
    blame = Blame.LIBRARY


class CommandFailed(DriverError):
    """A tool ended with an error or ran out of time."""

    retry = Retry.LATER
    blame = Blame.UNKNOWN

    def __init__(
        self, message: str, argv: Sequence[str] = (), status: int | None = None, stdout: str = "", stderr: str = ""
    ) -> None:
        """Keep what was started and what it said; `status` is None when it did not end by itself."""
        super().__init__(message)
        self.argv = tuple(argv)
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


class CommandMissing(CommandFailed):
    """A tool is not installed."""

    retry = Retry.NEVER
    blame = Blame.CALLER


class CommandTimedOut(CommandFailed):
    """A tool did not end within its time limit and was killed."""


class EncryptionKeyMissing(DriverError):
    """The volume is encrypted with a key that this machine does not have, or its key cannot be set."""

    blame = Blame.CALLER


class ImageDamaged(DriverError):
    """A disc image does not hold what its own checksums say, or holds no checksums."""

    blame = Blame.VOLUME


class RecoveryImpossible(DriverError):
    """More is damaged or missing than the recovery data can bring back."""

    blame = Blame.VOLUME
