"""Associations over TLS in both directions, with and without certificates of the peers."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.build import dimse_settings
from appliance.config import Config
from appliance.config.dicom import DicomSection, TlsSection
from appliance.dimse.echo import echo
from hsm.peers.model import PeerRecord
from tests.appliance.dimse.conftest import Node
from tests.support.certificates import Authority

pytestmark = pytest.mark.peer
Started = Callable[..., Node]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the node and for its peers."""
    return Authority(tmp_path_factory.mktemp("authority"))


def over_tls(house: Authority, **tls: Any) -> dict[str, Any]:
    """The settings of a node that is configured so, as the configuration makes them."""
    certificate, key = house.issue("firn")
    files = {"certificate_file": certificate, "key_file": key, "authorities_file": house.certificate}
    made = dimse_settings(Config(dicom=DicomSection(), tls=TlsSection(port=11112, **{**files, **tls})))
    return {"tls": made.tls, "tls_port": made.tls_port, "client_tls": made.client_tls}


def echoscu(port: int, *options: object) -> subprocess.CompletedProcess[str]:
    argv = ["/usr/bin/echoscu", *map(str, options), "-aec", "FIRN", "localhost", str(port)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


def test_a_caller_needs_a_certificate_that_our_authority_gave(start: Started, house: Authority, tmp_path: Path) -> None:
    node = start(**over_tls(house))
    certificate, key = house.issue("modality")
    strange_certificate, strange_key = Authority(tmp_path / "other").issue("stranger")
    trust = ("+cf", house.certificate)
    assert echoscu(node.server.port, "+tls", key, certificate, *trust).returncode == 0
    assert echoscu(node.server.port, "+tls", strange_key, strange_certificate, *trust).returncode != 0
    assert echoscu(node.server.port, "+tla", *trust).returncode != 0
    assert echoscu(node.server.port).returncode != 0
    told = node.archive.catalog.events.list(name="association_refused")
    assert {event.fields["address"] for event in told} == {"127.0.0.1"}
    assert any("TLS" in event.fields["reason"] for event in told)


@pytest.mark.parametrize("profile", ["rfc9325", "non_downgrading"])
def test_certificates_of_callers_can_be_optional_and_the_plain_port_stays(
    start: Started, house: Authority, profile: str
) -> None:
    settings = over_tls(house, client_certificates="optional", profile=profile)
    node = start(**{**settings, "tls_port": 0})
    assert echoscu(node.server.tls_port, "+tla", "+cf", house.certificate).returncode == 0
    assert echoscu(node.server.port).returncode == 0
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA")  # without AEAD, TLS 1.2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", node.server.tls_port)) as sock, pytest.raises(ssl.SSLError):
        old.wrap_socket(sock)


def test_a_peer_is_called_over_tls_and_must_be_who_it_says(start: Started, house: Authority, tmp_path: Path) -> None:
    settings = over_tls(house)
    node = start(**settings)
    ours = replace(node.settings, tls=None)
    peer = PeerRecord("FIRN", "localhost", node.server.port, tls=True)
    assert echo(ours, peer).answered
    assert "names no" in echo(replace(ours, client_tls=None), peer).text
    assert "does not associate" in echo(ours, replace(peer, tls=False)).text
    stranger = over_tls(Authority(tmp_path / "other"))["client_tls"]
    assert "is not trusted over TLS" in echo(replace(ours, client_tls=stranger), peer).text
