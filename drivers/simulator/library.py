"""The whole library: one folder, one owner."""

import fcntl
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from drivers.base import Changer, ElementKind, MediumKind, Recorder, TapeDrive
from drivers.clock import Clock
from drivers.errors import LibraryBusy
from drivers.simulator import state
from drivers.simulator.bay import Bay
from drivers.simulator.by_hand import ByHandChanger
from drivers.simulator.changer import SimulatedChanger
from drivers.simulator.faults import Faults
from drivers.simulator.hands import Hands, make_volume
from drivers.simulator.recorder import SimulatedRecorder
from drivers.simulator.spec import DriveSpec, LibrarySpec
from drivers.simulator.state import Place, Places, PlacesFile
from drivers.simulator.tape import SimulatedTapeDrive


class SimulatedLibrary:
    """A library in a folder. README.md beside this file says what lies in it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        """Take possession of a library made by create().

        Raises: LibraryBusy when another owner has it, FaultsInvalid, FileNotFoundError.
        """
        facts = state.load(root / "library.json")
        self._lock = (root / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise LibraryBusy(f"the library in {root} belongs to another process; end that one first") from error
        self.root = root
        self.name: str = facts["name"]
        self.clock = clock
        self.hands = Hands(root)
        try:
            self._build([DriveSpec(**drive) for drive in facts["drives"]], clock, bool(facts.get("by_hand", False)))
        except BaseException:
            self._lock.close()
            raise

    def _build(self, drives: list[DriveSpec], clock: Clock, by_hand: bool) -> None:
        places = PlacesFile(self.root)
        self.faults = Faults(
            self.root,
            [*map(str, range(len(drives))), *(drive.serial for drive in drives)],
            lambda: {place.volume for place in places.read().volumes},
        )
        self.changer: Changer = (
            ByHandChanger(self.name, places, self.faults)
            if by_hand
            else SimulatedChanger(self.name, places, self.faults, clock)
        )
        self._tape_drives: dict[int, SimulatedTapeDrive] = {}
        self._recorders: dict[int, SimulatedRecorder] = {}
        for index, drive in enumerate(drives):
            bay = Bay(self.root, self.name, index, drive, self.faults, clock)
            if drive.kind is MediumKind.TAPE:
                self._tape_drives[index] = SimulatedTapeDrive(bay)
            else:
                self._recorders[index] = SimulatedRecorder(bay)

    @property
    def tape_drives(self) -> Mapping[int, TapeDrive]:
        """Tape drives by drive element number."""
        return self._tape_drives

    @property
    def recorders(self) -> Mapping[int, Recorder]:
        """Recorders by drive element number."""
        return self._recorders

    @classmethod
    def create(cls, root: Path, spec: LibrarySpec) -> None:
        """Make the folder of a new library; one that exists is left as it is.

        Raises: ValueError when the spec contradicts itself.
        """
        if (root / "library.json").exists():
            return
        spec.check()
        (root / "drives").mkdir(parents=True, exist_ok=True)
        places = Places(spec.slots, spec.mail_slots, [drive.serial for drive in spec.drives])
        free_slots = iter(range(1, spec.slots + 1))
        now = datetime.now(UTC)
        for volume in spec.volumes:
            make_volume(root, volume)
            place = Place(volume=volume.barcode, barcode=volume.barcode)
            places.volumes.append(place)
            if volume.shelf or spec.by_hand:
                places.put(place, None, 0, now)
            else:
                places.put(place, ElementKind.SLOT, next(free_slots), now)
        state.save(root / "places.json", places.as_json())
        # Last, so that a library that was interrupted while it was made is made again.
        facts = {"name": spec.name, "drives": [asdict(drive) for drive in spec.drives]}
        state.save(root / "library.json", facts | ({"by_hand": True} if spec.by_hand else {}))

    def close(self) -> None:
        """Let go of the library. Volumes stay where they are, also in the drives."""
        for drive in self._tape_drives.values():
            drive.close()
        self._lock.close()

    def __enter__(self) -> "SimulatedLibrary":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
