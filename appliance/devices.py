"""Which driver a configured library names. The only module that opens devices."""

from pathlib import Path

from appliance.config import Config
from appliance.config.schema import LibraryEntry, VolumePoolEntry
from drivers import kinds
from drivers.base import MediumKind
from drivers.clock import Clock, SystemClock
from drivers.generations import MEDIA
from drivers.kinds import Devices, DriverUnknown, LibraryMissing

__all__ = ["Devices", "DriverUnknown", "LibraryMissing", "open_devices", "smallest_volume_bytes"]


def open_devices(entry: LibraryEntry, path: Path, clock: Clock | None = None) -> Devices:
    """Take possession of one configured library; `path` is the entry's, made absolute.

    Raises: DriverUnknown, LibraryMissing, LibraryBusy.
    """
    try:
        kind = kinds.find(entry.driver)
    except DriverUnknown as error:
        raise DriverUnknown(f"library {entry.name}: {error}") from error
    if wrong := kind.check(entry.options):
        faults = "; ".join(f"{fault}" for fault in wrong)
        raise DriverUnknown(f"library {entry.name}, driver {entry.driver}: {faults}")
    return kind.open(entry.name, path, entry.options, clock or SystemClock())


def smallest_volume_bytes(config: Config, entry: VolumePoolEntry, library: LibraryEntry | None) -> int:
    """The capacity of the smallest volume of a pool, as far as it can be told without a drive; 0 when it cannot."""
    if library is not None and (told := _told(config, entry, library)) is not None:
        return told
    if entry.kind == "disc":
        return MEDIA["DVD+R"].capacity_bytes
    generations = [_generation(pattern) for pattern in entry.barcodes]
    return min((MEDIA[generation].capacity_bytes for generation in generations if generation in MEDIA), default=0)


def _told(config: Config, entry: VolumePoolEntry, library: LibraryEntry) -> int | None:
    try:
        kind = kinds.find(library.driver)
    except DriverUnknown:
        return None  # the engine says so when it opens the library, and `firn config check` before that
    return kind.smallest_volume_bytes(config.resolve(library.path), MediumKind(entry.kind), entry.barcodes)


def _generation(barcode: str) -> str:
    """What the last two characters of an LTO barcode say: A00001L8 is LTO-8, A00001M8 is LTO-M8."""
    family, number = barcode[-2:-1], barcode[-1:]
    return f"LTO-{number}" if family == "L" else f"LTO-{family}{number}"
