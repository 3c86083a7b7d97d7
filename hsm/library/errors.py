"""Why a volume was not used, beside what its drive may say: of the family of drivers/errors, read in the same way."""

from drivers.errors import Blame, DriverError, Retry


class VolumeNotInLibrary(DriverError):
    """The volume is in none of the library's elements: a person must bring it."""

    retry = Retry.LATER
    blame = Blame.LIBRARY


class WrongVolume(DriverError):
    """The label on the medium, the barcode and the catalog do not agree: nothing is read from it or written to it."""

    retry = Retry.NEVER
    blame = Blame.VOLUME


class SwappedVolume(WrongVolume):
    """The label on the medium names another volume than the barcode on it: stickers were swapped."""


class ForeignVolume(WrongVolume):
    """The medium holds data that are not ours; it will not be written over."""


class UnreadableVolume(WrongVolume):
    """The medium should hold packs of ours, and what says who it is cannot be read: it counts as a failed reading."""


class UnknownContent(WrongVolume):
    """The medium is ours and holds packs the catalog does not know."""


class EndOfDataMoved(WrongVolume):
    """The end of data, or the last pack before it, is not what the catalog says: nothing is appended."""


class SessionClosed(DriverError):
    """An earlier error made this mount unfit for writing; mount the volume again."""

    retry = Retry.LATER
    blame = Blame.CALLER


class ErrandRefused(DriverError):
    """The robot was not asked: what was wanted of it cannot be done as things are."""

    blame = Blame.CALLER


class CartridgeUsedUp(DriverError):
    """A cleaning cartridge cleans no more; a person has to replace it."""

    blame = Blame.VOLUME
