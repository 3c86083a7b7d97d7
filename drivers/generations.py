"""Which drive can use which medium."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.base import MediumKind


class Use(StrEnum):
    """What a drive can do with a medium."""

    WRITE = "write"  # and read
    READ = "read"
    NONE = "none"


@dataclass(frozen=True)
class Medium:
    """A kind of medium one can buy."""

    name: str
    kind: MediumKind
    capacity_bytes: int  # native


CLEANING = "CLN"  # a cleaning cartridge: a tape by shape, a volume by nothing else

MEDIA = {
    medium.name: medium
    for medium in (
        Medium("LTO-5", MediumKind.TAPE, 1_500_000_000_000),
        Medium("LTO-6", MediumKind.TAPE, 2_500_000_000_000),
        Medium("LTO-7", MediumKind.TAPE, 6_000_000_000_000),
        Medium("LTO-M8", MediumKind.TAPE, 9_000_000_000_000),
        Medium("LTO-8", MediumKind.TAPE, 12_000_000_000_000),
        Medium("LTO-9", MediumKind.TAPE, 18_000_000_000_000),
        Medium(CLEANING, MediumKind.TAPE, 0),
        Medium("DVD+R", MediumKind.DISC, 4_700_372_992),
        Medium("DVD+R DL", MediumKind.DISC, 8_543_666_176),
        Medium("BD-R", MediumKind.DISC, 25_025_314_816),
        Medium("BD-R XL", MediumKind.DISC, 100_103_356_416),
    )
}

# LTO-8 and later read and write one generation back; LTO-7 reads two back and writes one.
_WRITES = {
    "LTO-7": ("LTO-7", "LTO-6"),
    "LTO-8": ("LTO-8", "LTO-M8", "LTO-7"),
    "LTO-9": ("LTO-9", "LTO-8"),
    "DVD": ("DVD+R", "DVD+R DL"),
    "BD": ("BD-R", "BD-R XL", "DVD+R", "DVD+R DL"),
}
_READS = {"LTO-7": ("LTO-5",)}


def use(drive_model: str, medium: str) -> Use:
    """What a drive of one model ("LTO-8", "BD") can do with a medium ("LTO-7", "BD-R"); NONE for what is unknown."""
    if medium in _WRITES.get(drive_model, ()):
        return Use.WRITE
    if medium in _READS.get(drive_model, ()):
        return Use.READ
    return Use.NONE
