"""What other sites, other names and hostile forms cannot do."""

import re

import pytest
from flask.testing import FlaskClient

from hsm.states import JobKind
from tests.web.world import World, browser
from web.app import create_app
from web.security import MAX_FORM_BYTES, host_is_answered

ORIGIN = "http://localhost"


def token_of(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:8080"]
)
def test_loopback_names_are_answered(host: str) -> None:
    assert host_is_answered(host, ())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8080",
        "user@localhost",
        "localhost/evil",
        "10.0.0.5",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
        "[::1",
        "[]",
        "2130706433",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    assert not host_is_answered(host, ("archive.example",))


def test_names_the_configuration_trusts_are_answered() -> None:
    assert host_is_answered("Archive.Example:8443", ("archive.example.",))


@pytest.mark.parametrize("path", ["/", "/studies", "/readyz", "/static/firn.css", "/nowhere"])
def test_a_rebound_name_gets_a_clear_refusal(busy_client: FlaskClient, path: str) -> None:
    answer = busy_client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "trusted hosts" in answer.text


@pytest.mark.parametrize("path", ["/", "/studies", "/nowhere", "/static/firn.css", "/healthz"])
def test_every_answer_carries_the_strict_headers(busy_client: FlaskClient, path: str) -> None:
    headers = busy_client.get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    if not path.startswith("/static"):
        assert headers["Cache-Control"] == "no-store"


def test_a_form_from_elsewhere_is_refused_and_changes_nothing(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    path = f"/studies/{uid}"
    good = token_of(client, path)
    for headers, token in (
        ({}, good),
        ({"Origin": "http://evil.example"}, good),
        ({"Origin": "null"}, good),
        ({"Origin": ORIGIN}, "wrong"),
        ({"Origin": ORIGIN}, ""),
        ({"Origin": ORIGIN}, "ä"),
    ):
        answer = client.post(f"{path}/recall", headers=headers, data={"form_token": token})
        assert answer.status_code == 403
    assert world.catalog.jobs.list(kinds=(JobKind.RECALL,)) == []


def test_a_token_of_another_browser_is_refused(world: World) -> None:
    uid = world.nearline()
    stolen = token_of(browser(world.services()), f"/studies/{uid}")
    mine = browser(world.services())
    answer = mine.post(f"/studies/{uid}/recall", headers={"Origin": ORIGIN}, data={"form_token": stolen})
    assert answer.status_code == 403
    assert "Reload" in answer.text


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(world: World) -> None:
    answer = create_app(world.services(secure_cookies=True)).test_client().get("/sign-in")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Secure"} <= set(cookie.split("; "))


def test_what_supervisors_ask_sets_no_cookie(world: World) -> None:
    client = create_app(world.services()).test_client()
    assert "Set-Cookie" not in client.get("/healthz").headers
    assert "Set-Cookie" not in client.get("/readyz").headers


def test_too_much_is_refused(busy_client: FlaskClient) -> None:
    form = {"form_token": "x" * MAX_FORM_BYTES}
    answer = busy_client.post("/studies/1/recall", headers={"Origin": ORIGIN}, data=form)
    assert answer.status_code == 413
