"""A simulated library that the kernel takes for a real one: its iSCSI target, attached to this machine."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from drivers.attached import AttachedDevice, AttachedKind
from drivers.base import Barcode, ElementKind
from drivers.changer import MtxChanger
from drivers.clock import ScaledClock, SystemClock
from drivers.iscsi import IscsiTarget
from drivers.simulator import DriveSpec, Hands, LibrarySpec, SimulatedLibrary
from drivers.simulator.scsi import units
from drivers.simulator.state import PlacesFile
from tests.devices.attach import device, eventually, gone, log_in, log_out, settle

PORT = 3261
SCALE = 1000.0  # what a library takes a minute for is over in a twentieth of a second


def _present(root: Path, iqn: str, scale: float) -> None:
    """Be the target until told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    log = os.open(root / "target.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    with SimulatedLibrary(root, ScaledClock(scale)) as library:
        served = units(library)
        target = IscsiTarget(iqn, served, "127.0.0.1", PORT)
        target.start()
        signal.sigwait({signal.SIGTERM})
        target.close()
        for unit in served.values():
            unit.close()


class Simulated:
    """The library as hands and eyes know it."""

    def __init__(self, root: Path, spec: LibrarySpec, scale: float = SCALE) -> None:
        """Make it and attach it."""
        self.root = root / spec.name
        self.spec = spec
        self.iqn = f"iqn.2024-01.firn:{spec.name}"
        SimulatedLibrary.create(self.root, spec)
        self.hands = Hands(self.root)
        self._places = PlacesFile(self.root)
        # What `firn simulate` does, without its imports, which take an emulated processor a quarter of a minute.
        self.process = multiprocessing.get_context("fork").Process(target=_present, args=(self.root, self.iqn, scale))
        self.process.start()
        try:
            log_in(self.iqn, PORT)
            self.wait()
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Return when every device is there."""
        for serial, kind in self._devices():
            device(serial, kind)
        settle()

    def _devices(self) -> list[tuple[str, AttachedKind]]:
        drives = [(drive.serial, AttachedKind.TAPE) for drive in self.spec.drives]
        return [*drives, (self.spec.name, AttachedKind.CHANGER)]

    @property
    def robot(self) -> AttachedDevice:
        return device(self.spec.name, AttachedKind.CHANGER)

    @property
    def changer(self) -> MtxChanger:
        """The robot, through mtx and the kernel."""
        serials = [drive.serial for drive in self.spec.drives]
        return MtxChanger(self.spec.name, self.robot.sg, serials, SystemClock())

    def drive(self, index: int) -> AttachedDevice:
        """A tape drive."""
        return device(self.spec.drives[index].serial, AttachedKind.TAPE)

    def faults(self, *lines: str) -> None:
        """From now on these go wrong, and nothing else."""
        (self.root / "faults.txt").write_text("".join(f"{line}\n" for line in lines))

    def arrange(self, slots: Mapping[int, Barcode]) -> None:
        """By hand, with the door open: these volumes into these slots, all others onto the shelf."""
        where = {barcode: slot for slot, barcode in slots.items()}
        with self._places.change() as places:
            now = SystemClock().now()
            for place in places.volumes:
                places.put(place, None, 0, now)
            for place in places.volumes:
                if (slot := where.pop(Barcode(place.barcode), None)) is not None:
                    places.put(place, ElementKind.SLOT, slot, now)
        assert not where, f"there are no volumes {sorted(where)}"

    def pull(self) -> None:
        """Take the cable out, whatever is going on."""
        log_out(self.iqn, PORT)
        eventually(lambda: gone(self._devices()), "the devices go")

    def plug(self) -> None:
        """Put the cable back."""
        log_in(self.iqn, PORT)
        self.wait()

    def close(self) -> None:
        """Detach and end it; the media stay."""
        log_out(self.iqn, PORT, status=None)
        self.process.terminate()
        self.process.join(60)

    def __enter__(self) -> "Simulated":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def two_drives(name: str, **more: object) -> LibrarySpec:
    """A library of two LTO-8 drives and ten slots."""
    drives = (DriveSpec("LTO-8", f"{name.upper()}-T0"), DriveSpec("LTO-8", f"{name.upper()}-T1"))
    return LibrarySpec(name, drives, slots=10, **more)  # type: ignore[arg-type]
