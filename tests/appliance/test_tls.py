"""Certificates: read, used, and watched until they run out."""

import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.config import Config, check
from appliance.config.dicom import TlsSection
from appliance.config.schema import WebSection
from appliance.expiry import look_at_certificates
from appliance.tls import TlsUnusable, client_context, ends_at, server_context
from drivers.clock import VirtualClock
from hsm.catalog import Catalog
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("days", [3, 40000])  # two ways to write a time: RFC 5280 section 4.1.2.5
def test_the_end_of_a_certificate_is_what_openssl_says(house: Authority, days: int) -> None:
    certificate, _ = house.issue(f"days{days}", days)
    argv = ["openssl", "x509", "-in", str(certificate), "-noout", "-enddate"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip().removeprefix("notAfter=")
    assert ends_at(certificate) == datetime.fromtimestamp(ssl.cert_time_to_seconds(said), UTC)


def test_what_is_no_certificate_is_said_to_be_none(house: Authority, tmp_path: Path) -> None:
    certificate, key = house.issue("good")
    cut = tmp_path / "cut.pem"
    lines = certificate.read_text().splitlines()
    cut.write_text("\n".join([lines[0], lines[1], lines[-1]]))
    for path in (tmp_path / "none.pem", key, cut):
        with pytest.raises(TlsUnusable, match=str(path)):
            ends_at(path)


def test_files_that_do_not_fit_are_named(house: Authority, tmp_path: Path) -> None:
    certificate, key = house.issue("one")
    _, other = house.issue("two")
    with pytest.raises(TlsUnusable, match="key values mismatch"):
        server_context(Config(tls=TlsSection(port=2762, certificate_file=certificate, key_file=other)))
    with pytest.raises(TlsUnusable, match=r"authorities .*key.pem cannot be used"):
        client_context(Config(tls=TlsSection(authorities_file=key)))
    assert server_context(Config()) is None
    assert client_context(Config()).check_hostname


def test_a_configuration_without_the_files_it_names_is_refused(house: Authority, tmp_path: Path) -> None:
    certificate, key = house.issue("here")

    def faults(text: str) -> list[str]:
        path = tmp_path / "firn.toml"
        path.write_text(text)
        return [f"{fault.key}: {fault.wrong}" for fault in check(path, {})]

    assert faults(f'[tls]\nport = 2762\ncertificate_file = "{certificate}"\n') == [
        "tls.key_file: it is missing",
        "tls.authorities_file: it is missing, and without it no caller's certificate can be checked",
    ]
    assert faults("[tls]\nport = 8080\n[web]\nport = 8080\n")[0] == "tls.port: 8080 is web.port too"
    gone = tmp_path / "gone.pem"
    assert faults(f'[web]\ncertificate_file = "{gone}"\nkey_file = "{key}"\n') == [
        f"web.certificate_file: there is no file {gone}, or this user may not see it"
    ]
    wrong = faults('[[peer]]\nae_title = "A"\nhost = "h"\naddresses = ["10.0.0.0/99"]\nrights = ["fly"]\n')
    assert {fault.split(":", 1)[0] for fault in wrong} == {"peer[1].addresses", "peer[1].rights[1]", "peer[1].rights"}


def test_a_certificate_that_runs_out_is_told_of(house: Authority, tmp_path: Path) -> None:
    certificate, key = house.issue("short", 40)
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    config = Config(
        tls=TlsSection(certificate_file=certificate, key_file=key),
        web=WebSection(certificate_file=broken, key_file=key),
    )
    catalog, clock = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}"), VirtualClock(datetime.now(UTC))

    def told() -> list[tuple[str, str, str]]:
        look_at_certificates(config, catalog, clock)
        return [(event.level, event.name, event.subject) for event in catalog.events.list(limit=2)]

    assert told() == [("error", "certificate_unreadable", "web.certificate_file")]
    clock.sleep(15 * 86400)
    assert told()[1] == ("warning", "certificate_expires", "tls.certificate_file")
    clock.sleep(30 * 86400)
    assert told()[1] == ("error", "certificate_expired", "tls.certificate_file")
    catalog.close()
