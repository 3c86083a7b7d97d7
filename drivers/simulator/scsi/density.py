"""Densities and medium types of LTO generations. Source: SSC-4 annex (assigned density codes), SSC-4 section 7.6."""

from dataclasses import dataclass

from drivers.generations import MEDIA, Use, use
from drivers.simulator.scsi.identity import padded


@dataclass(frozen=True)
class Density:
    """How a generation of tape is written."""

    code: int
    name: str
    text: str
    bits_per_mm: int
    tracks: int
    medium_type: int  # of an ordinary cartridge; a WORM cartridge of the generation has 4 more
    length_m: int


DENSITIES = {
    "LTO-5": Density(0x58, "U-516", "Ultrium 5/16T", 15142, 1280, 0x58, 846),
    "LTO-6": Density(0x5A, "U-616", "Ultrium 6/16T", 15142, 2176, 0x68, 846),
    "LTO-7": Density(0x5C, "U-732", "Ultrium 7/32T", 19107, 3584, 0x78, 960),
    "LTO-M8": Density(0x5D, "U-M832", "Ultrium M8/32T", 19107, 5376, 0x88, 960),
    "LTO-8": Density(0x5E, "U-832", "Ultrium 8/32T", 20668, 6656, 0x88, 960),
    "LTO-9": Density(0x60, "U-932", "Ultrium 9/32T", 22000, 8960, 0x98, 1035),
}
_WORM = 0x04
_WIDTH_TENTHS_MM = 127
ORGANISATION = "LTO-CVE"


def medium_type(medium: str, worm: bool) -> int:
    """The medium type of a cartridge in a mode parameter header."""
    return DENSITIES[medium].medium_type | (_WORM if worm else 0)


def report(drive: str, medium: str | None) -> bytes:
    """What REPORT DENSITY SUPPORT tells of a drive, or of the medium in it."""
    names = [name for name in DENSITIES if use(drive, name) is not Use.NONE] if medium is None else [medium]
    content = b"".join(_descriptor(drive, name) for name in names)
    return (len(content) + 2).to_bytes(2, "big") + bytes(2) + content


def _descriptor(drive: str, medium: str) -> bytes:
    density = DENSITIES[medium]
    writes = 0x80 if use(drive, medium) is Use.WRITE else 0
    default = 0x20 if drive == medium else 0
    return (
        bytes([density.code, density.code, writes | default, 0, 0])
        + density.bits_per_mm.to_bytes(3, "big")
        + _WIDTH_TENTHS_MM.to_bytes(2, "big")
        + density.tracks.to_bytes(2, "big")
        + (MEDIA[medium].capacity_bytes // 1_000_000).to_bytes(4, "big")
        + padded(ORGANISATION, 8)
        + padded(density.name, 8)
        + padded(density.text, 20)
    )
