"""What medium lies in a drive, as far as the medium itself tells: for drives that a person feeds."""

import io
from dataclasses import dataclass
from enum import StrEnum

from drivers.base import Barcode, DiscState, Recorder, TapeDrive
from drivers.errors import (
    DeviceError,
    DriveEmpty,
    DriveNotReady,
    DriverError,
    EndOfData,
    MediumError,
    MediumUnsupported,
    UnitAttention,
)
from hsm.format.disc_reader import DiscReader
from hsm.format.errors import DiscDamaged, FormatError, NotALabel
from hsm.format.label import VolumeLabel
from hsm.format.label import decode as decode_label
from hsm.library.disc import RecordedBytes

LOOK_LIMIT_S = 60.0  # a medium that takes longer to be ready is looked at again later
_PVD_OFFSET, _SECTOR_BYTES = 16 * 2048, 2048


class SeenKind(StrEnum):
    """What a medium is."""

    LABELLED = "labelled"  # it has a label of ours
    BLANK = "blank"
    FOREIGN = "foreign"  # it holds something else
    UNREADABLE = "unreadable"  # or of no use in this drive
    NOT_READY = "not_ready"  # it cannot be said yet


@dataclass(frozen=True)
class Seen:
    """The medium in a drive."""

    kind: SeenKind
    what: str  # in words, as in "this is ..."
    barcode: Barcode | None = None  # both from its label
    uuid: str | None = None
    name: str = ""  # of a disc without a readable label: its volume identifier, nobody's proof


def look_at_tape(drive: TapeDrive, limit_s: float = LOOK_LIMIT_S) -> Seen | None:
    """Read the label of whatever is in a tape drive; None when there is nothing. The position is undefined after."""
    try:
        drive.wait_ready(limit_s)
        return _tape(drive)
    except DriveEmpty:
        return None
    except (DriveNotReady, DeviceError, UnitAttention) as error:
        return Seen(SeenKind.NOT_READY, str(error))
    except (MediumError, MediumUnsupported) as error:
        return Seen(SeenKind.UNREADABLE, f"a tape that cannot be used here ({error})")


def _tape(drive: TapeDrive) -> Seen:
    try:
        first = _first_record(drive)
    except UnitAttention:  # told once, of the arrival of this very tape
        first = _first_record(drive)
    if first is None:
        return Seen(SeenKind.BLANK, "a blank tape")
    try:
        return _labelled(decode_label(first))
    except NotALabel:
        return Seen(SeenKind.FOREIGN, "a tape with data that are not ours")
    except FormatError as error:
        return Seen(SeenKind.UNREADABLE, f"a tape whose label is damaged ({error})")


def _first_record(drive: TapeDrive) -> bytes | None:
    drive.rewind()
    try:
        return next(drive.read(), b"")
    except EndOfData:
        return None


def look_at_disc(recorder: Recorder, limit_s: float = LOOK_LIMIT_S) -> Seen | None:
    """Read the label of whatever is in a recorder; None when there is nothing."""
    try:
        try:
            return _any_disc(recorder, limit_s)
        except UnitAttention:  # told once, of the arrival of this very disc
            return _any_disc(recorder, limit_s)
    except DriveEmpty:
        return None
    except (DriveNotReady, DeviceError, UnitAttention) as error:
        return Seen(SeenKind.NOT_READY, str(error))
    except DriverError as error:
        return Seen(SeenKind.UNREADABLE, f"a disc that cannot be used here ({error})")


def _any_disc(recorder: Recorder, limit_s: float) -> Seen | None:
    recorder.wait_ready(limit_s)
    status = recorder.status()
    state = status.state
    if state is DiscState.NONE:
        return None
    if state is DiscState.BLANK:
        return Seen(SeenKind.BLANK, "a blank disc")
    if state is DiscState.UNREADABLE:
        name = status.volume_id or ""
        what = f"a disc named {name} that cannot be read to its end" if name else "a disc that cannot be read"
        return Seen(SeenKind.UNREADABLE, what, name=name)
    return _disc(recorder)


def _disc(recorder: Recorder) -> Seen:
    try:
        # Not read ahead: a bad place behind the label does not keep a disc from being known.
        stream = io.BufferedReader(RecordedBytes(recorder, recorder.status().size_bytes or 0), _SECTOR_BYTES)
        return _labelled(DiscReader(stream).label())
    except (NotALabel, DiscDamaged):
        name = volume_id(recorder)
        return Seen(
            SeenKind.FOREIGN, f"a foreign disc ({name})" if name else "a foreign disc without a name", name=name
        )
    except FormatError as error:
        return Seen(
            SeenKind.UNREADABLE, f"a disc of ours whose label cannot be read ({error})", name=volume_id(recorder)
        )


def volume_id(recorder: Recorder) -> str:
    """The volume identifier of the ISO 9660 file system on a disc, "" when there is none.

    Source: ECMA-119 section 8.4.7.
    """
    sector = recorder.read(_PVD_OFFSET, _SECTOR_BYTES)
    if sector[1:6] != b"CD001":
        return ""
    return "".join(c for c in sector[40:72].decode("latin-1") if c.isprintable()).strip()


def _labelled(label: VolumeLabel) -> Seen:
    return Seen(SeenKind.LABELLED, label.barcode, Barcode(label.barcode), label.uuid)
