"""The roles a device can play, and the facts it reports.

The core stores what a driver answers (addresses, serial numbers) and reads no meaning into it. Every method may raise a
DriverError; what each class means for a retry is in drivers/errors.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NewType, Protocol

from drivers.errors import BarcodeAmbiguous

Barcode = NewType("Barcode", str)
Address = NewType("Address", int)  # tape: logical block number counted by the drive from 0 at the beginning of tape

RECORD_BYTES = 256 * 1024  # every tape record but the last of a file; docs/FORMAT.md section 2


class MediumKind(StrEnum):
    """What a volume is made of."""

    TAPE = "tape"
    DISC = "disc"


class ElementKind(StrEnum):
    """The places a changer can move volumes between."""

    SLOT = "slot"
    MAIL_SLOT = "mail_slot"  # import and export: reachable by a person
    DRIVE = "drive"


@dataclass(frozen=True)
class Element:
    """One place in a library, as the changer reports it."""

    kind: ElementKind
    index: int  # slots and mail slots share one numbering from 1; drives count from 0 (as mtx does)
    full: bool = False
    barcode: Barcode | None = None  # None when empty or when the label could not be read
    origin: int | None = None  # for a full drive: the slot its volume came from, where known
    drive_serial: str | None = None


@dataclass(frozen=True)
class Inventory:
    """Everything a changer knows about its library at one moment."""

    library: str
    elements: tuple[Element, ...]

    def find(self, barcode: Barcode) -> Element | None:
        """The element that holds a volume, or None when it is not in this library.

        Raises: BarcodeAmbiguous when several volumes carry that barcode: none of them is picked.
        """
        found = [e for e in self.elements if e.full and e.barcode == barcode]
        if len(found) > 1:
            places = " and ".join(f"{e.kind.value.replace('_', ' ')} {e.index}" for e in found)
            raise BarcodeAmbiguous(
                f"{barcode} is on the volumes in {places} of library {self.library}; give one of them its own barcode"
            )
        return found[0] if found else None

    def doubled(self) -> frozenset[Barcode]:
        """The barcodes that more than one volume carries."""
        counts = Counter(e.barcode for e in self.elements if e.full and e.barcode is not None)
        return frozenset(barcode for barcode, count in counts.items() if count > 1)

    def drive(self, index: int) -> Element | None:
        """The drive element of that number."""
        return next((e for e in self.elements if e.kind is ElementKind.DRIVE and e.index == index), None)

    def drives(self) -> tuple[Element, ...]:
        """All drive elements, by number."""
        return tuple(e for e in self.elements if e.kind is ElementKind.DRIVE)

    def storage(self) -> tuple[Element, ...]:
        """All slots and mail slots, by number."""
        return tuple(e for e in self.elements if e.kind is not ElementKind.DRIVE)

    def empty_slot(self) -> int | None:
        """The number of an empty slot (never a mail slot), or None."""
        return next((e.index for e in self.elements if e.kind is ElementKind.SLOT and not e.full), None)


class Changer(Protocol):
    """A robot that moves volumes between slots and drives. One owner at a time."""

    @property
    def name(self) -> str: ...

    @property
    def by_hand(self) -> bool:
        """Whether a person is the robot: there are no slots, volumes come and go unasked, and who is in a drive is only
        known from the medium itself (an element is full and its barcode None). Moves then raise NeedsOperator."""
        ...

    def inventory(self) -> Inventory:
        """Ask what is where. Never answered from memory. Raises: ChangerError."""
        ...

    def load(self, slot: int, drive: int) -> None:
        """Move a volume from a slot into a drive. Returns when the robot is done; the drive may not be ready yet.

        Raises: SourceEmpty, TargetFull, NoSuchElement, ChangerError.
        """
        ...

    def unload(self, drive: int, slot: int) -> None:
        """Move a volume from a drive (which must have been told to unload first) into a slot.

        Raises: SourceEmpty, TargetFull, NoSuchElement, ChangerError.
        """
        ...

    def transfer(self, source: int, target: int) -> None:
        """Move a volume between two slots, mail slots included.

        Raises: SourceEmpty, TargetFull, NoSuchElement, ChangerError.
        """
        ...


@dataclass(frozen=True)
class DriveStatus:
    """What a tape drive says about itself and what it holds."""

    loaded: bool
    ready: bool
    write_protected: bool = False
    generation: str | None = None  # of the medium, for example "LTO-8"
    capacity_bytes: int | None = None  # native, of the medium
    alerts: tuple[str, ...] = field(default=())  # TapeAlert flags by name
    needs_cleaning: bool = False
    worm: bool = False  # of the medium: appended to, never written over
    key_name: str | None = None  # of the encryption key in force, None when the drive writes plainly


@dataclass(frozen=True)
class VolumeStatistics:
    """What a cartridge remembers of its life, as far as its drive tells; None where it does not.

    Source: SSC-4, log page 0x17; errors from log pages 0x02 and 0x03.
    """

    mounts: int | None = None
    written_bytes: int | None = None  # over its whole life
    read_bytes: int | None = None
    corrected_write_errors: int | None = None
    uncorrected_write_errors: int | None = None
    corrected_read_errors: int | None = None
    uncorrected_read_errors: int | None = None


class TapeDrive(Protocol):
    """A tape drive in variable-block mode, compression off. One owner at a time.

    Written bytes are safe only after flush(). After any error while writing, everything since the last successful
    flush is in doubt.
    """

    @property
    def name(self) -> str: ...

    @property
    def serial(self) -> str: ...

    @property
    def model(self) -> str:
        """What it can use, in the words of drivers/generations: "LTO-8", "BD"."""
        ...

    def status(self) -> DriveStatus:
        """Ask the drive. Works on an empty drive."""
        ...

    def statistics(self) -> VolumeStatistics:
        """What the loaded cartridge remembers; empty when the drive does not tell. Raises: DriveEmpty, DeviceError."""
        ...

    def wait_ready(self, limit_s: float) -> None:
        """Wait until a loaded medium can be used. Raises: DriveEmpty, DriveNotReady, MediumUnsupported."""
        ...

    def rewind(self) -> None:
        """Go to block 0. The only way to a known position after a volume was loaded."""
        ...

    def tell(self) -> Address:
        """The logical block number of the next record or mark. Asked, never assumed.

        Raises: UnitAttention while the position is unknown: after a load, until the first rewind.
        """
        ...

    def seek(self, address: Address) -> None:
        """Go to a logical block; the one behind the last is allowed, for appending.

        Raises: EndOfData when nothing was written there (the position is then the end of data), UnitAttention.
        """
        ...

    def append(self, stream: BinaryIO) -> Address:
        """Write one tape file at the present position and say where it begins.

        The stream is read once, to its end, in records of RECORD_BYTES; the last record may be shorter. An immediate
        filemark follows. Whatever lay behind this position is gone. EndOfMedium comes once when the end is near; what a
        later append to the same mount writes may then use the reserve, until EndOfMedium comes again for good.

        Returns: the address of the first record.
        Raises: EndOfMedium (what was flushed stays valid), WriteProtected, DeviceError, MediumError, UnitAttention.
        Source: st(4) MTWEOFI.
        """
        ...

    def flush(self) -> None:
        """Return only when everything written is on the medium (a synchronous MTWEOF with count 0).

        Raises: DeviceError or MediumError for this or any earlier write of the batch (a deferred error), EndOfMedium.
        """
        ...

    def read(self) -> Iterator[bytes]:
        """The records from the present position to the next filemark, one at a time; the mark is passed.

        Abandoning the iterator is allowed; the position is then undefined until the next seek or rewind.

        Raises: EndOfData, MediumError, DeviceError, UnitAttention.
        """
        ...

    def unload(self) -> None:
        """Rewind and release the medium so that a robot or a hand may take it. Nothing to do when it was released.

        Raises: DriveEmpty, DeviceError (also for an earlier write that was never flushed).
        """
        ...


class DiscState(StrEnum):
    """What a recorder sees in its tray."""

    NONE = "none"
    BLANK = "blank"
    COMPLETE = "complete"  # closed: can be read, not written
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class DiscStatus:
    """The disc in a recorder."""

    state: DiscState
    medium: str | None = None  # for example "DVD+R", "BD-R"
    capacity_bytes: int | None = None
    size_bytes: int | None = None  # of what is recorded
    volume_id: str | None = None  # as its file system says, where the recorder looked; nobody's proof of identity


class Recorder(Protocol):
    """An optical recorder. Discs are written once, in one closed session. One owner at a time."""

    @property
    def name(self) -> str: ...

    @property
    def serial(self) -> str: ...

    @property
    def model(self) -> str:
        """What it can use, in the words of drivers/generations: "LTO-8", "BD"."""
        ...

    def wait_ready(self, limit_s: float) -> None:
        """Wait until the disc was spun up and recognised. Raises: DriveEmpty, DriveNotReady, MediumUnsupported."""
        ...

    def status(self) -> DiscStatus:
        """Ask the recorder. Works on an empty one."""
        ...

    def burn(self, image: Path) -> None:
        """Write a whole ISO 9660 image and close the disc. Returns when it is on the medium.

        A burn that fails or is interrupted leaves a disc that is UNREADABLE and of no further use. What is recorded
        may be a little longer than the image: discs are written in whole blocks of up to 64 KiB, filled up with zeros.

        Raises: MediumNotBlank, EndOfMedium (image larger than the disc; nothing written), DeviceError, MediumError.
        """
        ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Bytes of the recorded image. Shorter only at the end of what is recorded.

        Raises: MediumError, DriveEmpty, EndOfData (nothing recorded), UnitAttention (the disc was changed).
        """
        ...

    def unload(self) -> None:
        """Release the disc so that a robot or a hand may take it. Nothing to do when it was released."""
        ...
