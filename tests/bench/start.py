"""How soon each service is ready over a large catalog, and `firn serve` with all of them."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Section, percentile
from tests.bench.ground import START_LIMIT_S, Ground, Site, started

READY_S = 2.0
TIMES = 3


def measure(ground: Ground) -> Iterator[Section]:
    """Each database."""
    for database in ground.options.databases:
        yield _one(ground.site(database, ground.house()))


def _one(site: Site) -> Section:
    words = f"{site.words}; from starting the process until it says READY=1 to NOTIFY_SOCKET. {TIMES} starts each."
    section = Section(f"Start on {site.database}", words)
    print(section.title, flush=True)
    for command in ("pacs", "web", "serve"):
        samples = [_start_s(site, command) for _ in range(TIMES)]
        median_s = percentile(samples, 50)
        target = command == "serve"
        section.add(
            Figure(
                f"firn {command}, {site.house.studies} studies",
                f"median {median_s:.2f} s, {min(samples):.2f} to {max(samples):.2f}",
                f"< {READY_S:.0f} s" if target else "",
                median_s < READY_S if target else None,
            )
        )
    return section


def _start_s(site: Site, command: str) -> float:
    with tempfile.TemporaryDirectory(prefix="firn-", dir="/tmp") as folder:  # short: an address holds 107 characters
        address = str(Path(folder) / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            listening.settimeout(START_LIMIT_S)
            began = time.perf_counter()
            with started(site, command, environment={**os.environ, "NOTIFY_SOCKET": address}) as process:
                _await_ready(listening, process)
                return time.perf_counter() - began


def _await_ready(listening: socket.socket, process: subprocess.Popen[bytes]) -> None:
    while b"READY=1" not in listening.recv(4096):
        assert process.poll() is None, "it ended before it was ready"
