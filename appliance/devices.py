"""Which driver a configured library names. The only module that makes drivers."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from appliance.config import Config
from appliance.config.schema import LibraryEntry, VolumePoolEntry
from drivers.base import Changer, Recorder, TapeDrive
from drivers.clock import ScaledClock, SystemClock
from drivers.generations import MEDIA
from drivers.simulator import SimulatedLibrary
from drivers.simulator import state as simulator_state


class DriverUnknown(Exception):
    """The configuration names a driver, or an option of one, that this Firn does not have."""


class LibraryMissing(Exception):
    """A configured library is not there."""


class Devices(Protocol):
    """What a driver for a whole library hands out. It owns the hardware until close()."""

    changer: Changer

    @property
    def tape_drives(self) -> Mapping[int, TapeDrive]: ...

    @property
    def recorders(self) -> Mapping[int, Recorder]: ...

    def close(self) -> None: ...


def open_simulator(name: str, path: Path, options: Mapping[str, Any]) -> Devices:
    """A library in a folder. Option time_scale: device time passes so many times faster (1 without it).

    Raises: LibraryMissing, LibraryBusy, DriverUnknown.
    """
    unknown = sorted(set(options) - {"time_scale"})
    if unknown:
        raise DriverUnknown(
            f"library {name}: the driver simulator has no option {', '.join(unknown)}; it knows time_scale"
        )
    if not (path / "library.json").is_file():
        raise LibraryMissing(
            f"library {name}: there is no simulated library in {path}; make one with `firn library create {name}`"
        )
    scale = float(options.get("time_scale", 1.0))
    return SimulatedLibrary(path, SystemClock() if scale == 1.0 else ScaledClock(scale))


REGISTRY: Mapping[str, Callable[[str, Path, Mapping[str, Any]], Devices]] = {"simulator": open_simulator}


def open_devices(entry: LibraryEntry, path: Path) -> Devices:
    """Take possession of one configured library.

    Raises: DriverUnknown, LibraryMissing, LibraryBusy.
    """
    opener = REGISTRY.get(entry.driver)
    if opener is None:
        known = ", ".join(sorted(REGISTRY))
        raise DriverUnknown(f"library {entry.name}: there is no driver {entry.driver!r}; known: {known}")
    return opener(entry.name, path, entry.options)


def smallest_volume_bytes(config: Config, entry: VolumePoolEntry, library: LibraryEntry | None) -> int:
    """The capacity of the smallest volume of a pool, as far as it can be told without a drive; 0 when it cannot."""
    if library is not None and library.driver == "simulator":
        sizes = [
            int(simulator_state.load(folder / "volume.json")["capacity_bytes"])
            for folder in config.resolve(library.path).glob("volumes/*")
            if any(fnmatchcase(folder.name, pattern) for pattern in entry.barcodes)
        ]
        if sizes:
            return min(sizes)
    if entry.kind == "disc":
        return MEDIA["DVD+R"].capacity_bytes
    generations = [_generation(pattern) for pattern in entry.barcodes]
    return min((MEDIA[generation].capacity_bytes for generation in generations if generation in MEDIA), default=0)


def _generation(barcode: str) -> str:
    """What the last two characters of an LTO barcode say: A00001L8 is LTO-8, A00001M8 is LTO-M8."""
    family, number = barcode[-2:-1], barcode[-1:]
    return f"LTO-{number}" if family == "L" else f"LTO-{family}{number}"
