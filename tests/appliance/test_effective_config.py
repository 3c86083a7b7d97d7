"""The configuration as read: each key says where it was said, and no secret is shown."""

from dataclasses import replace
from pathlib import Path

from appliance.config import load
from appliance.config.effective import HIDDEN, effective, shown
from hsm.access.roles import Role
from hsm.settings_read import SettingRead
from tests.web.reader import read
from tests.web.world import World, browser, new_catalog, new_world

FILE = """\
[catalog]
url = "postgresql://firn:s3cret@db/firn"

[dicom]
port = 104

[[peer]]
ae_title = "WS1"
host = "192.0.2.1"

[[library]]
name = "tape"
driver = "simulator"
options = { api_password = "s3cret", pace = 2 }
"""


def rows(tmp_path: Path, **environ: str) -> dict[tuple[str, str], SettingRead]:
    path = tmp_path / "firn.toml"
    path.write_text(FILE)
    return {(row.table, row.key): row for row in effective(load(path, environ), path, environ)}


def test_each_key_says_where_it_was_said(tmp_path: Path) -> None:
    found = rows(tmp_path, FIRN_WEB__PORT="9090")
    assert found["dicom", "port"].source == f"{tmp_path / 'firn.toml'}:5"
    assert (found["web", "port"].value, found["web", "port"].source) == ("9090", "FIRN_WEB__PORT")
    assert (found["dicom", "ae_title"].value, found["dicom", "ae_title"].source) == ("FIRN", "default")
    assert found["peer 1", "host"].source.endswith(":9")
    assert found["peer 1", "port"].is_default


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    found = rows(tmp_path)
    assert "s3cret" not in repr(found)
    assert found["catalog", "url"].value == "postgresql://firn:***@db/firn"
    assert shown("url", "postgresql://h/x?password=s3cret&sslmode=require").count("s3cret") == 0
    assert shown("url", "://s3cret") == HIDDEN
    assert shown("smtp_password_file", "/etc/firn/mail") == "/etc/firn/mail"
    assert shown("token", "") == "" and shown("token", "s3cret") == HIDDEN


def test_the_page_shows_it_to_administrators(tmp_path: Path) -> None:
    world: World = new_world(tmp_path, new_catalog(tmp_path))
    services = replace(world.services(), configuration=tuple(rows(tmp_path).values()))
    page = read(browser(services).get("/settings").text)
    assert page.faults == [] and "WS1" in page.text and "s3cret" not in page.text
    changed = read(browser(services).get("/settings?only=changed").text)
    assert "WS1" in changed.text and "acceptors" not in changed.text
    assert "without a configuration" in browser(world.services()).get("/settings").text
    assert browser(services, Role.ARCHIVIST).get("/settings").status_code == 403
    world.catalog.close()
