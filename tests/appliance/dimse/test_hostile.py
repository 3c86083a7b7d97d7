"""Peers that are broken, slow or hostile: the node answers, cuts them off, and goes on for everybody else."""

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.dimse.channel import MAX_IDENTIFIER_BYTES
from appliance.dimse.commands import (
    MAX_COMMAND_BYTES,
    NO_DATASET,
    Code,
    Command,
    CommandInvalid,
    Field,
    decode_command,
    encode_command,
)
from appliance.dimse.negotiation import Decision, decide, request
from appliance.dimse.server import DimseServer
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.wire import ProtocolError, data_pdu, pdvs
from tests.appliance.dimse.conftest import Node, small_study
from tests.appliance.dimse.raw import EXPLICIT, IMPLICIT, STUDY_FIND, STUDY_GET, VERIFICATION, RawPeer, keys
from tests.hsm.objects import CT, dataset, part10, stored_data_set

Started = Callable[..., Node]
ECHO: dict[Field, int | str] = {
    Field.AFFECTED_SOP_CLASS: VERIFICATION,
    Field.COMMAND: Code.C_ECHO,
    Field.MESSAGE_ID: 1,
    Field.DATASET_TYPE: NO_DATASET,
}
STORE: dict[Field, int | str] = {
    Field.AFFECTED_SOP_CLASS: CT,
    Field.COMMAND: Code.C_STORE,
    Field.MESSAGE_ID: 1,
    Field.AFFECTED_SOP_INSTANCE: "1.2.3.4",
    Field.DATASET_TYPE: 1,
}


def works(node: Node) -> None:
    """Somebody else is still served."""
    with node.peer((VERIFICATION, IMPLICIT)) as peer:
        peer.command(1, {key: value for key, value in ECHO.items() if key is not Field.DATASET_TYPE})
        assert peer.next()[0].number(Field.STATUS) == 0
        assert peer.release() == 6


def said_to(node: Node, data: bytes, then_close: bool = False) -> bytes:
    """What the node answers to raw bytes on a new connection."""
    with socket.create_connection(("127.0.0.1", node.server.port), timeout=20) as sock:
        sock.sendall(data)
        if then_close:
            sock.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while part := sock.recv(65536):
                said += part
        except ConnectionResetError:
            return said
        return said


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


REQUEST = request("RAW", "FIRN", 16384, [(VERIFICATION, [IMPLICIT])])


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: archive\r\n\r\n", b"\x07"),
        (b"\x00" * 64, b"\x07"),
        (b"\xff" * 64, b"\x07"),
        (pdu(1, b"", 0xFFFFFFFF), b"\x07"),  # four gigabytes of association request
        (pdu(4, data_pdu(1, 3, b"xx")[6:]), b"\x07"),  # data before an association
        (pdu(5, bytes(4)), b"\x07"),  # release before an association
        (pdu(1, b"\x00\x01" + bytes(20)), b"\x07"),  # a request that ends early
        (REQUEST[:74] + b"\x10\x00\xff\xff1.2", b""),  # an item longer than its PDU, then silence
        (REQUEST[:-3], b""),
        (b"\x01", b""),
        (b"", b""),
    ],
)
def test_rubbish_before_an_association_ends_the_connection(node: Node, data: bytes, answer: bytes) -> None:
    assert said_to(node, data, then_close=True)[: len(answer)] == answer
    works(node)


@pytest.mark.parametrize(
    "data",
    [
        pdu(9, b""),  # no such PDU
        pdu(4, b""),  # no value in it
        pdu(4, b"\x00\x00\x00"),
        pdu(4, b"\x00\x00\xff\xff\x01\x03xx"),  # a value longer than its PDU
        pdu(4, b"\x00\x00\x00\x00\x01\x03"),  # a value shorter than its own header
        pdu(4, bytes(6), 1 << 30),  # longer than we said we take
        pdu(6, bytes(4)),  # a release response to nothing
        REQUEST,  # a second association
        data_pdu(1, 3, b"garbage"),
        data_pdu(1, 3, encode_command({Field.AFFECTED_SOP_CLASS: VERIFICATION})),  # no command field
        data_pdu(1, 3, encode_command({Field.COMMAND: Code.C_ECHO, Field.DATASET_TYPE: NO_DATASET})),  # no message ID
        data_pdu(1, 3, encode_command({**ECHO, Field.COMMAND: 0x8030})),  # an answer to nothing
        data_pdu(1, 2, b"data set first"),
        data_pdu(99, 3, encode_command(ECHO)),  # a context nobody agreed on
        data_pdu(1, 1, bytes(100)) + data_pdu(3, 3, bytes(10)),  # a command that changes its context
        b"".join(data_pdu(1, 1, bytes(8000)) for _ in range(MAX_COMMAND_BYTES // 8000 + 1)),
        data_pdu(3, 3, encode_command(STORE)) + data_pdu(3, 0, b"x") + data_pdu(1, 2, b"y"),
        data_pdu(3, 3, encode_command(STORE)) + data_pdu(3, 3, encode_command(ECHO)),
    ],
)
def test_a_rule_that_is_broken_ends_the_association_with_an_abort(node: Node, data: bytes) -> None:
    with node.peer((VERIFICATION, IMPLICIT), (CT, EXPLICIT)) as peer:
        peer.send_raw(data)
        assert peer.until_closed()[:1] == b"\x07"
    works(node)
    assert [*(node.archive.pool.directories[0] / ".incoming").iterdir()] == []


def test_an_identifier_without_end_is_cut_off(node: Node) -> None:
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        ask = {**STORE, Field.AFFECTED_SOP_CLASS: STUDY_FIND, Field.COMMAND: Code.C_FIND}
        peer.send_raw(data_pdu(1, 3, encode_command(ask)))
        try:
            for _ in range(MAX_IDENTIFIER_BYTES // 100_000 + 2):
                peer.send_raw(data_pdu(1, 0, bytes(100_000)))
            assert peer.until_closed()[:1] in (b"\x07", b"")
        except OSError as error:
            assert isinstance(error, ConnectionError)  # cut while we were still sending
    works(node)


def test_a_command_while_another_is_served_ends_the_association(start: Started) -> None:
    node = start()
    node.receive(*small_study(4))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        peer.ask(Code.C_GET, STUDY_GET, keys("STUDY", StudyInstanceUID="1.2.3"))
        peer.ask(Code.C_GET, STUDY_GET, keys("STUDY", StudyInstanceUID="1.2.3"), message_id=2)
        assert b"\x07\x00\x00\x00\x00\x04" in peer.until_closed()
    works(node)


def test_a_sender_that_goes_in_the_middle_of_an_object_leaves_nothing(node: Node) -> None:
    content = stored_data_set(part10(dataset()))
    for ending in ("close", "abort", "release"):
        with node.peer((CT, EXPLICIT)) as peer:
            peer.send_raw(data_pdu(1, 3, encode_command(STORE)) + data_pdu(1, 0, content[:100]))
            if ending == "abort":
                peer.send_raw(pdu(7, bytes(4)))
            elif ending == "release":
                peer.send_raw(pdu(5, bytes(4)))
        works(node)
    node.server.stop()
    assert [*(node.archive.pool.directories[0] / ".incoming").iterdir()] == []
    assert node.archive.catalog.studies.counts().instances == 0


def test_who_says_nothing_is_cut_off(start: Started) -> None:
    node = start(artim_s=0.2, idle_s=0.2, network_s=0.2)
    assert said_to(node, b"") == b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"  # before a request
    assert said_to(node, REQUEST[:40])[:1] == b"\x07"  # in the middle of one
    with node.peer((VERIFICATION, IMPLICIT)) as peer:  # with nothing to ask
        assert peer.until_closed()[:1] == b"\x07"
    with node.peer((CT, EXPLICIT)) as peer:  # in the middle of an object
        peer.send_raw(data_pdu(1, 3, encode_command(STORE)) + data_pdu(1, 0, b"half"))
        assert peer.until_closed()[:1] == b"\x07"


def test_a_request_that_comes_byte_by_byte_has_its_time_and_no_more(start: Started) -> None:
    node = start(artim_s=0.5)
    with socket.create_connection(("127.0.0.1", node.server.port), timeout=20) as sock:
        sock.settimeout(0.05)
        for byte in REQUEST[:-1] * 20:  # each long before the pause that is allowed
            try:
                sock.sendall(bytes((byte,)))
                if sock.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it is still listened to")
    works(node)


def test_too_many_associations_are_turned_away_and_more_than_that_are_not_heard(start: Started) -> None:
    node = start(max_associations=2)
    echo = (VERIFICATION, IMPLICIT)
    with node.peer(echo), node.peer(echo), node.peer(echo) as third:
        assert third.answer_type == 3
        assert third.answer[7:10] == b"\x02\x03\x02"  # transient, local limit exceeded
        quiet = [socket.create_connection(("127.0.0.1", node.server.port), timeout=20) for _ in range(6)]
        quiet[-1].settimeout(20)
        assert quiet[-1].recv(1) == b""
        for sock in quiet:
            sock.close()
    pause = threading.Event()
    while node.server.associations:  # the places are free again as soon as the node has noticed
        pause.wait(0.01)
    works(node)


def test_an_unexpected_error_ends_one_association_only(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as patched, node.peer((CT, EXPLICIT)) as peer:
        patched.setattr("appliance.dimse.association.serve_store", broken)
        peer.send_raw(data_pdu(1, 3, encode_command(STORE)))
        assert peer.until_closed()[:1] == b"\x07"
    with monkeypatch.context() as patched:
        patched.setattr("appliance.dimse.association.decide", broken)
        assert said_to(node, REQUEST)[:1] == b"\x07"
    works(node)


def test_several_processes_may_share_a_port_and_a_stopped_server_can_start_again(start: Started) -> None:
    first = start()
    second = start(first.archive, port=first.server.port)
    assert second.server.port == first.server.port
    works(first)
    port = first.server.port
    first.server.stop()
    first.server.stop()  # a second time does nothing
    with pytest.raises(RuntimeError):
        _ = first.server.port
    works(second)
    assert second.server.port == port
    third = DimseServer(first.archive, DimseSettings(host="203.0.113.1", port=port))
    with pytest.raises(OSError, match="assign"):
        third.start()


def test_open_associations_get_their_time_when_the_server_stops(start: Started) -> None:
    node = start(stop_grace_s=20.0)
    with node.peer((VERIFICATION, IMPLICIT)) as peer:
        stopper = threading.Thread(target=node.server.stop)
        stopper.start()
        peer.command(1, {key: value for key, value in ECHO.items() if key is not Field.DATASET_TYPE})
        assert peer.next()[0].number(Field.STATUS) == 0
        peer.release()
    stopper.join()
    assert node.server.associations == 0


def test_associations_are_served_over_tls(start: Started, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    order = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=firn", "-days", "1"]
    subprocess.run([*order, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    node = start(tls=context)
    client = ssl.create_default_context(cafile=str(certificate))
    client.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", node.server.port), timeout=20)
    with client.wrap_socket(plain) as secure:
        secure.sendall(REQUEST)
        assert secure.recv(1) == b"\x02"
        secure.sendall(pdu(5, bytes(4)))
    assert said_to(node, REQUEST) != b"\x02"  # without TLS nobody listens


# -- pure parts --


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_command_by_accident(data: bytes) -> None:
    try:
        command = decode_command(data)
    except CommandInvalid:
        return
    assert command.code == command.number(Field.COMMAND)


@given(st.binary(max_size=64))
def test_presentation_data_values_never_reach_beyond_their_pdu(data: bytes) -> None:
    try:
        found = list(pdvs(memoryview(data)))
    except ProtocolError:
        return
    assert sum(len(fragment) + 6 for _, _, fragment in found) == len(data)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_association_request_is_answered_or_refused(data: st.DataObject) -> None:
    changed = bytearray(REQUEST)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(6, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decision = decide(bytes(changed), DimseSettings(), full=False)
    except ProtocolError:
        return
    assert decision.answer[:1] == (b"\x03" if decision.agreement is None else b"\x02")


def test_commands_read_back_as_they_were_written() -> None:
    written = encode_command({Field.COMMAND: 0x0001, Field.AFFECTED_SOP_INSTANCE: "1.2.3", Field.ERROR_COMMENT: "odd"})
    command = decode_command(written)
    assert command.values[Field.AFFECTED_SOP_INSTANCE] == b"1.2.3\0"
    assert (command.text(Field.ERROR_COMMENT), command.text(Field.MOVE_DESTINATION)) == ("odd", "")
    assert command.number(Field.MESSAGE_ID, 9) == 9
    assert not command.has_dataset
    with pytest.raises(CommandInvalid, match="MESSAGE_ID"):
        Command({}).number(Field.MESSAGE_ID)


def answer_to(settings: DimseSettings, calling: str = "RAW", called: str = "FIRN") -> Decision:
    return decide(request(calling, called, 16384, [(CT, [EXPLICIT])]), settings, full=False)


def test_only_who_may_call_and_calls_us_by_name_gets_an_association() -> None:
    strict = DimseSettings(require_called_aet=True, aliases=("OLDNAME",))
    assert answer_to(strict, "CT1", "OLDNAME").agreement is not None
    assert answer_to(strict, "CT1", "OTHER").answer[7:10] == b"\x01\x01\x07"
    stranger = decide(request("CT2", "FIRN", 16384, [(CT, [EXPLICIT])]), strict, False, lambda aet: f"{aet} is no peer")
    assert (stranger.answer[7:10], stranger.reason) == (b"\x01\x01\x03", "CT2 is no peer")
    assert answer_to(DimseSettings(), "ANY", "THING").agreement is not None
    plain = request("RAW", "FIRN", 16384, [(CT, [EXPLICIT])])
    foreign = plain.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9")
    assert decide(foreign, DimseSettings(), full=False).answer[7:10] == b"\x01\x01\x02"


def test_a_peer_has_the_patience_it_was_given() -> None:
    settings = DimseSettings(peers={"A": Peer("a", 1, 5.0), "B": Peer("b", 1)}, patience_s=9.0)
    assert [settings.patience_of(aet) for aet in ("A", "B", "C")] == [5.0, 9.0, 9.0]


def test_each_context_is_answered_on_its_own(node: Node) -> None:
    hanging_protocol, printing = "1.2.840.10008.5.1.4.38.1", "1.2.840.10008.5.1.1.9"
    proposals = [
        (CT, EXPLICIT),
        (CT, "1.2.3.4.5"),
        (hanging_protocol, EXPLICIT),
        (printing, EXPLICIT),
        (STUDY_FIND, "1.2.840.10008.1.2.4.50"),
        ("1.2.840.10008.5.1.4.1.1.5", EXPLICIT),  # nuclear medicine of 1993, retired
        (STUDY_FIND, IMPLICIT),
    ]
    with RawPeer(node.server.port, proposals) as peer:
        assert peer.contexts == {1: EXPLICIT, 11: EXPLICIT, 13: IMPLICIT}


def test_roles_and_extended_negotiation_are_granted_as_far_as_we_serve_them(node: Node) -> None:
    extended = {STUDY_FIND: b"\x01\x01\x01\x01", STUDY_GET: b"\x01", CT: b"\x01"}
    proposals = [(STUDY_FIND, EXPLICIT), (STUDY_GET, EXPLICIT), (CT, EXPLICIT)]
    with node.peer(*proposals, roles=[CT, STUDY_FIND], extended=extended) as peer:
        assert b"\x54\x00" in peer.answer  # role selection
        find_item = len(STUDY_FIND).to_bytes(2, "big") + STUDY_FIND.encode() + b"\x01\x01\x00\x00"
        get_item = len(STUDY_GET).to_bytes(2, "big") + STUDY_GET.encode() + b"\x01"
        assert find_item in peer.answer
        assert get_item in peer.answer
        role = len(CT).to_bytes(2, "big") + CT.encode()
        assert role + b"\x01\x01" in peer.answer
        assert len(STUDY_FIND).to_bytes(2, "big") + STUDY_FIND.encode() + b"\x01\x00" in peer.answer
