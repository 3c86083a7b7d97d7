"""Who gets in, and who may do what: every route with every role."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from hsm.access.lockout import FREE_TRIES
from hsm.access.roles import Right, Role, may
from tests.web.reader import read
from tests.web.test_security import ORIGIN, token_of
from tests.web.world import World, browser
from web.access import passwords
from web.access.gate import RouteUnguarded, guard, needed, within
from web.app import create_app

PASSWORD = "correct horse battery"
ANSWERS = {
    "ae_title": "WS1",
    "rule_id": "1",
    "uid": "1.2.3.9",
    "barcode": "A00001L8",
    "job_id": "1",
    "token_id": "1",
    "study_instance_uid": "1.2.3.9",
    "recall_id": "1",
    "hold_id": "1",
    "version": "1",
    "library": "tape",
    "delivery_id": "1",
    "number": "1",
    "index": "0",
    "step": "pause",
    "name": "a-viewer",
    "filename": "firn.css",
    "study": "1.2.3.9",
    "series": "1.2.3.9.1",
    "instance": "1.2.3.9.1.2",
    "sop": "1.2.3.9.1.2",
    "order_id": "1",
    "transaction": "1.2.3.99",
    "numbers": "1",
    "path": "7FE00010",
}


@pytest.fixture
def anna(world: World) -> World:
    """An archive where Anna, of the staff, has an account."""
    now = world.clock.now()
    world.catalog.accounts.add("anna", "Anna", Role.STAFF, passwords.hashed(PASSWORD), False, "test", now)
    return world


def stranger(world: World) -> FlaskClient:
    return create_app(world.services()).test_client()


def sign_in(client: FlaskClient, name: str = "anna", password: str = PASSWORD, **more: str) -> str:
    """Fill the form in; where that leads, or what the page says."""
    form = {"form_token": token_of(client, "/sign-in"), "name": name, "password": password, **more}
    answer = client.post("/sign-in", headers={"Origin": ORIGIN}, data=form)
    return answer.headers.get("Location", "") or f"{answer.status_code} {read(answer.text).text}"


def act(client: FlaskClient, path: str, **form: str) -> tuple[int, str]:
    """Press a button of a page."""
    token = token_of(client, "/password")
    answer = client.post(path, headers={"Origin": ORIGIN}, data={"form_token": token, **form}, follow_redirects=True)
    return answer.status_code, read(answer.text).text


# -- every route, every role -------------------------------------------------------------------------------------


def routes(app: Flask) -> list[tuple[Rule, str, str]]:
    """Every route with a method and an address that exists, or nearly."""
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
        return [
            (rule, method, adapter.build(rule.endpoint, {key: ANSWERS[key] for key in rule.arguments}, method=method))
            for rule in app.url_map.iter_rules()
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})[:1]
        ]


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_refuses_everyone_without_the_right(world: World, role: Role | None) -> None:
    world.nearline()
    browser(world.services(), Role.VIEWER)
    app = create_app(world.services())
    tried = 0
    for rule, method, path in routes(app):
        rights = needed(app, rule.endpoint)
        client = app.test_client() if role is None else browser(world.services(), role, app)
        allowed = all(role is not None and may(role, right) for right in rights)
        if method == "GET":
            answer = client.get(path)
        elif path.startswith("/api/"):
            answer = client.open(path, method=method, headers={"Origin": ORIGIN}, json={})
        else:
            token = token_of(client, "/sign-in" if role is None else "/password")
            answer = client.open(path, method=method, headers={"Origin": ORIGIN}, data={"form_token": token})
        answer.close()  # a stream would stay open
        refused = answer.status_code in (401, 403) or "/sign-in?" in answer.headers.get("Location", "")
        refused = refused or (role is None and answer.headers.get("Location") == "/sign-in")
        assert refused is not allowed, f"{rule.endpoint} as {role}: {answer.status}"
        if refused and path.startswith("/api/") and path != "/api/v1/docs":
            assert answer.content_type == "application/problem+json"
        tried += 1
    assert tried > 20


def test_a_route_that_does_not_say_who_may_use_it_cannot_be_served(world: World) -> None:
    app = Flask("lame")
    app.add_url_rule("/open", "open", lambda: "everything")
    with pytest.raises(RouteUnguarded, match="open"):
        guard(app)


def test_a_page_that_does_not_exist_tells_a_stranger_nothing(world: World) -> None:
    assert stranger(world).get("/nowhere").headers["Location"].startswith("/sign-in")
    assert browser(world.services()).get("/nowhere").status_code == 404


def test_only_what_a_role_may_do_is_offered(world: World) -> None:
    uid = world.nearline()
    page = read(browser(world.services(), Role.VIEWER).get(f"/studies/{uid}").text)
    assert "may look at studies, not ask for them" in page.text
    assert "People" not in page.labelled
    assert "People" in read(browser(world.services()).get("/").text).labelled


# -- coming in and going out -------------------------------------------------------------------------------------


def test_who_knows_the_password_comes_in_and_is_led_where_she_wanted(anna: World) -> None:
    client = stranger(anna)
    led = client.get("/studies?q=x")
    assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/studies?q%3Dx")
    assert sign_in(client, " Anna ", next="/studies?q=x") == "/studies?q=x"
    assert "anna" in client.get("/studies").text
    (event,) = anna.catalog.events.list(name="signed_in")
    assert event.subject == "anna"
    assert client.get("/sign-in").status_code == 303


def test_a_wrong_name_and_a_wrong_password_look_the_same(anna: World) -> None:
    wrong = sign_in(stranger(anna), password="wrong")
    unknown = sign_in(stranger(anna), "nobody", "wrong").replace("nobody", "anna")
    assert wrong == unknown and wrong.startswith("422") and "wrong" in wrong
    assert sign_in(stranger(anna), "\x00", "x" * 5000).startswith("422")


def test_too_many_wrong_passwords_close_the_account_for_a_while(anna: World) -> None:
    client = stranger(anna)
    for _ in range(FREE_TRIES):
        assert sign_in(client, password="wrong").startswith("422")
    assert "closed for a while" in sign_in(client)
    anna.clock.sleep(61)
    assert sign_in(client) == "/"


def test_too_many_tries_from_one_address_are_refused_whatever_the_names(anna: World) -> None:
    client = stranger(anna)
    client.environ_base["REMOTE_ADDR"] = "10.9.9.9"
    said = [sign_in(client, f"name{n}", "wrong") for n in range(32)]
    assert said[0].startswith("422") and "Too many tries" in said[-1] and said[-1].startswith("429")


def test_a_closed_account_stays_outside_and_its_open_pages_end(anna: World) -> None:
    client = stranger(anna)
    sign_in(client)
    browser(anna.services())  # there is an administrator
    anna.catalog.accounts.disable("anna", "boss", anna.clock.now())
    assert client.get("/studies").status_code == 303
    assert sign_in(stranger(anna)).startswith("422")


def test_a_session_ends_by_itself_and_when_told(anna: World) -> None:
    client = stranger(anna)
    sign_in(client)
    assert client.get("/studies").status_code == 200
    status, _ = act(client, "/sign-out")
    assert status == 200
    assert client.get("/studies").status_code == 303
    sign_in(client)
    anna.clock.sleep(timedelta(hours=9).total_seconds())
    assert client.get("/studies").status_code == 303


def test_a_stolen_cookie_of_an_ended_session_is_worth_nothing(anna: World) -> None:
    client = stranger(anna)
    sign_in(client)
    cookie = client.get_cookie("firn_session")
    assert cookie is not None
    act(client, "/sign-out")
    thief = stranger(anna)
    thief.set_cookie("firn_session", cookie.value)
    assert thief.get("/studies").status_code == 303


def test_a_refreshing_part_is_led_to_the_sign_in_as_a_whole_page(anna: World) -> None:
    answer = stranger(anna).get("/jobs", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in?next=/jobs")


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "", "/a\nb"],
)
def test_nobody_is_sent_to_another_site_after_signing_in(address: str) -> None:
    assert within(address) == "/"


def test_an_address_of_ours_is_gone_on_to() -> None:
    assert within("/studies?q=a%20b") == "/studies?q=a%20b"


# -- passwords ---------------------------------------------------------------------------------------------------


def test_a_password_somebody_else_gave_must_be_changed_first(anna: World) -> None:
    anna.catalog.accounts.set_password("anna", passwords.hashed(PASSWORD), True, "boss", anna.clock.now())
    client = stranger(anna)
    sign_in(client)
    assert client.get("/studies").headers["Location"] == "/password"
    for form, wrong in (
        ({"old": "x", "new": "n" * 12, "again": "n" * 12}, "not your present password"),
        ({"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "present one"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "at least 10"),
        ({"old": PASSWORD, "new": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, "too easy"),
        ({"old": PASSWORD, "new": "anna-anna-4711", "again": "anna-anna-4711"}, "too easy"),
        ({"old": PASSWORD, "new": "staple of hay", "again": "staple of hey"}, "not the same"),
        ({"old": PASSWORD, "new": "ab" * 200, "again": "ab" * 200}, "at most"),
    ):
        status, text = act(client, "/password", **form)
        assert status == 422 and wrong in text, text
    other = stranger(anna)
    sign_in(other)
    status, text = act(client, "/password", old=PASSWORD, new="staple of hay", again="staple of hay")
    assert status == 200 and "is changed" in text
    assert other.get("/studies").status_code == 303
    assert sign_in(stranger(anna), password="staple of hay") == "/"


def test_one_time_passwords_differ_and_can_be_typed_from_paper() -> None:
    made = {passwords.one_time() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"([a-hj-km-np-z2-9]{4}-){3}[a-hj-km-np-z2-9]{4}", password) for password in made)
    assert all(passwords.what_is_wrong(password, "admin") == "" for password in made)


def test_a_damaged_hash_opens_nothing() -> None:
    assert not passwords.fits("not a hash", "x")
    assert not passwords.fits(None, "x")


# -- the administrator's page ------------------------------------------------------------------------------------


def test_an_administrator_makes_and_changes_accounts(world: World) -> None:
    client = browser(world.services())
    status, text = act(client, "/people", name="Bert", full_name="Bert <b>", role="archivist")
    assert status == 200
    given = re.search(r"([a-z0-9]{4}-){3}[a-z0-9]{4}", text)
    assert given and "Bert <b>" in text
    assert sign_in(stranger(world), "bert", given[0]) == "/"
    assert "staff now" in act(client, "/people/bert/role", role="staff")[1]
    found = world.catalog.accounts.find("bert")
    assert found is not None and found.role is Role.STAFF and not found.may(Right.RULES)
    assert "no longer" in act(client, "/people/bert/disable")[1]
    assert "can sign in again" in act(client, "/people/bert/enable")[1]
    status, text = act(client, "/people/bert/password")
    again = re.search(r"([a-z0-9]{4}-){3}[a-z0-9]{4}", text)
    assert again and again[0] != given[0]
    assert sign_in(stranger(world), "bert", again[0]) == "/"


def test_what_is_wrong_with_an_account_is_said_beside_the_field(world: World) -> None:
    client = browser(world.services())
    status, text = act(client, "/people", name="a b", full_name="Kept", role="staff")
    assert status == 422 and "no name to sign in with" in text
    assert act(client, "/people", name="ok", role="king")[0] == 422
    assert act(client, "/people/nobody/role", role="staff")[0] == 404
    assert act(client, "/people/a-administrator/role", role="king")[0] == 400
    assert "only administrator" in act(client, "/people/a-administrator/disable")[1]
    assert "only administrator" in act(client, "/people/a-administrator/role", role="viewer")[1]
    assert (
        "sessions have ended"
        in client.post(
            "/people/a-administrator/password",
            headers={"Origin": ORIGIN},
            data={"form_token": token_of(client, "/people")},
        ).text
    )


@pytest.mark.parametrize("path", ["/people", "/password"])
def test_pages_about_accounts_keep_to_the_strict_policy(world: World, path: str) -> None:
    assert read(browser(world.services()).get(path).text).faults == []


def test_the_sign_in_page_keeps_to_the_strict_policy_and_shows_the_notice(world: World) -> None:
    page = read(create_app(world.services(notice="Staff <only>")).test_client().get("/sign-in").text)
    assert page.faults == [] and "Staff <only>" in page.text
