"""What a drive reports, put together from what st and the log pages told. Pure."""

from collections.abc import Iterable

from drivers import sg_logs, tape_alerts
from drivers.base import DriveStatus, VolumeStatistics
from drivers.generations import MEDIA, Use, use
from drivers.sg import Sense
from drivers.sg_logs import CapacityFacts, ErrorCounts, VolumeFacts
from drivers.tape.density import generation
from drivers.tape.mtio import MtStatus

_CLEANING = ("cleaning cartridge installed", "cleaning in progress")
_UNUSABLE = (
    "incompatible medium",
    "cannot read medium",
    "cannot write medium",
    "unknown format",
    "incompatible format",
)


def is_cleaning(sense: Sense) -> bool:
    """Whether a drive that is not ready is cleaning itself with a cartridge."""
    return sense.says(*_CLEANING)


def is_unusable(sense: Sense) -> bool:
    """Whether a drive that is not ready will never be with this medium."""
    return sense.says(*_UNUSABLE)


def can(model: str, medium: str | None) -> Use:
    """What a drive can do with a medium; one whose generation is not told is tried."""
    return Use.WRITE if medium is None else use(model, medium)


def drive_status(
    model: str,
    seen: MtStatus,
    volume: VolumeFacts,
    capacity: CapacityFacts,
    alerts: Iterable[int],
    key_name: str | None,
) -> DriveStatus:
    """The status of a drive.

    The capacity is the one the cartridge tells: both pages round it down, so the larger number is nearer. Without them
    it is the one its generation has when new.
    """
    flags = frozenset(alerts)
    cleaning = bool(flags & tape_alerts.CLEANING_WANTED) or seen.wants_cleaning
    names = tape_alerts.names(flags)
    if not seen.online:
        return DriveStatus(not seen.empty, False, alerts=names, needs_cleaning=cleaning)
    medium = generation(seen.density)
    new = MEDIA[medium].capacity_bytes if medium is not None and medium in MEDIA else None
    usable = can(model, medium)
    return DriveStatus(
        loaded=True,
        ready=usable is not Use.NONE,
        write_protected=seen.write_protected or bool(volume.write_protected) or usable is not Use.WRITE,
        generation=medium,
        capacity_bytes=max(volume.capacity_bytes or 0, capacity.maximum_bytes or 0) or new,
        alerts=names,
        needs_cleaning=cleaning,
        worm=bool(volume.worm),
        key_name=key_name,
    )


def statistics(volume: VolumeFacts, written: ErrorCounts, read: ErrorCounts) -> VolumeStatistics:
    """What a cartridge remembers, and what its drive had to correct."""
    return VolumeStatistics(
        mounts=volume.mounts,
        written_bytes=volume.written_bytes,
        read_bytes=volume.read_bytes,
        corrected_write_errors=written.corrected,
        uncorrected_write_errors=written.uncorrected,
        corrected_read_errors=read.corrected,
        uncorrected_read_errors=read.uncorrected,
    )


def volume_facts(text: str | None) -> VolumeFacts:
    """Page 0x17, or nothing."""
    return VolumeFacts() if text is None else sg_logs.volume(text)
