"""The pages over https, as the configuration says."""

import http.client
import ssl
from pathlib import Path

import pytest

from tests.e2e.house import House, free_port
from tests.support.certificates import Authority

pytestmark = pytest.mark.crash


def test_the_pages_speak_https_with_the_certificate_of_the_configuration(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path / "authority"), free_port()
    certificate, key = authority.issue("localhost")
    house = House(tmp_path / "archive")
    house.build()
    try:
        web = f'\n[web]\nport = {port}\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n'
        house.config.write_text(house.config.read_text() + web)
        house.start("web")
        asked = http.client.HTTPSConnection(
            "localhost", port, context=ssl.create_default_context(cafile=str(authority.certificate)), timeout=20
        )
        asked.request("GET", "/sign-in")
        answer = asked.getresponse()
        assert answer.status == 200 and "Secure" in str(answer.headers["Set-Cookie"])
        asked.close()
        _, other = authority.issue("other")
        house.stop("web")
        house.config.write_text(house.config.read_text().replace(str(key), str(other)))
        house.firn("web", status=6)
    finally:
        house.close()
