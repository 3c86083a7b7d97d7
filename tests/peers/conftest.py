"""One node for a module, plain and over TLS, with all that a running one has beside it; and its foreign peers."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.build import dimse_settings
from appliance.config import Config
from appliance.config.dicom import DicomSection, TlsSection
from appliance.dimse.deliver import Deliverer
from appliance.dimse.reporter import Reporter
from appliance.dimse.server import DimseServer
from appliance.dimse.settings import Peer
from drivers.clock import SystemClock
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.mover.outcome import RetrySettings
from hsm.pool import OnlinePool
from tests.e2e.house import wait_until
from tests.support.certificates import Authority
from tests.support.ports import free_port

LIMIT_S = 60.0


@dataclass
class Firn:
    """A node, and who vouches for it and its peers."""

    archive: Archive
    server: DimseServer
    authority: Authority
    peers: dict[str, Peer]
    certificates: dict[str, tuple[Path, Path]] = field(default_factory=dict)

    def port(self, tls: bool) -> int:
        """Where to call it."""
        return self.server.tls_port if tls else self.server.port

    def certificate(self, name: str) -> tuple[Path, Path]:
        """A peer's certificate and key, made once."""
        if name not in self.certificates:
            self.certificates[name] = self.authority.issue(name)
        return self.certificates[name]

    def dcmtk_tls(self, tls: bool) -> tuple[object, ...]:
        """The options by which DCMTK's programs speak TLS as somebody whom the node believes."""
        if not tls:
            return ()
        certificate, key = self.certificate("dcmtk")
        return ("+tls", key, certificate, "+cf", self.authority.certificate)


@pytest.fixture(scope="module")
def firn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firn]:
    """A running node with an empty archive."""
    folder = tmp_path_factory.mktemp("firn")
    authority = Authority(folder / "authority")
    certificate, key = authority.issue("firn")
    tls = TlsSection(
        port=free_port(), certificate_file=certificate, key_file=key, authorities_file=authority.certificate
    )
    settings = dimse_settings(Config(dicom=DicomSection(port=free_port(), keepalive_s=1), tls=tls))
    peers: dict[str, Peer] = {}
    object.__setattr__(settings, "peers", peers)  # which peers there are turns out when they listen
    object.__setattr__(settings, "report_poll_s", 0.05)
    with ExitStack() as stack:
        catalog = Catalog.open(f"sqlite:///{folder / 'catalog.db'}")
        stack.callback(catalog.close)
        archive = Archive(catalog, OnlinePool.create([folder / "pool"], 0, folder / "quarantine"), SystemClock())
        server, reporter = DimseServer(archive, settings), Reporter(archive, settings)
        deliverer = Deliverer(archive, settings, RetrySettings(first_s=0.1, max_s=1.0), workers=1, poll_s=0.05)
        for part in (server, reporter, deliverer):
            part.start()
            stack.callback(part.stop)
        yield Firn(archive, server, authority, peers)


def tool(name: str, *arguments: object, status: int | None = 0) -> str:
    """What a program of DCMTK says; pynetdicom installs others under the same names, so the path is spelled out."""
    argv = [f"/usr/bin/{name}", *map(str, arguments)]
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, errors="replace", timeout=LIMIT_S,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert status is None or done.returncode == status, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def running() -> Iterator[Callable[..., None]]:
    """Starts foreign servers (argv, and what tells that they answer), and ends them."""
    with ExitStack() as stack:

        def start(argv: list[object], answers: Callable[[], bool], cwd: Path | None = None) -> None:
            process = subprocess.Popen(
                list(map(str, argv)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd
            )
            stack.callback(process.wait, LIMIT_S)
            stack.callback(process.kill)

            def there() -> bool:
                assert process.poll() is None, f"{argv[0]} ended"
                return answers()

            wait_until(there, f"{argv[0]} answers", LIMIT_S)

        yield start
