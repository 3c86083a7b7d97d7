"""Who gets into the API, and by what; the page of tokens."""

import re

import pytest

from hsm.access.roles import Right, Role
from tests.web.api.conftest import program
from tests.web.reader import read
from tests.web.test_security import ORIGIN, token_of
from tests.web.world import World, browser
from web.app import create_app

PROBLEM = "application/problem+json"


def test_a_token_opens_the_api_with_the_rights_of_its_owner(world: World) -> None:
    found = program(world, Role.STAFF).get("/api/v1/me")
    assert (found["name"], found["role"]) == ("a-staff", "staff")
    assert found["rights"] == ["metrics", "look", "recall", "store"]
    assert found["token"]["name"] == "test"


def test_a_token_opens_no_page(world: World) -> None:
    assert program(world).ask("GET", "/people").status_code == 303


@pytest.mark.parametrize("header", ["Bearer", "Bearer firn_wrong", "Basic YTpi", "", "Bearer \u00e4"])
def test_a_wrong_token_gets_a_problem_and_a_challenge(world: World, header: str) -> None:
    client = browser(world.services())  # also in a browser in which somebody is signed in
    answer = client.get("/api/v1/me", headers={"Authorization": header})
    assert (answer.status_code, answer.content_type) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json is not None and answer.json["type"] == "urn:firn:problem:not-signed-in"


def test_many_wrong_tokens_of_one_address_are_refused_and_a_right_one_still_works(world: World) -> None:
    right = program(world)
    right.client.environ_base["REMOTE_ADDR"] = "10.8.8.8"
    wrong = [right.client.get("/api/v1/me", headers={"Authorization": f"Bearer {n}"}) for n in range(32)]
    assert (wrong[0].status_code, wrong[-1].status_code) == (401, 429)
    assert wrong[-1].headers["Retry-After"]
    assert right.get("/api/v1/me")
    assert len(world.catalog.events.list(name="token_refused")) == 30


def test_a_scope_that_is_missing_is_named(world: World) -> None:
    answer = program(world, Role.ADMINISTRATOR, Right.METRICS).get("/api/v1/me", 403)
    assert "scope look" in answer["detail"]


def test_what_the_api_does_not_have_is_a_problem_too(world: World) -> None:
    boss = program(world)
    assert boss.get("/api/v1/nothing", 404)["type"] == "urn:firn:problem:not-found"
    assert boss.ask("POST", "/api/v1/me").status_code == 405
    assert create_app(world.services()).test_client().get("/api/v1/nothing").status_code == 401


def test_a_session_opens_the_api_too_unless_its_password_must_be_changed(world: World) -> None:
    client = browser(world.services())
    answer = client.get("/api/v1/me")
    assert answer.json is not None and answer.json["token"] is None
    world.catalog.accounts.set_password("a-administrator", "x", True, "test", world.clock.now())
    assert client.get("/api/v1/me").status_code == 401, "the session ended"
    again = browser(world.services()).get("/api/v1/me")
    assert again.status_code == 403 and again.json is not None and "/password" in again.json["detail"]


# -- the page ----------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_works_until_it_is_taken_back(world: World) -> None:
    client = browser(world.services(), Role.VIEWER)
    form = {"form_token": token_of(client, "/tokens"), "name": "<b>script", "scope": ["look"], "days": "30"}
    shown = client.post("/tokens", headers={"Origin": ORIGIN}, data=form)
    made = re.search(r"firn_[\w-]{43}", shown.text)
    assert shown.status_code == 200 and made and read(shown.text).faults == []
    headers = {"Authorization": f"Bearer {made[0]}"}
    stranger = create_app(world.services()).test_client()
    assert stranger.get("/api/v1/me", headers=headers).status_code == 200
    listed = client.get("/tokens").text
    assert made[0] not in listed and "&lt;b&gt;script" in listed and "127.0.0.1" in listed
    (record,) = world.catalog.tokens.list()
    answer = client.post(
        f"/tokens/{record.id}/revoke", headers={"Origin": ORIGIN}, data={"form_token": form["form_token"]}
    )
    assert answer.status_code == 303
    assert stranger.get("/api/v1/me", headers=headers).status_code == 401
    assert "taken back" in client.get("/tokens").text


def test_wrong_fields_say_what_is_wrong(world: World) -> None:
    client = browser(world.services(), Role.VIEWER)
    token = token_of(client, "/tokens")
    for form, words in (
        ({"name": "", "scope": "look", "days": ""}, "what the token is for"),
        ({"name": "x", "days": ""}, "at least one thing"),
        ({"name": "x", "scope": "look", "days": "7"}, "how long it lives"),
        ({"name": "x", "scope": "rules", "days": ""}, "no right to rules"),
    ):
        answer = client.post("/tokens", headers={"Origin": ORIGIN}, data={"form_token": token, **form})
        assert answer.status_code == 422 and words in read(answer.text).text
    assert world.catalog.tokens.list() == []


def test_one_sees_ones_own_tokens_and_the_administrator_everybodys(world: World) -> None:
    program(world, Role.STAFF)
    viewer, boss = browser(world.services(), Role.VIEWER), browser(world.services())
    assert "No token yet" in viewer.get("/tokens").text
    assert "a-staff" in boss.get("/tokens").text
    (record,) = world.catalog.tokens.list()
    for client, number, status in ((viewer, record.id, 404), (viewer, 2**60, 404), (boss, record.id, 303)):
        form = {"form_token": token_of(client, "/tokens")}
        answer = client.post(f"/tokens/{number}/revoke", headers={"Origin": ORIGIN}, data=form)
        assert answer.status_code == status
