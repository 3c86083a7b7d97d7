"""How soon each service is ready over a large catalog, and `firn serve` with all of them."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from appliance.toml_text import to_toml
from tests.bench.figures import Figure, Section, percentile
from tests.bench.ground import START_LIMIT_S, Ground, Site, started

READY_S = 2.0
TIMES = 3


def measure(ground: Ground) -> Iterator[Section]:
    """Each database."""
    for database in ground.options.databases:
        yield _one(ground.site(database, ground.house()))


def _one(site: Site) -> Section:
    words = (
        f"{site.words}; from starting the process until it says that it is ready: a service with"
        f" READY=1 to NOTIFY_SOCKET, `firn serve` on its standard output when all its services are. No library is"
        f" configured. {TIMES} starts each."
    )
    site = _without_libraries(site)
    section = Section(f"Start on {site.database}", words)
    print(section.title, flush=True)
    for command in ("pacs", "web", "engine", "serve"):
        start_s = _serve_s if command == "serve" else _start_s
        samples = [start_s(site, command) for _ in range(TIMES)]
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


def _serve_s(site: Site, command: str) -> float:
    log = site.path.parent / f"{command}.log"
    before = log.stat().st_size if log.exists() else 0
    began = time.perf_counter()
    with started(site, command) as process:
        while b"\nHealth " not in log.read_bytes()[before:]:
            assert process.poll() is None, "it ended before it was ready"
            assert time.perf_counter() - began < START_LIMIT_S, "it was not ready in time"
            time.sleep(0.01)  # it writes to a file
        return time.perf_counter() - began


def _without_libraries(site: Site) -> Site:
    """The same catalog under a configuration without robots, whose rules rest meanwhile: a start changes nothing."""
    config = site.config
    engine = {"libraries": (), "volume_pools": (), "policy": config.policy.model_copy(update={"tick_every_s": 3600})}
    config = config.model_copy(update=engine)
    path = site.path.parent / "start.toml"
    path.write_text(to_toml(config, only_set=True), encoding="utf-8")
    return replace(site, config=config, path=path)


def _await_ready(listening: socket.socket, process: subprocess.Popen[bytes]) -> None:
    while b"READY=1" not in listening.recv(4096):
        assert process.poll() is None, "it ended before it was ready"
