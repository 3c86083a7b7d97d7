"""The audit trail reaches a real syslog server, over TLS, TCP and UDP, and waits for one that is away."""

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from drivers.clock import VirtualClock
from hsm.access.actor import FIRN, Actor, Via
from hsm.atna.messages import Station
from hsm.atna.shipper import FIGURE, Shipper
from hsm.atna.syslog import SyslogSettings
from hsm.catalog import Catalog
from hsm.catalog.audit import ObjectKind
from tests.e2e.house import wait_until
from tests.hsm.catalog.world import START
from tests.support.certificates import Authority
from tests.support.ports import free_port

Transport = Literal["tls", "tcp", "udp"]
WHO = Actor("CT1", Via.DICOM, "192.0.2.7")
CONF = """
global(workDirectory="{folder}" maxMessageSize="256k" DefaultNetstreamDriverCAFile="{ca}"
       DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}")
template(name="whole" type="list") {{ property(name="rawmsg") constant(value="\\n") }}
module(load="imudp")
module(load="imtcp" StreamDriver.Name="{driver}" StreamDriver.Mode="{mode}" StreamDriver.AuthMode="{auth}")
{input}
action(type="omfile" file="{folder}/messages" template="whole")
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog."""
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[Transport, int, Authority], Path]]:
    """Starts rsyslog; where it writes what it is sent."""
    started: list[subprocess.Popen[bytes]] = []

    def start(transport: Transport, port: int, authority: Authority) -> Path:
        certificate, key = authority.issue("localhost")
        tls = transport == "tls"
        kind = "imudp" if transport == "udp" else "imtcp"
        conf = tmp_path / "rsyslog.conf"
        conf.write_text(
            CONF.format(
                folder=tmp_path,
                ca=authority.certificate,
                certificate=certificate,
                key=key,
                driver="ossl" if tls else "ptcp",
                mode=int(tls),
                auth="x509/certvalid" if tls else "anon",
                input=f'input(type="{kind}" address="127.0.0.1" port="{port}")',
            )
        )
        argv = ["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(tmp_path / "pid")]
        started.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: listens(port, transport), "rsyslog listens")
        return tmp_path / "messages"

    yield start
    for process in started:
        process.kill()
        process.wait(20)


def listens(port: int, transport: Transport) -> bool:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as probe:
        if transport == "udp":
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return True
            return False
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_the_trail_reaches_rsyslog(
    catalog: Catalog, server: Callable[[Transport, int, Authority], Path], tmp_path: Path, transport: Transport
) -> None:
    authority, port, clock = Authority(tmp_path / "authority"), free_port(), VirtualClock(START)
    certificate, key = authority.issue("firn")
    settings = SyslogSettings("localhost", port, transport, authority.certificate, certificate, key)
    catalog.audit.record(FIRN, "application_started", ObjectKind.PEER, "FIRN", START)
    shipper = Shipper(catalog, settings, Station("FIRN", "house", "archive"), clock)
    assert shipper.round() == 0, "what was before the server was named stays here"
    large = {"query": "A" * 40_000}  # 32 kB and more must pass: PS3.15 A.6
    catalog.audit.record(WHO, "queried", ObjectKind.PEER, "CT1", START, fields=large)
    catalog.audit.record(WHO, "instances_received", ObjectKind.STUDY, "1.2.3", START)
    file = server(transport, port, authority)
    assert shipper.round() == 2
    wait_until(lambda: file.exists() and file.read_text().count("</AuditMessage>") == 2, "both arrive")
    text = file.read_text()
    assert re.findall(r'<EventID csd-code="(\d+)"', text) == ["110112", "110104"]
    assert "A" * 40_000 in text
    assert Shipper(catalog, settings, Station("FIRN", "house", "archive"), clock).round() == 0, (
        "how far it is, is known"
    )


def test_a_server_that_is_away_is_told_of_and_gets_everything_later(
    catalog: Catalog, server: Callable[[Transport, int, Authority], Path], tmp_path: Path
) -> None:
    authority, port, clock = Authority(tmp_path / "authority"), free_port(), VirtualClock(START)
    shipper = Shipper(catalog, SyslogSettings("localhost", port, "tcp"), Station("FIRN", "h", "archive"), clock)
    shipper.round()
    catalog.audit.record(WHO, "instances_received", ObjectKind.STUDY, "1.2.3", START)
    for _ in range(2):
        assert shipper.round() == 0
    assert "refused" in catalog.figures.latest([FIGURE])[FIGURE].value["error"]
    assert len(catalog.events.list(name="audit_syslog_unreachable")) == 1, "once an hour is enough"
    assert catalog.audit.waiting(catalog.figures.latest([FIGURE])[FIGURE].value["up_to"]) == 1
    file = server("tcp", port, authority)
    assert shipper.round() == 1
    wait_until(lambda: file.exists() and "1.2.3" in file.read_text(), "it arrives")
    assert len(catalog.events.list(name="audit_syslog_again")) == 1
    assert catalog.figures.latest([FIGURE])[FIGURE].value["error"] == ""
