"""Messages over MLLP: sent by `hl7`'s own client and by hand."""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hl7.client import MLLPClient

from appliance.mllp.orders import orders_server
from appliance.mllp.server import END, START, MllpServer, MllpSettings
from drivers.clock import SystemClock
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.pool import OnlinePool
from tests.hsm.orders.messages import orm

Started = Callable[..., tuple[MllpServer, Catalog]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    with ExitStack() as stack:
        catalog = stack.enter_context(Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}"))
        pool = OnlinePool.create([tmp_path / "online"], 0, tmp_path / "quarantine")

        def begin(**settings: Any) -> tuple[MllpServer, Catalog]:
            server = orders_server(Archive(catalog, pool, SystemClock()), MllpSettings(port=0, **settings))
            server.start()
            stack.callback(server.stop)
            return server, catalog

        yield begin
    shutil.rmtree(tmp_path / "online")


def connect(server: MllpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def answers(sock: socket.socket, count: int) -> list[bytes]:
    said = b""
    while said.count(END) < count:
        part = sock.recv(65536)
        assert part, said
        said += part
    return [one.removeprefix(START) for one in said.split(END)[:count]]


def test_a_system_of_the_hospital_sends_orders_one_after_the_other(start: Started) -> None:
    server, catalog = start()
    with MLLPClient("127.0.0.1", server.port) as client:
        assert b"MSA|AA|1" in client.send_message(orm("1"))
        assert b"MSA|AA|2" in client.send_message(orm("2", order="2"))
        assert b"MSA|AR|3" in client.send_message(orm("3", version="9"))
    assert [order.fields.accession_number for order in catalog.orders.list()] == ["A4711", "A2"]
    with connect(server) as sock:  # in pieces, and two at once
        whole = START + orm("4", order="4") + END + START + orm("5", order="5") + END
        sock.sendall(whole[:100])
        sock.sendall(whole[100:])
        assert [b"|AA|" in answer for answer in answers(sock, 2)] == [True, True]


def test_who_is_no_sender_says_too_much_or_no_frame_is_cut_off(start: Started) -> None:
    server, catalog = start(senders=("192.0.2.0/24",))
    for _ in range(3):  # told once, however often it tries
        with connect(server) as sock:
            assert sock.recv(1) == b""
    server.stop()
    assert [event.subject for event in catalog.events.list(name="hl7_sender_refused")] == ["127.0.0.1"]
    server, catalog = start(max_message_bytes=2048, message_s=0.5)
    for said in (b"GET / HTTP/1.0\r\n\r\n", START + b"x" * 5000, START + b"half a message"):
        with connect(server) as sock:
            sock.sendall(said)
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:  # it had more to say
                continue
    assert catalog.orders.list() == []


def test_a_message_that_comes_byte_by_byte_has_its_time_and_no_more(start: Started) -> None:
    server, catalog = start(message_s=1.0)
    with connect(server) as sock:
        sock.sendall(START)
        sock.settimeout(0.05)
        for _ in range(600):  # each sooner than a poll
            try:
                if sock.recv(1) == b"":
                    break
            except TimeoutError:
                sock.sendall(b"x")
            except ConnectionError:
                break
        else:
            pytest.fail("it is still listened to")
    assert catalog.orders.list() == []


def test_no_caller_ends_the_listening(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = start()

    def broken(_: object) -> bool:
        raise RuntimeError("no more threads")

    with monkeypatch.context() as patched:
        patched.setattr(server, "_may_send", broken)
        with connect(server) as sock:
            assert sock.recv(1) == b""
    with connect(server) as sock:
        sock.sendall(START + orm("1") + END)
        assert b"|AA|" in answers(sock, 1)[0]


def test_more_connections_than_allowed_are_closed(start: Started) -> None:
    server, _ = start(max_connections=1)
    with connect(server) as first:
        first.sendall(START + orm("1") + END)
        answers(first, 1)
        with connect(server) as second:
            assert second.recv(1) == b""
        server.stop()
        assert first.recv(1) == b""
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.port
