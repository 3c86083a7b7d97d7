"""`firn serve` with its real children: ready means reachable, killed ones come back, nothing outlives the parent."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from appliance.config import load
from appliance.demo.feed import send_samples
from appliance.demo.setup import prepare
from hsm.catalog import Catalog
from tests.support.ports import free_port
from tests.support.studies import small_ct

LINE_LIMIT_S = 60.0


@dataclass
class Running:
    """A started `firn serve`."""

    process: subprocess.Popen[str]
    config_path: Path
    output: str = ""

    def wait_for(self, *texts: str) -> None:
        """Read what it says until every text was said."""
        missing = [text for text in texts if text not in self.output]
        deadline = time.monotonic() + LINE_LIMIT_S
        while missing:
            stream = self.process.stdout
            assert stream is not None
            said = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert said, f"{missing} not said: {self.output!r}"
            piece = os.read(stream.fileno(), 65536).decode()
            assert piece, f"it ended: {self.output!r}"
            self.output += piece
            missing = [text for text in texts if text not in self.output]

    def children(self) -> list[int]:
        """The pids of its services."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self.process.pid:
                found.append(int(folder.name))
        return found

    def pid_of(self, command: str) -> int:
        """The pid of the service that was started with this command."""
        return next(pid for pid in self.children() if command in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[[], Running]]:
    """Start `firn serve` in a new archive with simulated libraries; killed at the end whatever happened."""
    started: list[Running] = []

    def start() -> Running:
        _, path = prepare(tmp_path / "var", datetime.now(UTC))
        text = path.read_text().replace("[dicom]\n", f"[dicom]\nport = {free_port()}\n")
        path.write_text(text + f"\n[web]\nport = {free_port()}\n")
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "--config", str(path), "serve", "--log-dir", str(tmp_path / "log")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        running = Running(process, path)
        started.append(running)
        return running

    yield start
    for running in started:
        running.process.kill()
        running.process.communicate()


def test_services_become_reachable_are_replaced_when_killed_and_end_with_their_parent(
    serving: Callable[[], Running],
) -> None:
    running = serving()
    running.wait_for("engine   ready", "web      ready", "pacs     ready", "Health    http:", "Sign in  as admin")
    config = load(running.config_path, {})

    # reachable: the pages answer, and the node stores
    for page in ("", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{config.web.port}/{page}", timeout=30) as answer:
            assert answer.status == 200
    sample = small_ct("served")
    assert send_samples(config, lambda uid: 0, Event(), samples=[sample]) == 1
    catalog = Catalog.open(config.catalog_url)
    try:
        study = catalog.studies.get(sample.study_uid)
    finally:
        catalog.close()
    assert study is not None
    assert study.instance_count == len(sample.instances)

    # a killed child comes back
    os.kill(running.pid_of("pacs"), signal.SIGKILL)
    running.wait_for("pacs ended (signal SIGKILL)", "pacs is running again")
    assert send_samples(config, lambda uid: 0, Event(), samples=[small_ct("again")]) == 1

    # nothing outlives the parent
    services = [os.pidfd_open(pid) for pid in running.children()]
    assert len(services) == 3
    running.process.kill()
    try:
        for descriptor in services:
            assert select.select([descriptor], [], [], 30)[0], "a service outlived its parent by 30 s"
    finally:
        for descriptor in services:
            os.close(descriptor)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", config.dicom.port), timeout=5)


def test_a_second_engine_is_refused_and_sigterm_stops_everything_in_order(serving: Callable[[], Running]) -> None:
    running = serving()
    running.wait_for("engine   ready", "web      ready", "pacs     ready")
    second = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--config", str(running.config_path), "engine"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 7
    assert "Traceback" not in second.stderr
    assert "engine" in second.stderr
    services = [os.pidfd_open(pid) for pid in running.children()]
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert all(select.select([descriptor], [], [], 0)[0] for descriptor in services), "a service was left"
    for descriptor in services:
        os.close(descriptor)
    config = load(running.config_path, {})
    catalog = Catalog.open(config.catalog_url)
    try:
        assert catalog.leases.holder("engine", datetime.now(UTC)) is None
    finally:
        catalog.close()
