"""Targets, rules and a test, on the page."""

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flask.testing import FlaskClient

from hsm.catalog.errors import NotCatalogued
from hsm.notices.model import Calendar, NoticeRefused, Rule, Target, TargetKind, version_of
from hsm.notices.sending import SendSettings
from tests.web.reader import read
from tests.web.test_peers import send
from tests.web.world import World, browser

TARGET = {"name": "Ops", "kind": "mail", "address": "ops@example.org"}
RULE = {"target": "Ops", "level": "warning", "events": "drive_*", "subject": "*", "calendar": "night"}


def admin(world: World) -> FlaskClient:
    return browser(replace(world.services(), send=SendSettings()))


def test_targets_and_rules_are_made_shown_and_removed(world: World) -> None:
    client = admin(world)
    assert "Nobody is told of anything yet" in client.get("/notifications").text
    assert send(client, "/notifications/targets", **TARGET)[0] == 303
    status, html = send(client, "/notifications/rules", **RULE)
    assert status == 303 and "drive_*" in html
    assert read(html).faults == []
    assert world.catalog.notices.rules() == [Rule(1, "Ops", "warning", "drive_*", "*", Calendar.NIGHT)]
    assert send(client, "/notifications/rules/1/remove")[0] == 303
    assert send(client, "/notifications/rules/1/remove")[0] == 404
    assert "type Ops into the field" in send(client, "/notifications/targets/Ops/remove", typed="x")[1]
    assert send(client, "/notifications/targets/Ops/remove", typed="Ops")[0] == 303
    assert world.catalog.notices.targets() == []
    assert send(client, "/notifications/targets/Ops/remove", typed="Ops")[0] == 404


def test_targets_and_rules_are_changed_unless_somebody_was_faster(world: World) -> None:
    client, notices = admin(world), world.catalog.notices
    send(client, "/notifications/targets", **TARGET)
    send(client, "/notifications/rules", **RULE)
    (target,), (rule,) = notices.targets(), notices.rules()
    first, second = version_of(target), version_of(rule)
    assert f'value="{first}"' in client.get("/notifications/targets/Ops").text
    assert f'value="{second}"' in client.get("/notifications/rules/1").text
    change = {"seen": first, "kind": "webhook", "address": "https://ops.example/firn"}
    status, html = send(client, "/notifications/targets/Ops", **{**change, "address": "nowhere"})
    assert status == 422 and "address-says" in read(html).ids and 'value="nowhere"' in html
    assert send(client, "/notifications/targets/Ops", **change)[0] == 303
    status, html = send(client, "/notifications/targets/Ops", **{**change, "address": "https://late.example/"})
    assert status == 409 and "https://ops.example/firn" in html and "late" not in html
    assert notices.targets() == [Target("Ops", TargetKind.WEBHOOK, "https://ops.example/firn")]
    wanted = {**RULE, "seen": second, "level": "error", "events": "volume_*"}
    assert send(client, "/notifications/rules/1", **{**wanted, "calendar": "never"})[0] == 422
    assert send(client, "/notifications/rules/1", **wanted)[0] == 303
    assert send(client, "/notifications/rules/1", **{**wanted, "events": "late_*"})[0] == 409
    assert notices.rules() == [Rule(1, "Ops", "error", "volume_*", "*", Calendar.NIGHT)]
    for path in ("/notifications/rules/2", "/notifications/targets/Nobody"):
        assert client.get(path).status_code == 404
    with pytest.raises(NotCatalogued):
        notices.change_rule(replace(rule, id=9), "", "x", world.clock.now())
    with pytest.raises(NotCatalogued):
        notices.change_target(replace(target, name="Nobody"), "", "x", world.clock.now())
    with pytest.raises(NoticeRefused):
        notices.change_rule(replace(rule, target="Gone"), version_of(notices.rules()[0]), "x", world.clock.now())


def test_wrong_fields_are_said_beside_them(world: World) -> None:
    client = admin(world)
    status, html = send(client, "/notifications/targets", **{**TARGET, "address": "nobody", "name": "<b>"})
    assert status == 422 and {"name-says", "address-says"} <= set(read(html).ids)
    world.catalog.notices.add_target(Target("Ops", TargetKind.MAIL, "a@b.c"), "x", world.clock.now())
    status, html = send(client, "/notifications/rules", **{**RULE, "events": "Über", "level": "loud"})
    assert status == 422 and {"events-says", "level-says"} <= set(read(html).ids)
    assert world.catalog.notices.rules() == []


def test_a_test_shows_the_answer(world: World) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(202, "Fine")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    now = world.clock.now()
    address = f"http://127.0.0.1:{server.server_port}/"
    world.catalog.notices.add_target(Target("Hook", TargetKind.WEBHOOK, address), "x", now)
    world.catalog.notices.add_target(Target("Ops", TargetKind.MAIL, "a@b.c"), "x", now)
    client = admin(world)
    assert "answers 202 Fine" in send(client, "/notifications/targets/Hook/test")[1]
    server.shutdown()
    thread.join()
    server.server_close()
    assert "did not go" in send(client, "/notifications/targets/Ops/test")[1]
    assert send(client, "/notifications/targets/Nobody/test")[0] == 404
    assert send(browser(world.services()), "/notifications/targets/Ops/test")[0] == 409


def test_an_address_of_mail_is_set_for_a_person(world: World) -> None:
    client = admin(world)
    assert "is told at b@example.org" in send(client, "/people/a-administrator/mail", mail="b@example.org")[1]
    assert "no address of mail" in send(client, "/people/a-administrator/mail", mail="b")[1]
    kept = world.catalog.accounts.find("a-administrator")
    assert kept is not None and kept.mail == "b@example.org"
