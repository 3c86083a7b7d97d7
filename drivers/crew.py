"""The drives of one library: those that are attached, and those that are attached later."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

import structlog

from drivers.attached import AttachedDevice, AttachedKind
from drivers.base import Changer, Inventory, Recorder
from drivers.clock import Clock
from drivers.errors import LibraryBusy, MediumUnsupported
from drivers.optical import RecorderOptions, XorrisoRecorder
from drivers.ownership import Ownership
from drivers.tape import StTapeDrive, TapeOptions

Drive = TypeVar("Drive")

_log = structlog.get_logger()


class Growing(Mapping[int, Drive], Generic[Drive]):
    """Drives by number. More may come at any time; who goes through them meanwhile sees those there were."""

    def __init__(self) -> None:
        self._drives: dict[int, Drive] = {}

    def add(self, index: int, drive: Drive) -> None:
        """One more."""
        self._drives = {**self._drives, index: drive}

    def __getitem__(self, index: int) -> Drive:
        return self._drives[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._drives)

    def __len__(self) -> int:
        return len(self._drives)


class Crew:
    """The drives of one library by element number, owned by this process until close()."""

    def __init__(
        self, library: str, serials: Sequence[str | None], options: Mapping[str, Any], clock: Clock, robot: str | None
    ) -> None:
        """`serials`: of all drives, None for those that are not ours. `robot`: its serial number, owned, too.

        Raises: LibraryBusy.
        """
        self.tape_drives: Growing[StTapeDrive] = Growing()
        self.recorders: Growing[Recorder] = Growing()
        self._library = library
        self._wanted = {index: serial.strip() for index, serial in enumerate(serials) if serial is not None}
        self._options = options
        self._clock = clock
        self._told: set[int] = set()  # whose absence was told
        self._lock = Lock()
        self._ownership = Ownership([] if robot is None else [robot])

    def missing(self) -> dict[int, str]:
        """The serial numbers of the drives that are not there, by element."""
        return {i: s for i, s in self._wanted.items() if i not in self.tape_drives and i not in self.recorders}

    def join(self, seen: Callable[[], Sequence[AttachedDevice]]) -> tuple[int, ...]:
        """Take in the drives that were missing and are attached now; their element numbers.

        `seen` is asked only when one is missing. One that belongs to another process, or of which nobody says what it
        is, is left out, with a line in the log.
        """
        with self._lock:
            if not (missing := self.missing()):
                return ()
            devices = {device.serial: device for device in seen() if device.kind is not AttachedKind.CHANGER}
            joined = []
            for index, serial in missing.items():
                device = devices.get(serial)
                if device is None or device.node is None:
                    self._tell(index, serial, "it is not attached")
                    continue
                try:
                    self.take(index, device)
                except (LibraryBusy, MediumUnsupported) as error:
                    self._tell(index, serial, str(error))
                    continue
                self._told.discard(index)
                joined.append(index)
                _log.info("drive_joined", library=self._library, drive=index, drive_serial=serial)
            return tuple(joined)

    def take(self, index: int, device: AttachedDevice) -> None:
        """Take possession of one drive. Raises: LibraryBusy; MediumUnsupported when nobody says of which kind it is."""
        self._ownership.take(device.serial)
        name = f"{self._library}/drive{index}"
        try:
            if device.kind is AttachedKind.TAPE:
                self.tape_drives.add(index, StTapeDrive(name, device, self._clock, tape_options(self._options)))
            else:
                self.recorders.add(index, XorrisoRecorder(name, device, self._clock, recorder_options(self._options)))
        except BaseException:
            self._ownership.leave(device.serial)
            raise

    def _tell(self, index: int, serial: str, reason: str) -> None:
        if index not in self._told:
            self._told.add(index)
            _log.warning("drive_missing", library=self._library, drive=index, drive_serial=serial, reason=reason)

    def close(self) -> None:
        """Let go of all of them; volumes stay where they are."""
        with self._lock:
            try:
                for drive in self.tape_drives.values():
                    drive.close()
            finally:
                self._ownership.close()


class Accompanied:
    """A robot whose inventory first looks whether a missing drive was attached: nobody has to start anything again."""

    def __init__(self, changer: Changer, join: Callable[[], object]) -> None:
        self._changer = changer
        self._join = join

    @property
    def name(self) -> str:
        return self._changer.name

    @property
    def by_hand(self) -> bool:
        return self._changer.by_hand

    def inventory(self) -> Inventory:
        self._join()
        return self._changer.inventory()

    def load(self, slot: int, drive: int) -> None:
        self._changer.load(slot, drive)

    def unload(self, drive: int, slot: int) -> None:
        self._changer.unload(drive, slot)

    def transfer(self, source: int, target: int) -> None:
        self._changer.transfer(source, target)


def tape_options(options: Mapping[str, Any]) -> TapeOptions:
    """What the configuration says about tape drives; `options` are complete."""
    return TapeOptions(
        model=options["tape_model"],
        compression=options["compression"],
        key_dir=Path(options["key_dir"]) if options["key_dir"] else None,
        key_name=options["key_name"],
        key_algorithm=options["key_algorithm"],
        settle_s=float(options["load_settle_s"]),
        cleaning_limit_s=float(options["cleaning_limit_s"]),
    )


def recorder_options(options: Mapping[str, Any]) -> RecorderOptions:
    """What the configuration says about recorders; `options` are complete."""
    return RecorderOptions(
        speed=options["burn_speed"],
        simulate=options["burn_rehearsal"],
        stream_recording=options["stream_recording"],
        model=options["recorder_model"],
        use_at_most_bytes=options["disc_bytes_at_most"],
        rewritable=options["rewritable_discs"],
        lock_tray=options["lock_tray"],
    )
