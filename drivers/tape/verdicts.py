"""What an error number of st means. Pure: what was seen goes in, the class of the error comes out.

st answers almost everything that goes wrong with EIO, and tells the sense data to nobody. So after an EIO the drive is
asked: where it stands, which cartridge it holds, and, after a read, what a repeated read says. Only what is proved to
be the same cartridge at the same place may go on; the rest is a unit attention: nothing is believed until a rewind.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.errors import (
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriverError,
    EncryptionKeyMissing,
    EndOfData,
    EndOfMedium,
    MediumError,
    UnitAttention,
    WriteProtected,
)
from drivers.sg import Sense
from drivers.tape_alerts import OF_THE_VOLUME

_PLAIN: dict[int, type[DriverError]] = {
    errno.ENOMEDIUM: DriveEmpty,
    errno.ENODEV: DeviceGone,
    errno.ENXIO: DeviceGone,
    errno.ENOENT: DeviceGone,
    errno.EBADF: DeviceGone,
    errno.EROFS: WriteProtected,
    errno.ENOSPC: EndOfMedium,
}
RUNNING = ("running", "created", "blocked", "quiesce")  # states of a device that may still answer


def plain(number: int) -> type[DriverError] | None:
    """The error that needs no second look; None for those that could be anything."""
    return _PLAIN.get(number)


def opening(number: int, path: object) -> DriverError:
    """The error of an open that failed."""
    kind = plain(number)
    if kind is not None:
        return kind(f"{path} cannot be opened ({errno.errorcode[number]}); look at the drive and its connection")
    if number == errno.EBUSY:
        return DeviceError(f"{path} is used by another program; end that program, a drive has one owner")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(f"{path} may not be opened by this user; put the user into the group tape")
    return DeviceError(f"{path} cannot be opened ({errno.errorcode.get(number, number)}); look at the drive")


@dataclass(frozen=True)
class Evidence:
    """What was found out after a call had failed."""

    number: int  # errno
    expected: int  # the block at which the operation was
    state: str | None = "running"  # of the device, in sysfs
    position: int | None = None  # what the drive says; None when it does not answer
    volume: str | None = None  # serial number of the cartridge before; None when it was not told
    volume_now: str | None = None
    sense: Sense | None = None  # of a repeated read
    end_of_data: int | None = None
    alerts: frozenset[int] = field(default=frozenset())

    @property
    def gone(self) -> bool:
        """Whether the kernel has given the device up."""
        return self.state not in RUNNING

    @property
    def moved(self) -> bool:
        """Whether this may be another cartridge, or another place than before."""
        if self.volume is not None and self.volume_now != self.volume:
            return True
        return self.position is None or self.position not in (self.expected, self.expected + 1)


def common(evidence: Evidence) -> type[DriverError] | None:
    """What holds for every operation: gone, no medium, or no answer."""
    if evidence.gone:
        return DeviceGone
    return plain(evidence.number)


def reading(evidence: Evidence) -> type[DriverError]:
    """Why a record could not be read."""
    if (known := common(evidence)) is not None:
        return known
    if evidence.number == errno.ENOMEM:  # a record above the buffer: not one of ours
        return MediumError
    if evidence.moved or evidence.sense is None or evidence.sense.good:
        return UnitAttention  # it can be read now: what the first error was, nobody knows
    key = evidence.sense.key
    if "blank check" in key:
        return EndOfData
    if "medium error" in key:
        return MediumError
    if "unit attention" in key or "not ready" in key:
        return UnitAttention
    if "data protect" in key:
        return EncryptionKeyMissing
    return DeviceError


def seeking(evidence: Evidence) -> type[DriverError]:
    """Why a block could not be reached; it is the expected one. The end of data is proved by going there."""
    if (known := common(evidence)) is not None:
        return known
    same = evidence.volume is None or evidence.volume_now == evidence.volume
    at_end = evidence.position is not None and evidence.position == evidence.end_of_data
    if same and at_end and evidence.position is not None and evidence.position < evidence.expected:
        return EndOfData
    return UnitAttention if not same or evidence.position == 0 else DeviceError


def writing(evidence: Evidence) -> type[DriverError]:
    """Why a record, a mark or a flush failed. Whatever it is, nothing more is written until a rewind."""
    if evidence.number == errno.EACCES:
        return WriteProtected
    if (known := common(evidence)) is not None:
        return known
    other = evidence.volume is not None and evidence.volume_now != evidence.volume
    if other or (evidence.position == 0 and evidence.expected > 1):
        return UnitAttention
    if evidence.alerts & OF_THE_VOLUME:
        return MediumError
    return DeviceError


Verdict = Callable[[Evidence], type[DriverError]]  # reading, seeking or writing

ADVICE: dict[type[DriverError], str] = {
    DeviceGone: "the device is gone; look at its power and cable",
    DriveEmpty: "the drive holds no medium",
    EndOfData: "nothing is written there",
    EndOfMedium: "the volume is full; go on with another",
    MediumError: "the medium cannot be used there; try another drive",
    UnitAttention: "the drive was reset or its medium was changed; rewind and read the label again",
    WriteProtected: "the volume refuses to be written; use another",
    EncryptionKeyMissing: "the data are encrypted with a key the drive does not have",
    DeviceError: "the drive failed; trust nothing since the last flush, try another drive",
}
