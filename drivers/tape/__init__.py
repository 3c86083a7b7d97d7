"""Tape drives behind Linux st."""

from drivers.tape.drive import StTapeDrive
from drivers.tape.options import TapeOptions

__all__ = ["StTapeDrive", "TapeOptions"]
