"""What a disc is good for, what a burn needs, and what a failed one says. Pure."""

import struct
from dataclasses import dataclass
from typing import Final

from drivers.base import DiscState, DiscStatus
from drivers.errors import DeviceError, DriverError, MediumError
from drivers.generations import Use, use
from drivers.optical.toc import Condition, Toc, senses

DESCRIPTOR_BYTES: Final = 32768  # where the volume descriptors of ISO 9660 begin; ECMA-119 6.2.1
SECTOR_BYTES: Final = 2048
_SLOWEST_BYTES_S: Final = {"DVD": 1_385_000, "BD": 4_500_000}  # 1x: nothing burns slower
_OVERHEAD_S: Final = 900.0  # spin up, lead-in, lead-out, closing
_SPEED_UNIT: Final = {"DVD": "d", "BD": "b"}  # xorrecord(1), speed=
_BURNT_TO_THE_END: Final = ("auto", "tao")
_MEDIUM_ERROR: Final = 3  # sense key


@dataclass(frozen=True)
class IsoVolume:
    """What the primary volume descriptor says."""

    volume_id: str
    size_bytes: int


@dataclass(frozen=True)
class Seen:
    """What reading a disc showed, beside what its drive says of it."""

    size_bytes: int  # recorded, as far as the kernel knows
    first_readable: bool  # sector 0
    descriptor: bytes | None  # sector 16; None when it cannot be read
    spoilt: bool = False  # a burn of ours failed on this disc since it was put in


def iso_volume(descriptor: bytes | None) -> IsoVolume | None:
    """The primary volume descriptor of ISO 9660, or None when this is none. Source: ECMA-119 8.4."""
    if descriptor is None or len(descriptor) < 84 or descriptor[:6] != b"\x01CD001":
        return None
    blocks = struct.unpack_from("<I", descriptor, 80)[0]
    return IsoVolume(descriptor[40:72].decode("ascii", "replace").strip(" \0"), blocks * SECTOR_BYTES)


def status(said: Toc, seen: Seen, *, rewritable: bool, at_most_bytes: int | None) -> DiscStatus:
    """The state of a disc.

    A disc is blank only when nothing contradicts it: the drive says so, it is of a kind that is written once (unless
    rewritable ones were allowed), no burn of ours failed on it, and its first sector cannot be read. A recorded disc is
    complete when its file system does not claim more than was recorded.
    """
    volume = iso_volume(seen.descriptor)
    if said.condition is Condition.ABSENT:
        return DiscStatus(DiscState.NONE)
    name = (volume.volume_id or None) if volume is not None else None
    unreadable = DiscStatus(DiscState.UNREADABLE, said.medium, volume_id=name)
    if seen.spoilt:
        return unreadable
    if said.condition is Condition.BLANK:
        if (said.rewritable and not rewritable) or (seen.first_readable and not said.rewritable):
            return unreadable
        capacity_bytes = min(said.free_bytes, at_most_bytes) if at_most_bytes else said.free_bytes
        return DiscStatus(DiscState.BLANK, said.medium, capacity_bytes)
    if said.condition is Condition.UNKNOWN or seen.descriptor is None:
        return unreadable
    size_bytes = seen.size_bytes or said.recorded_bytes
    if volume is not None and volume.size_bytes > size_bytes:
        return unreadable  # it was not recorded to its end
    return DiscStatus(DiscState.COMPLETE, said.medium, None, size_bytes, volume_id=name)


def is_writable(model: str, said: Toc, *, rewritable: bool) -> bool:
    """Whether a recorder may burn a medium of this kind at all."""
    if said.rewritable:
        return rewritable
    return said.medium is not None and use(model, said.medium) is Use.WRITE


@dataclass(frozen=True)
class Burn:
    """How an image is burnt."""

    speed: int | None = None  # times 1x of the medium; None: what drive and disc agree on
    stream_recording: bool = False
    rehearse: bool = False  # laser off


def burn_argv(address: str, image: str, medium: str, write_type: str, how: Burn) -> list[str]:
    """The command that writes an image and closes the disc; `write_type` is "auto" or "tao".

    Nothing is padded and -multi is not given, so the disc holds the image and is closed. Source: xorrecord(1).
    """
    argv = ["xorriso", "-no_rc", "-as", "cdrecord", "-v", f"dev={address}", "-nopad", "-data"]
    if write_type != "auto":
        argv.append(f"-{write_type}")
    if how.speed is not None:
        argv.append(f"speed={how.speed}{_SPEED_UNIT[_family(medium)]}")
    if how.stream_recording and _family(medium) == "BD":
        argv.append("stream_recording=on")
    if how.rehearse:
        argv.append("-dummy")
    return [*argv, image]


def write_types(known: str | None) -> tuple[str, ...]:
    """What to try, in order. A drive that refused the first one is not asked again."""
    return _BURNT_TO_THE_END if known is None else (known,)


def burn_limit_s(medium: str, size_bytes: int) -> float:
    """When a burn is taken to hang."""
    return _OVERHEAD_S + size_bytes / _SLOWEST_BYTES_S[_family(medium)]


def _family(medium: str) -> str:
    return "BD" if medium.startswith("BD") else "DVD"


def burn_failure(text: str) -> type[DriverError]:
    """What a failed burn speaks against: the disc when the drive called it a medium error, otherwise the drive."""
    return MediumError if any(sense.key == _MEDIUM_ERROR for sense in senses(text)) else DeviceError
