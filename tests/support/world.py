"""A whole archive in a folder: catalog, pool, simulated libraries and an engine, on a virtual clock.

world = World(tmp_path)
uid = world.receive(small_ct())
world.settle()
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.demo.studies import SampleStudy
from drivers.base import Barcode, MediumKind
from drivers.clock import VirtualClock
from drivers.kinds import Devices
from drivers.simulator import SimulatedLibrary
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.engine import Engine, EngineSettings
from hsm.facts import CopyRecord, StudyUid, VolumePool
from hsm.library import Library
from hsm.mover.outcome import RetrySettings
from hsm.pool import OnlinePool
from hsm.states import Availability, CopyState
from hsm.ticking import TickSettings
from tests.support.library import make_library
from tests.support.studies import encode

POLICY = """\
rule "two tapes and a disc":
    when stable for 10 seconds
    copy to tape_a, tape_b, disc

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 2 verified copies on 2 kinds of media
"""
TAPES_ONLY = """\
rule "two tapes":
    when stable for 10 seconds
    copy to tape_a, tape_b

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 2 verified copies
"""
TAPES = ("A00001L8", "A00002L8", "B00001L8", "B00002L8")
DISCS = ("D00001", "D00002", "D00003")
START = datetime(2024, 1, 1, tzinfo=UTC)


def volume_pools() -> dict[str, VolumePool]:
    """Two tape pools and one of discs, which label by themselves."""
    tape = VolumePool("tape_a", MediumKind.TAPE, "test", ("A*",), auto_label=True, reserve_bytes=500_000)
    return {
        "tape_a": tape,
        "tape_b": replace(tape, name="tape_b", barcodes=("B*",)),
        "disc": VolumePool("disc", MediumKind.DISC, "test", ("D*",), auto_label=True, burn_after_s=0.0),
    }


@cache
def empty_catalog() -> bytes:
    """The file of a catalog without content: a copy is there at once, making one takes a third of a second."""
    with TemporaryDirectory() as folder:
        Catalog.open(f"sqlite:///{folder}/catalog.db").close()
        return Path(folder, "catalog.db").read_bytes()


class ArchiveWorld:
    """Everything but the devices. Opening the same folder again is a restart."""

    def __init__(
        self,
        root: Path,
        libraries: Mapping[str, Devices],
        pools: Mapping[str, VolumePool],
        policy: str = POLICY,
        *,
        url: str | None = None,
        clock: VirtualClock | None = None,
        pack_max_bytes: int = 16 * 1024**3,
        take_over: bool = True,
    ) -> None:
        """The world closes the libraries."""
        self.root = root
        self.clock = clock or VirtualClock(START)
        self._devices = tuple(libraries.values())
        database = root / "catalog.db"
        if url is None and not database.exists():
            database.write_bytes(empty_catalog())
        self.catalog = Catalog.open(url or f"sqlite:///{database}")
        self.pool = OnlinePool.create([root / "online"], 0, root / "quarantine")
        self.volume_pools = dict(pools)
        self.libraries = {
            name: Library(devices.changer, devices.tape_drives, devices.recorders, self.catalog, self.clock)
            for name, devices in libraries.items()
        }
        self.archive = Archive(self.catalog, self.pool, self.clock)
        staging = root / "staging"
        staging.mkdir(exist_ok=True)
        self.settings = EngineSettings(
            staging=staging,
            tick=TickSettings(pack_max_bytes=pack_max_bytes, stable_after_s=5, high_water_pct=100, low_water_pct=99),
            retry=RetrySettings(first_s=1.0, max_s=60.0),
            keep_online_s=60.0,
        )
        self.engine = Engine(self.catalog, self.pool, self.libraries, self.volume_pools, self.settings, self.clock)
        if self.catalog.policies.current() is None:
            self.catalog.policies.publish(policy, "test", self.clock.now())
        if take_over:
            self.engine.take_over()

    def close(self) -> None:
        """An orderly end."""
        self.engine.close()
        self.catalog.close()
        for devices in self._devices:
            devices.close()

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.sleep(seconds)

    def receive(self, study: SampleStudy, source_aet: str = "CT1") -> StudyUid:
        """Take a whole study in; its UID."""
        uid = ""
        for instance in study.instances:
            receipt = self.archive.receive_file(io.BytesIO(encode(instance)), source_aet)
            assert receipt.kept, receipt.why
            uid = str(instance.StudyInstanceUID)
        return StudyUid(uid)

    def settle(self, rounds: int = 12, step_s: float = 30.0) -> None:
        """Let policy and engine work until nothing happens any more, time passing in between."""
        for _ in range(rounds):
            self.later(step_s)
            self.engine.tick()
            self.engine.drain()

    def availability(self, uid: str) -> Availability:
        """How soon the study can be had."""
        return self.catalog.studies.availability(uid)

    def copies(self, uid: str) -> list[CopyRecord]:
        """All copies of the study."""
        return self.catalog.copies.of_study(uid)

    def verified_volumes(self, uid: str) -> set[Barcode | None]:
        """The volumes with a verified copy of any of its packs."""
        return {copy.barcode for copy in self.copies(uid) if copy.state is CopyState.VERIFIED}

    def recall(self, uid: str, **wanted: Sequence[str]) -> int:
        """Ask for a study and let the engine work; the request's number."""
        request = self.archive.request_recall(uid, requested_by="test", **wanted)
        self.engine.drain()
        return request

    def online_bytes(self, uid: str) -> dict[str, bytes]:
        """The stored files of a study's online instances, by SOP Instance UID."""
        found = {}
        for instance in self.catalog.studies.instances(uid):
            if instance.file is not None:
                with self.archive.open(instance) as stream:
                    found[str(instance.sop_instance_uid)] = stream.read()
        return found

    def seconds(self, seconds: float) -> timedelta:
        """A length of time."""
        return timedelta(seconds=seconds)


class World(ArchiveWorld):
    """An archive with one simulated library."""

    def __init__(
        self,
        root: Path,
        policy: str = POLICY,
        tapes: Sequence[str] = TAPES,
        discs: Sequence[str] = DISCS,
        *,
        url: str | None = None,
        clock: VirtualClock | None = None,
        tape_bytes: int = 40_000_000,
        disc_bytes: int = 20_000_000,
        pack_max_bytes: int = 16 * 1024**3,
        pools: Mapping[str, VolumePool] | None = None,
        take_over: bool = True,
    ) -> None:
        clock = clock or VirtualClock(START)
        self.simulated: SimulatedLibrary = make_library(
            root, clock, tapes, discs, tape_bytes=tape_bytes, disc_bytes=disc_bytes
        )
        super().__init__(
            root,
            {"test": self.simulated},
            pools or volume_pools(),
            policy,
            url=url,
            clock=clock,
            pack_max_bytes=pack_max_bytes,
            take_over=take_over,
        )
        self.library = self.libraries["test"]

    def restart(self) -> "World":
        """An orderly end and a new start in the same folder."""
        self.close()
        return World(self.root, clock=self.clock, pools=self.volume_pools)
