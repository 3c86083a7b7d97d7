"""The one owner of robots and drives: `with library.mount(barcode, drive) as session`."""

from hsm.library.disc import DiscSession
from hsm.library.errors import (
    EndOfDataMoved,
    ForeignVolume,
    SessionClosed,
    SwappedVolume,
    UnknownContent,
    UnreadableVolume,
    VolumeNotInLibrary,
    WrongVolume,
)
from hsm.library.library import Library
from hsm.library.tape import TapeSession

__all__ = [
    "DiscSession",
    "EndOfDataMoved",
    "ForeignVolume",
    "Library",
    "SessionClosed",
    "SwappedVolume",
    "TapeSession",
    "UnknownContent",
    "UnreadableVolume",
    "VolumeNotInLibrary",
    "WrongVolume",
]
