"""What a simulated library is made of."""

from collections import Counter
from dataclasses import dataclass, field

from drivers.base import RECORD_BYTES, Barcode, MediumKind
from drivers.generations import CLEANING, MEDIA
from drivers.timing import DISC_MODELS, DRIVE_MODELS

_SMALLEST_TAPE_BYTES = 8 * RECORD_BYTES


@dataclass(frozen=True)
class DriveSpec:
    """One drive element: a tape drive for an LTO model, a recorder for a disc model."""

    model: str  # "LTO-7", "LTO-8", "LTO-9", "DVD", "BD"
    serial: str

    @property
    def kind(self) -> MediumKind:
        """What the drive takes."""
        return MediumKind.TAPE if self.model in DRIVE_MODELS else MediumKind.DISC


@dataclass(frozen=True)
class VolumeSpec:
    """One cartridge or disc. Volumes go into the slots in the order they are named; shelf=True: it lies outside."""

    barcode: Barcode
    medium: str = "LTO-8"  # a name of drivers.generations.MEDIA
    capacity_bytes: int | None = None  # None: the native one; a demo states less
    shelf: bool = False
    worm: bool = False  # a tape that is appended to and never written over

    @property
    def size_bytes(self) -> int:
        """The capacity that holds for this volume."""
        return MEDIA[self.medium].capacity_bytes if self.capacity_bytes is None else self.capacity_bytes


@dataclass(frozen=True)
class LibrarySpec:
    """One robot with its slots, drives and volumes. Mail slots are numbered behind the slots.

    `by_hand`: drives that a person feeds; there is neither robot nor slot, and every volume lies on the shelf.
    """

    name: str
    drives: tuple[DriveSpec, ...]
    slots: int
    mail_slots: int = 1
    volumes: tuple[VolumeSpec, ...] = field(default=())
    by_hand: bool = False

    def check(self) -> None:
        """Raises: ValueError naming everything that is wrong."""
        if faults := list(self._faults()):
            raise ValueError(f"library {self.name!r} cannot be built: " + "; ".join(faults))

    def _faults(self) -> list[str]:
        faults = []
        if not self.drives:
            faults.append("it has no drive")
        faults += [
            f"drive model {drive.model!r} is unknown (known: {', '.join([*DRIVE_MODELS, *DISC_MODELS])})"
            for drive in self.drives
            if drive.model not in DRIVE_MODELS and drive.model not in DISC_MODELS
        ]
        inside = 0 if self.by_hand else sum(not volume.shelf for volume in self.volumes)
        if self.by_hand and self.slots + self.mail_slots:
            faults.append("it is fed by hand and has no slots: give 0 slots and 0 mail slots")
        if inside > self.slots:
            faults.append(f"{inside} volumes do not fit into {self.slots} slots")
        for what, names in (
            ("serial number", [drive.serial for drive in self.drives]),
            ("barcode", [volume.barcode for volume in self.volumes]),
        ):
            faults += [f"{what} {name} is used twice" for name, count in Counter(names).items() if count > 1]
        for volume in self.volumes:
            if volume.medium not in MEDIA:
                faults.append(f"medium {volume.medium!r} of {volume.barcode} is unknown (known: {', '.join(MEDIA)})")
            elif (
                MEDIA[volume.medium].kind is MediumKind.TAPE
                and volume.medium != CLEANING
                and volume.size_bytes < _SMALLEST_TAPE_BYTES
            ):
                faults.append(f"{volume.barcode} needs a capacity of {_SMALLEST_TAPE_BYTES} bytes or more")
        return faults


def demo_specs(tape_bytes: int = 400_000_000) -> tuple[LibrarySpec, ...]:
    """The two libraries of a demo: "tape" with small LTO-8 cartridges, "disc" with blank DVDs."""
    tapes = [VolumeSpec(Barcode(f"{pool}0000{n}L8"), "LTO-8", tape_bytes) for pool in "AB" for n in range(1, 5)]
    discs = [VolumeSpec(Barcode(f"D0000{n}"), "DVD+R") for n in range(1, 7)]
    return (
        LibrarySpec(
            name="tape",
            drives=(DriveSpec("LTO-8", "SIMTAPE01"), DriveSpec("LTO-8", "SIMTAPE02")),
            slots=12,
            mail_slots=2,
            volumes=(*tapes, VolumeSpec(Barcode("CLN001L8"), CLEANING)),
        ),
        LibrarySpec(
            name="disc",
            drives=(DriveSpec("DVD", "SIMDISC01"), DriveSpec("DVD", "SIMDISC02")),
            slots=8,
            mail_slots=1,
            volumes=tuple(discs),
        ),
    )
