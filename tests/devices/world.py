"""An archive whose engine drives real devices: the world of tests/support with other libraries in it.

The archive's clock is advanced by hand, so that nobody waits for a policy; the devices take the time they take.
"""

from dataclasses import replace
from pathlib import Path

from drivers.base import Barcode, MediumKind
from drivers.clock import SystemClock, VirtualClock
from drivers.hardware import ManualKind, ScsiKind, open_drives, open_robot
from drivers.kinds import Devices
from drivers.options import settled
from drivers.simulator import VolumeSpec
from hsm.states import Availability
from tests.devices.attach import run
from tests.devices.simulated import Simulated
from tests.devices.tgt import RECORDER, Tgt
from tests.support.world import ArchiveWorld, volume_pools

TAPE_BYTES = 40 * 1024**2


def tapes(*barcodes: str, capacity_bytes: int = TAPE_BYTES) -> tuple[VolumeSpec, ...]:
    """Blank cartridges for LTO-8."""
    return tuple(VolumeSpec(Barcode(barcode), "LTO-8", capacity_bytes) for barcode in barcodes)


def robot(library: Simulated, **options: object) -> Devices:
    """The simulated library as the driver kind "scsi" opens it; the robot is asked which drive is which."""
    stable = library.robot.stable
    assert stable is not None, "udev made no name that stays for the robot"
    given = {"load_settle_s": 3.0, **options}
    return open_robot("test", stable, settled(ScsiKind.options, given), SystemClock())


def settle_until(world: ArchiveWorld, uids: list[str], wanted: Availability, rounds: int = 15) -> None:
    """Let policy and engine work until all studies are there; fail when they do not get there."""
    for _ in range(rounds):
        world.settle(1, 40)
        if {world.availability(uid) for uid in uids} == {wanted}:
            return
    raise AssertionError(f"{[world.availability(uid) for uid in uids]}\n{history(world)}")


def history(world: ArchiveWorld) -> str:
    """What happened, for the message of a test that failed."""
    events = [f"{event.name} {event.subject} {event.fields}" for event in world.catalog.events.list(limit=60)]
    jobs = [f"{job.kind} {job.state} {job.barcode} {job.reason}" for job in world.catalog.jobs.list()]
    return "\n".join(["events, newest first:", *events, "jobs:", *jobs])


def loaded(library: Simulated, barcode: Barcode) -> Path:
    """Have a cartridge in a drive, as a person with mtx would; the drive's st device."""
    changer = library.changer
    place = changer.inventory().find(barcode)
    assert place is not None
    if place in changer.inventory().drives():
        return _node(library, place.index)
    drive = next((one for one in changer.inventory().drives() if not one.full), None)
    if drive is None:
        run("mt", "-f", _node(library, 0), "offline")
        free = changer.inventory().empty_slot()
        run("mtx", "-f", library.robot.sg, "unload", free, 0)
        return loaded(library, barcode)
    run("mtx", "-f", library.robot.sg, "load", place.index, drive.index)
    return _node(library, drive.index)


def _node(library: Simulated, drive: int) -> Path:
    node = library.drive(drive).node
    assert node is not None
    return node


def restored(node: Path, folder: Path) -> dict[str, bytes]:
    """Every object of a tape by its SOP Instance UID, got as the text on the tape says: mt, dd, tar and sha256sum."""
    run("mt", "-f", node, "rewind")
    run("mt", "-f", node, "setblk", 0)
    found: dict[str, bytes] = {}
    for number in range(2, 1000):
        run("mt", "-f", node, "rewind")
        pack = folder / f"pack-{number}"
        pack.mkdir(parents=True)
        archive = folder / f"pack-{number}.tar"
        run("mt", "-f", node, "fsf", number)
        run("dd", f"if={node}", "bs=1M", f"of={archive}", status=None)
        if not archive.stat().st_size:
            return found
        run("tar", "-C", pack, "-i", "-xf", archive)
        said = run("sh", "-c", 'cd "$0" && sha256sum -c --strict 01_MANIFEST.sha256', pack)
        assert all(line.endswith(": OK") for line in said.splitlines())
        found |= {path.stem: path.read_bytes() for path in pack.rglob("*.dcm")}
    raise AssertionError("the tape has no end")


class DeskWorld(ArchiveWorld):
    """Tapes in the simulator's robot, discs that a person feeds to the recorder of tgt."""

    def __init__(
        self,
        root: Path,
        library: Simulated,
        tgt: Tgt,
        policy: str,
        discs: tuple[Barcode, ...],
        clock: VirtualClock | None = None,
        *,
        take_over: bool = True,
    ) -> None:
        self.tgt = tgt
        for disc in discs:  # new ones: an earlier test may have burnt some of that name
            (tgt.media / "discs" / disc).unlink(missing_ok=True)
        self.fed: list[Barcode] = []  # what a person put in, in this order
        given = settled(ManualKind.options, {"drives": [RECORDER]})
        desk = open_drives("desk", given, SystemClock())
        pools = volume_pools()
        pools["disc"] = replace(pools["disc"], library="desk")
        super().__init__(root, {"test": robot(library), "desk": desk}, pools, policy, clock=clock, take_over=False)
        if discs:
            self.catalog.shelf.declare(list(discs), MediumKind.DISC, "desk", "drawer 2", self.clock.now())
        if take_over:
            self.engine.take_over()

    def feed(self, barcode: Barcode) -> None:
        """A person puts a disc in; that is noticed, and the engine works."""
        self.tgt("disc", barcode)
        self.fed.append(barcode)
        self.engine.take_inventory()
        self.engine.drain()

    def wanted_disc(self) -> Barcode | None:
        """What the pick list asks for first."""
        return next((line.barcode for line in self.catalog.shelf.wanted() if line.library == "desk"), None)

    def live(self, uids: list[str], rounds: int = 20) -> None:
        """Let policy, engine and person work until every study has its copies and left the disk."""
        for _ in range(rounds):
            self.settle(1, 40)
            if (wanted := self.wanted_disc()) is not None:
                self.feed(wanted)
            elif all(self.availability(uid) is not Availability.ONLINE for uid in uids):
                return
        raise AssertionError(f"{[self.availability(uid) for uid in uids]}\n{history(self)}")
