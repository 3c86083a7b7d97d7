"""An archive in a folder, run as on a real machine: `firn pacs` and `firn engine` as processes, `firn` at a shell."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.supervise import NOTIFY_VARIABLE, PARENT_VARIABLE
from drivers.base import Barcode
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from hsm.catalog import Catalog

LIMIT_S = 60.0
POLL_S = 0.1
POOLS = {"tape_a", "tape_b", "disc"}

CONFIG = """\
[archive]
data_dir = "{root}"

[dicom]
port = {port}
keepalive_s = 1
delivery_retry_first_s = 0.5
delivery_retry_max_s = 1

[[peer]]
ae_title = "WORKSTATION"
host = "127.0.0.1"
port = {peer_port}

[online]
reserve_bytes = 0
keep_online_s = {keep_online_s}

[cards]
enabled = false

[pack]
stable_after_s = 1

[policy]
file = "rules.policy"
tick_every_s = 1

[engine]
retry_first_s = 1
retry_max_s = 2

[[library]]
name = "tape"
driver = "simulator"
path = "libraries/tape"
options = {{time_scale = 1e6}}

[[library]]
name = "disc"
driver = "simulator"
path = "libraries/disc"
options = {{time_scale = 1e6}}

[[volume_pool]]
name = "tape_a"
kind = "tape"
library = "tape"
barcodes = ["A?????L8"]
auto_label = true

[[volume_pool]]
name = "tape_b"
kind = "tape"
library = "tape"
barcodes = ["B?????L8"]
auto_label = true

[[volume_pool]]
name = "disc"
kind = "disc"
library = "disc"
barcodes = ["D?????"]
auto_label = true
burn_after_s = 2
par2_redundancy_pct = 5
"""

RULES = """\
rule "two tapes and a disc for everything":
    when stable for 1 seconds
    copy to tape_a, tape_b, disc

rule "settle":
    when received more than 1 seconds ago and not accessed for 1 seconds
    release after 2 verified copies on 2 kinds of media
"""


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Return when the condition holds; fail when it does not come to hold in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(POLL_S)


@dataclass
class Process:
    """One service, and where it says what it does."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it with SIGKILL, and see that it is gone."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def stop(self) -> int:
        """End it with SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(LIMIT_S)


@dataclass
class House:
    """One archive. Services that are left at the end are killed by `close`."""

    root: Path
    port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    keep_online_s: int = 600
    ready_limit_s: float = LIMIT_S  # for a service to be ready
    running: dict[str, Process] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.root / "firn.toml"

    def build(self, rules: str = RULES, discs: int = 6) -> None:
        """Make an empty archive: two tape drives and four tapes, a jukebox of one recorder and some discs."""
        self.root.mkdir(parents=True)
        self.configure()
        tapes = tuple(VolumeSpec(Barcode(f"{p}0000{n}L8"), "LTO-8", 60_000_000) for p in "AB" for n in (1, 2))
        drives = (DriveSpec("LTO-8", "SIMTAPE1"), DriveSpec("LTO-8", "SIMTAPE2"))
        SimulatedLibrary.create(self.root / "libraries/tape", LibrarySpec("tape", drives, slots=6, volumes=tapes))
        blanks = tuple(VolumeSpec(Barcode(f"D{n:05}"), "DVD+R", 40_000_000) for n in range(1, discs + 1))
        recorder = (DriveSpec("DVD", "SIMDISC1"),)
        SimulatedLibrary.create(
            self.root / "libraries/disc", LibrarySpec("disc", recorder, slots=discs + 1, volumes=blanks)
        )
        (self.root / "rules.policy").write_text(rules)
        self.firn("pool", "init")

    def configure(self) -> None:
        """Write firn.toml for this folder and these ports."""
        settings = {"port": self.port, "peer_port": self.peer_port, "keep_online_s": self.keep_online_s}
        self.config.write_text(CONFIG.format(root=self.root, **settings))

    def copy_to(self, root: Path) -> "House":
        """The same archive, at rest, in another folder and on other ports."""
        assert not self.running, "only an archive at rest can be copied"
        shutil.copytree(self.root, root)
        copied = House(root)
        copied.configure()
        return copied

    # -- at a shell --------------------------------------------------------------------------------------------------

    def firn(self, *arguments: str, status: int = 0, limit_s: float = LIMIT_S) -> str:
        """What a command prints that ends with this status."""
        argv = [sys.executable, "-m", "appliance.cli", "--config", str(self.config), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s, check=False)
        assert done.returncode == status, f"firn {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str, status: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.firn(*arguments, "--json", status=status))

    # -- services ----------------------------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start services (pacs, engine) and return when each has said that it is ready, as it says it to systemd."""
        with tempfile.TemporaryDirectory(prefix="firn-e2e-", dir="/tmp") as folder:  # a socket path is short
            waiting = [(name, self._spawn(name, Path(folder) / name)) for name in names]
            for name, told in waiting:
                with told:
                    self._wait_ready(name, told)

    def _spawn(self, name: str, address: Path) -> socket.socket:
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(str(address))
        told.settimeout(POLL_S)
        log = self.root / f"{name}.log"
        argv = [sys.executable, "-m", "appliance.cli", "--config", str(self.config), name]
        ours = {NOTIFY_VARIABLE: str(address), PARENT_VARIABLE: str(os.getpid())}  # whatever happens, it ends with us
        with log.open("ab") as output:
            process = subprocess.Popen(argv, stdout=output, stderr=output, env={**os.environ, **ours})
        self.running[name] = Process(process, log)
        return told

    def _wait_ready(self, name: str, told: socket.socket) -> None:
        service = self.running[name]
        deadline = time.monotonic() + self.ready_limit_s
        while True:
            try:
                assert told.recv(64).startswith(b"READY=1")
            except TimeoutError:
                assert service.process.poll() is None, f"{name} ended: {service.log.read_text()}"
                assert time.monotonic() < deadline, f"{name} is not ready: {service.log.read_text()}"
            else:
                return

    def kill(self, name: str) -> None:
        """kill -9."""
        self.running.pop(name).kill()

    def stop(self, *names: str) -> None:
        """An orderly end."""
        for name in names:
            service = self.running.pop(name)
            assert service.stop() == 0, service.log.read_text()

    def close(self) -> None:
        """Kill what is left."""
        for name in list(self.running):
            self.kill(name)

    # -- what the catalog says -----------------------------------------------------------------------------------------

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """The catalog, opened beside the services."""
        catalog = Catalog.open(f"sqlite:///{self.root / 'catalog.db'}")
        try:
            yield catalog
        finally:
            catalog.close()

    def wait_settled(self, studies: set[str], limit_s: float = LIMIT_S) -> None:
        """Return when all these studies are on verified copies in every pool and off the disk."""
        left = sorted(studies)
        with self.catalog() as catalog:

            def where(uid: str) -> tuple[str, set[str]]:
                verified = {copy.pool for copy in catalog.copies.of_study(uid) if copy.state == "verified"}
                return catalog.studies.availability(uid), verified

            def settled() -> bool:
                while left and where(left[-1]) == ("NEARLINE", POOLS):
                    left.pop()
                return not left

            try:
                wait_until(settled, "every study is NEARLINE with three verified copies", limit_s)
            except AssertionError as error:
                events = [(e.name, e.subject, e.fields) for e in catalog.events.list(limit=20)]
                places = [(uid, *where(uid)) for uid in left]
                raise AssertionError(f"{error}\nleft: {places}\nevents: {events}") from error
