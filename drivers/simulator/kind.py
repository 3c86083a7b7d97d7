"""The simulator as a kind of library that can be configured."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from drivers.base import MediumKind
from drivers.clock import Clock, ScaledClock
from drivers.kinds import Devices, DriverKind, LibraryMissing
from drivers.options import Option, OptionType
from drivers.simulator import state
from drivers.simulator.library import SimulatedLibrary


class SimulatorKind(DriverKind):
    """A library in a folder."""

    meaning = "A whole library in a folder, with real bytes and a model of the time devices take."
    path = "The folder; `firn library create` makes it."
    options = (
        Option(
            "time_scale",
            OptionType.NUMBER,
            1.0,
            "So many times faster does the time of the devices pass; 1 is real time.",
            low=0.001,
        ),
    )

    def open(self, name: str, path: Path, options: Mapping[str, Any], clock: Clock) -> Devices:
        if not (path / "library.json").is_file():
            raise LibraryMissing(
                f"library {name}: there is no simulated library in {path}; make one with `firn library create {name}`"
            )
        scale = float(options.get("time_scale", 1.0))
        return SimulatedLibrary(path, clock if scale == 1.0 else ScaledClock(scale))

    def smallest_volume_bytes(self, path: Path, kind: MediumKind, barcodes: Sequence[str]) -> int | None:
        sizes = [
            int(state.load(folder / "volume.json")["capacity_bytes"])
            for folder in path.glob("volumes/*")
            if any(fnmatchcase(folder.name, pattern) for pattern in barcodes)
        ]
        return min(sizes, default=None)
