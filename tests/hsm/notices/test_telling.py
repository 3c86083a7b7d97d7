"""Messages to a real SMTP server and a real web server, on loopback, and an outbox that outlives both being away."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from drivers.clock import VirtualClock
from hsm.access.roles import Role
from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from hsm.facts import PoolFile
from hsm.notices.dispatch import Dispatcher, send_test
from hsm.notices.model import Calendar, NoticeRefused, NotTold, Rule, Target, TargetKind
from hsm.notices.sending import SIGNATURE_HEADER, SendSettings, as_fields, signature
from tests.support.certificates import server_and_client
from tests.web.world import World, new_catalog, new_world

PASSWORD = "correct horse"
NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)


class Post:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        self.refuses = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 kept"


class Web:
    """A web server that keeps what it is posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posts.append((self.path, dict(self.headers), body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?a=1"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def post() -> Iterator[tuple[Post, SendSettings]]:
    kept = Post()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield kept, SendSettings("St. Mary", "", "127.0.0.1", controller.port, "none", sender="firn@example.org")
    controller.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path, new_catalog(tmp_path))
    made.catalog.notices.route(made.clock.now().tzinfo, made.clock.now())  # type: ignore[arg-type]
    yield made
    made.catalog.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def tell(catalog: Catalog, clock: VirtualClock, kind: TargetKind, address: str, level: str = "warning") -> None:
    catalog.notices.add_target(Target("ops", kind, address), "boss", clock.now())
    catalog.notices.add_rule(Rule(0, "ops", level, "*", "*", Calendar.ALWAYS), "boss", clock.now())


def test_an_event_becomes_a_mail_and_is_told_once(world: World, post: tuple[Post, SendSettings]) -> None:
    kept, settings = post
    tell(world.catalog, world.clock, TargetKind.MAIL, "ops@example.org")
    world.catalog.events.record("error", "drive_failed", "TD1", {"reason": "three errors"}, world.clock.now())
    world.catalog.events.record("info", "signed_in", "anna", {}, world.clock.now())
    dispatcher = Dispatcher(world.catalog, settings, world.clock)
    assert (dispatcher.round(), dispatcher.round()) == (1, 0)
    recipients, mail = kept.mails[0]
    assert recipients == ["ops@example.org"]
    assert mail["Subject"] == "[St. Mary] error: drive failed (TD1)"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [row.state for row in world.catalog.notices.outbox()] == ["told"]


def test_nobody_is_told_of_the_past(tmp_path: Path, web: Web) -> None:
    made = new_world(tmp_path, new_catalog(tmp_path))
    made.catalog.events.record("error", "drive_failed", "TD1", {}, made.clock.now())
    tell(made.catalog, made.clock, TargetKind.WEBHOOK, web.address)
    assert Dispatcher(made.catalog, SendSettings(), made.clock).round() == 0
    made.catalog.close()


def test_a_webhook_is_signed_json(world: World, web: Web, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    tell(world.catalog, world.clock, TargetKind.WEBHOOK, web.address)
    world.catalog.events.record("warning", "volume_doubted", "A1", {}, world.clock.now())
    settings = SendSettings("St. Mary", webhook_secret_file=tmp_path / "secret")
    assert Dispatcher(world.catalog, settings, world.clock).round() == 1
    path, headers, body = web.posts[0]
    assert path == "/hook?a=1"
    assert headers[SIGNATURE_HEADER] == signature("s3cret", body)
    assert json.loads(body)["events"][0]["name"] == "volume_doubted"
    assert as_fields(settings)["signed"] == "yes"


def test_a_server_that_is_away_is_tried_again_until_it_is_back(world: World, web: Web) -> None:
    tell(world.catalog, world.clock, TargetKind.WEBHOOK, web.address)
    for number in range(3):
        world.catalog.events.record("error", "drive_failed", f"TD{number}", {}, world.clock.now())
    dispatcher = Dispatcher(world.catalog, SendSettings(), world.clock)
    web.status = 503
    assert dispatcher.round() == 0
    assert len(web.posts) == 1  # the others would fare no better
    assert "answers 503" in world.catalog.notices.outbox()[0].answer
    assert dispatcher.round() == 0 and len(web.posts) == 1
    web.status = 200
    world.clock.sleep(61)
    assert dispatcher.round() == 3


def test_what_nobody_takes_for_days_is_given_up_and_said(world: World) -> None:
    tell(world.catalog, world.clock, TargetKind.WEBHOOK, f"http://127.0.0.1:{free_port()}/")
    world.catalog.events.record("error", "drive_failed", "TD1", {}, world.clock.now())
    dispatcher = Dispatcher(world.catalog, SendSettings(), world.clock)
    dispatcher.round()
    world.clock.sleep(timedelta(days=4).total_seconds())
    dispatcher.round()
    assert [row.state for row in world.catalog.notices.outbox()] == ["given_up"]
    assert world.catalog.events.list(name="notice_given_up")[0].fields["event"] == "drive_failed"
    dispatcher.round()
    assert len(world.catalog.notices.outbox()) == 1  # that one told nobody of itself
    world.clock.sleep(timedelta(days=100).total_seconds())
    dispatcher.tidy()
    assert world.catalog.notices.outbox() == []


def test_a_storm_becomes_one_mail(world: World, post: tuple[Post, SendSettings]) -> None:
    kept, settings = post
    tell(world.catalog, world.clock, TargetKind.MAIL, "ops@example.org")
    for number in range(40):
        world.catalog.events.record("error", "copy_lost", f"A{number}", {}, world.clock.now())
    assert Dispatcher(world.catalog, settings, world.clock).round() == 1
    assert kept.mails[0][1]["Subject"] == "[St. Mary] error: 40 events"


def test_who_asked_for_a_study_is_told_when_it_is_back(world: World, post: tuple[Post, SendSettings]) -> None:
    kept, settings = post
    accounts, now = world.catalog.accounts, world.clock.now()
    for name, mail in (("anna", "anna@example.org"), ("ben", "")):
        accounts.add(name, "", Role.STAFF, "x", False, "boss", now)
        accounts.set_mail(name, mail, "boss", now)
    uid = world.nearline()
    for name in ("anna", "ben"):
        world.catalog.recalls.request(uid, requested_by=name, now=now)
    dispatcher = Dispatcher(world.catalog, settings, world.clock)
    assert dispatcher.round() == 0
    files = {}
    for instance in world.catalog.studies.instances(uid):
        files[instance.id] = PoolFile(world.pool.directories[0], f"back/{instance.sop_instance_uid}.dcm")
    world.catalog.recalls.recalled(files, now + timedelta(days=7), now)
    assert (dispatcher.round(), dispatcher.round()) == (1, 0)
    recipients, told = kept.mails[0]
    assert recipients == ["anna@example.org"]
    assert "recall ready" in told["Subject"] and "Meyer" not in told.as_string()


def test_mail_goes_encrypted_and_signed_in_where_that_is_wanted(tmp_path: Path) -> None:
    server_side, client_side = server_and_client(tmp_path)
    kept, tried = Post(), []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        tried.append((data.login, data.password, session.ssl is not None))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=server_side,
        authenticator=authenticate,
        auth_required=True,
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.start()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    settings = SendSettings(
        "house",
        "",
        "localhost",
        controller.port,
        "starttls",
        "firn",
        tmp_path / "password",
        "f@example.org",
        tls=client_side,
    )
    target, now = Target("ops", TargetKind.MAIL, "ops@example.org"), NOW
    try:
        assert "took the mail" in send_test(settings, target, "boss", now)
        assert tried[0] == (b"firn", PASSWORD.encode(), True)
        (tmp_path / "password").write_text("wrong")
        with pytest.raises(NotTold, match="535"):
            send_test(settings, target, "boss", now)
        with pytest.raises(NotTold, match="CERTIFICATE_VERIFY_FAILED"):
            send_test(replace(settings, tls=None), target, "boss", now)
        with pytest.raises(NotTold, match="cannot be read"):
            send_test(replace(settings, smtp_password_file=tmp_path / "gone"), target, "boss", now)
        with pytest.raises(NotTold):  # it speaks no TLS from the start
            send_test(replace(settings, smtp_security="tls"), target, "boss", now)
    finally:
        controller.stop()
    assert len(kept.mails) == 1


def test_a_refusal_of_the_mail_server_is_shown(post: tuple[Post, SendSettings]) -> None:
    kept, settings = post
    kept.refuses = "550 no such mailbox"
    target = Target("ops", TargetKind.MAIL, "ops@example.org")
    with pytest.raises(NotTold, match="550 no such mailbox"):
        send_test(settings, target, "boss", NOW)
    with pytest.raises(NotTold, match=r"set notify\.smtp_host"):
        send_test(replace(settings, smtp_host=""), target, "boss", NOW)


def test_targets_and_rules_are_kept_and_forgotten_together(world: World) -> None:
    notices, now = world.catalog.notices, world.clock.now()
    tell(world.catalog, world.clock, TargetKind.MAIL, "ops@example.org")
    world.catalog.events.record("error", "drive_failed", "TD1", {}, now)
    notices.route(now.tzinfo, now)  # type: ignore[arg-type]
    with pytest.raises(NoticeRefused, match="already"):
        notices.add_target(Target("ops", TargetKind.MAIL, "a@b"), "boss", now)
    with pytest.raises(NoticeRefused, match="removed meanwhile"):
        notices.add_rule(Rule(0, "gone", "error", "*", "*", Calendar.ALWAYS), "boss", now)
    second = notices.add_rule(Rule(0, "ops", "error", "*", "*", Calendar.ALWAYS), "boss", now)
    notices.remove_rule(second, "boss", now)
    assert len(notices.rules()) == 1
    notices.remove_target("ops", "boss", now)
    assert (notices.targets(), notices.rules(), notices.outbox()) == ([], [], [])
    with pytest.raises(NotCatalogued):
        notices.remove_target("ops", "boss", now)
    with pytest.raises(NotCatalogued):
        notices.remove_rule(99, "boss", now)
