"""An archive with a robot for tapes, and a recorder and a tape drive on a desk that a person feeds.

with Desk(tmp_path) as desk:
    desk.bring("D00001")
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Self

from drivers.base import Barcode, MediumKind
from drivers.clock import VirtualClock
from drivers.generations import CLEANING
from drivers.simulator import DriveSpec, Hands, LibrarySpec, SimulatedLibrary, VolumeSpec
from hsm.catalog.shelf import WantedVolume
from hsm.facts import JobRecord, VolumePool
from hsm.states import JobState
from tests.support.library import make_library
from tests.support.studies import small_ct
from tests.support.world import START, ArchiveWorld, volume_pools

POLICY = """\
rule "a tape and a disc":
    when stable for 10 seconds
    copy to tape_a, disc

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 2 verified copies on 2 kinds of media
"""
TAPE_DRIVE, RECORDER = 0, 1
STUDY = small_ct(slices=2)


def pools(**changes: object) -> dict[str, VolumePool]:
    """Tapes in the robot; discs that a person burns."""
    disc = VolumePool("disc", MediumKind.DISC, "desk", ("D*",), auto_label=True, burn_after_s=0.0)
    return {"tape_a": volume_pools()["tape_a"], "disc": replace(disc, **changes)}  # type: ignore[arg-type]


def _desk(root: Path, clock: VirtualClock) -> SimulatedLibrary:
    """A tape drive and a recorder without a robot, and what lies beside them."""
    discs = [VolumeSpec(Barcode(f"D0000{n}"), "DVD+R", 20_000_000) for n in range(1, 6)]
    foreign = [VolumeSpec(Barcode(name), "DVD+R", 20_000_000) for name in ("F1", "F2")]
    tapes = [VolumeSpec(Barcode(name), "LTO-8", 40_000_000) for name in ("X00001L8", "X00002L8")]
    spec = LibrarySpec(
        "desk",
        (DriveSpec("LTO-8", "DESK-T0"), DriveSpec("DVD", "DESK-R1")),
        slots=0,
        mail_slots=0,
        volumes=(*discs, *foreign, *tapes, VolumeSpec(Barcode("CLN001L8"), CLEANING)),
        by_hand=True,
    )
    SimulatedLibrary.create(root, spec)
    return SimulatedLibrary(root, clock)


class Desk(ArchiveWorld):
    """Opening the same folder again is a restart."""

    def __init__(
        self,
        root: Path,
        clock: VirtualClock | None = None,
        policy: str = POLICY,
        wanted: dict[str, VolumePool] | None = None,
        named: int = 3,
        **disc_pool: object,
    ) -> None:
        """`wanted`: other volume pools; `named`: so many blank discs lie in drawer 2."""
        clock = clock or VirtualClock(START)
        self.robot = make_library(root, clock, ("A00001L8", "A00002L8"), ())
        self.desk = _desk(root / "desk", clock)
        self.hands: Hands = self.desk.hands
        libraries = {"test": self.robot, "desk": self.desk}
        super().__init__(root, libraries, wanted or pools(**disc_pool), policy, clock=clock, take_over=False)
        if not self.catalog.volumes.list(kind=MediumKind.DISC):
            barcodes = [Barcode(f"D0000{n}") for n in range(1, named + 1)]
            self.catalog.shelf.declare(barcodes, MediumKind.DISC, "desk", "drawer 2", self.clock.now())
        self.engine.take_over()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put_in(self, barcode: str, drive: int = RECORDER) -> None:
        """A person feeds a drive, it is noticed, and the engine works."""
        self.hands.feed(drive, Barcode(barcode))
        self.engine.take_inventory()
        self.engine.drain()

    def work(self, seconds: float = 30.0) -> None:
        """One turn of the clock."""
        self.settle(1, seconds)

    def waiting(self) -> list[JobRecord]:
        """The jobs that wait for a person."""
        return self.catalog.jobs.list(states=(JobState.WAITING_OPERATOR,))

    def wanted(self) -> list[WantedVolume]:
        """The operator's pick list."""
        return self.catalog.shelf.wanted()

    def said(self, name: str) -> list[str]:
        """What events of that name said, oldest first."""
        return [str(event.fields.get("what", "")) for event in reversed(self.catalog.events.list(name=name))]

    def burn_foreign(self, image: Path, barcode: str = "F1") -> None:
        """Somebody else's disc."""
        self.hands.feed(RECORDER, Barcode(barcode))
        recorder = self.desk.recorders[RECORDER]
        recorder.wait_ready(60)
        recorder.burn(image)
        recorder.unload()
        self.hands.take(RECORDER)

    def write_foreign(self, content: bytes, barcode: str = "X00001L8") -> None:
        """Somebody else's tape."""
        self.hands.feed(TAPE_DRIVE, Barcode(barcode))
        drive = self.desk.tape_drives[TAPE_DRIVE]
        drive.wait_ready(300)
        drive.rewind()
        drive.append(io.BytesIO(content))
        drive.flush()
        drive.unload()
        self.hands.take(TAPE_DRIVE)
