"""A simulated library in three lines.

clock = virtual_clock()
library = make_library(tmp_path, clock, tapes=("A00001L8", "A00002L8"), drives=2)
library.changer.load(1, 0)
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from drivers.base import Barcode
from drivers.clock import Clock, VirtualClock
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec

MEGABYTE = 1_000_000


def virtual_clock() -> VirtualClock:
    """A clock on which all device time passes at once."""
    return VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))


def make_library(
    root: Path,
    clock: Clock,
    tapes: Sequence[str] = (),
    discs: Sequence[str] = (),
    drives: int | None = None,
    recorders: int | None = None,
    *,
    name: str = "test",
    slots: int | None = None,
    mail_slots: int = 1,
    shelf: Sequence[str] = (),
    tape_bytes: int = 40 * MEGABYTE,
    disc_bytes: int = 20 * MEGABYTE,
) -> SimulatedLibrary:
    """Make and open a library in root/name: volumes in slots 1, 2, ... (tapes first), tape drives before recorders.

    Without `drives` there are two tape drives when there are tapes, without `recorders` one when there are discs.
    Barcodes on the shelf beginning with D are discs, barcodes beginning with CLN are cleaning cartridges. Opening the
    same place again gives the same library.
    """
    drives = (2 if tapes else 0) if drives is None else drives
    recorders = (1 if discs else 0) if recorders is None else recorders
    volumes = [_tape(barcode, tape_bytes) for barcode in tapes]
    volumes += [VolumeSpec(Barcode(barcode), "DVD+R", disc_bytes) for barcode in discs]
    volumes += [
        VolumeSpec(Barcode(barcode), "DVD+R", disc_bytes, shelf=True)
        if barcode.startswith("D")
        else _tape(barcode, tape_bytes, shelf=True)
        for barcode in shelf
    ]
    spec = LibrarySpec(
        name=name,
        drives=(
            *(DriveSpec("LTO-8", f"{name}-T{number}") for number in range(drives)),
            *(DriveSpec("DVD", f"{name}-R{number}") for number in range(recorders)),
        ),
        slots=len(tapes) + len(discs) + 2 if slots is None else slots,
        mail_slots=mail_slots,
        volumes=tuple(volumes),
    )
    SimulatedLibrary.create(root / name, spec)
    return SimulatedLibrary(root / name, clock)


def _tape(barcode: str, capacity_bytes: int, shelf: bool = False) -> VolumeSpec:
    if barcode.startswith("CLN"):
        return VolumeSpec(Barcode(barcode), "CLN", shelf=shelf)
    return VolumeSpec(Barcode(barcode), "LTO-8", capacity_bytes, shelf)
