"""Generations of tapes and drives by what the hardware says. Source: SSC-4 annex (density codes)."""

import re

_GENERATIONS = {
    0x40: "LTO-1",
    0x42: "LTO-2",
    0x44: "LTO-3",
    0x46: "LTO-4",
    0x58: "LTO-5",
    0x5A: "LTO-6",
    0x5C: "LTO-7",
    0x5D: "LTO-M8",
    0x5E: "LTO-8",
    0x60: "LTO-9",
}
# ULT3580-TD8, ULTRIUM-HH8, Ultrium 8-SCSI, LTO-8 HH, SIM-LTO8
_PRODUCT = re.compile(r"(?:-(?:TD|HH)|ULTRIUM[ -]|LTO-?)(?P<number>\d)(?!\d)", re.IGNORECASE)


def generation(density: int) -> str | None:
    """The generation of a tape by its density code; None for a code that says nothing (0) or is unknown."""
    return _GENERATIONS.get(density)


def model(product: str) -> str | None:
    """The generation of a drive by its product name, in the words of drivers/generations; None when it does not say."""
    found = _PRODUCT.search(product)
    return f"LTO-{found['number']}" if found else None
