"""Initiators that break the protocol, stall or vanish lose their own connection, and nobody else does."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.iscsi import text
from drivers.iscsi.login import Login, LoginRefused
from drivers.iscsi.pdu import Header, PduInvalid
from tests.drivers.iscsi.conftest import IQN, World
from tests.support import initiator as wire
from tests.support.initiator import NO_TAG, Initiator

ANY = b"\xc0" + bytes(5)


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    made = World()
    made.target.start()
    yield made
    made.close()


def still_well(world: World) -> None:
    """Somebody else is served. There may be no room for a moment, until the target noticed who left."""
    for attempt in range(500):
        with Initiator(world.target.port, IQN, "iqn.2024-01.test.firn:bystander") as bystander:
            try:
                assert bystander.login().execute(2, ANY, b"well").status == 0
                assert bystander.execute(2, ANY, data_in_bytes=4).data == b"well"
                return
            except (wire.TargetClosed, ConnectionError):
                assert attempt < 499, "nobody is served any more"


def logged_in(world: World) -> Initiator:
    """An initiator that is logged in; waits for room."""
    while True:
        initiator = Initiator(world.target.port, IQN)
        try:
            return initiator.login()
        except (wire.TargetClosed, ConnectionError):
            initiator.close()


def sent_blindly(initiator: Initiator, *pieces: bytes) -> None:
    """Send, although the target may have hung up already."""
    with contextlib.suppress(OSError):
        initiator.send_raw(*pieces)
        initiator.socket.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionError):
        assert initiator.closed_by_target()


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_random_bytes_instead_of_a_login(shared: World, rubbish: bytes) -> None:
    with Initiator(shared.target.port, IQN) as initiator:
        sent_blindly(initiator, rubbish)
    still_well(shared)


@settings(max_examples=150)
@given(
    opcode=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 0x10, 0x1F, 0x21, 0x3F]),
    immediate=st.booleans(),
    rest=st.binary(min_size=46, max_size=46),
    data=st.binary(max_size=64),
    honest=st.booleans(),
)
def test_random_headers_in_a_session(
    shared: World, opcode: int, immediate: bool, rest: bytes, data: bytes, honest: bool
) -> None:
    with logged_in(shared) as initiator:
        header = bytearray([opcode | (0x40 if immediate else 0)]) + rest + b"\0"
        if honest:  # lengths that are true, a number in its turn: so that more of it is looked at
            header[4] = 0
            header[5:8] = len(data).to_bytes(3)
            struct.pack_into(">I", header, 24, initiator.cmd_sn)
        sent_blindly(initiator, bytes(header), data, bytes(-len(data) % 4))
    still_well(shared)


@given(st.binary(max_size=300))
def test_any_text_is_taken_apart_or_refused(data: bytes) -> None:
    try:
        pairs = text.parse(data)
    except PduInvalid:
        return
    assert text.parse(text.encode(pairs)) == pairs


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*text._NEGOTIATED, "MaxRecvDataSegmentLength", "X-own", "InitiatorName", "OFMarkInt"]),
            st.one_of(st.text(max_size=20), st.integers(-10, 1 << 33).map(str), st.sampled_from(["Yes", "No", "None"])),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_whatever_is_offered_the_agreement_stays_within_its_bounds(
    offers: list[tuple[str, str]], discovery: bool
) -> None:
    agreed = text.Parameters()
    text.negotiate(offers, agreed, discovery)
    assert 512 <= agreed.max_recv_data_bytes < 1 << 24
    assert 512 <= agreed.max_burst_bytes <= text.MAX_BURST_BYTES
    assert 512 <= agreed.first_burst_bytes <= text.FIRST_BURST_BYTES


@given(st.lists(st.tuples(st.binary(min_size=47, max_size=47), st.binary(max_size=100)), max_size=5))
def test_a_login_ends_in_an_answer_or_a_refusal(requests: list[tuple[bytes, bytes]]) -> None:
    login = Login(IQN, 1)
    for rest, data in requests:
        try:
            login.take(Header(b"\x43" + rest), data)
        except LoginRefused as refused:
            assert len(login.refused(Header(b"\x43" + rest), refused.refusal)) == 48
            return


def test_a_data_segment_longer_than_agreed_ends_the_connection(world: World) -> None:
    initiator = world.login()
    header = initiator.header(wire.NOP_OUT, 0x80, 5, immediate=True)
    header[5:8] = b"\x10\x00\x01"
    initiator.send_raw(header)
    assert initiator.closed_by_target()
    before_login = world.connect()
    header = before_login.header(wire.LOGIN, 0x87, 1, immediate=True)
    header[5:8] = b"\xff\xff\xff"
    before_login.send_raw(header)
    assert before_login.closed_by_target()
    still_well(world)


def test_half_a_pdu_ends_the_connection_when_no_more_comes(impatient: World) -> None:
    header_only, in_data = impatient.login(1), impatient.login(2)
    header_only.send_raw(bytes(20))
    header = in_data.header(wire.NOP_OUT, 0x80, 5, immediate=True)
    header[5:8] = (1000).to_bytes(3)
    in_data.send_raw(header, bytes(10))
    assert header_only.closed_by_target()
    assert in_data.closed_by_target()
    still_well(impatient)


def test_an_initiator_that_is_silent_between_pdus_may_stay(impatient: World) -> None:
    quiet = impatient.login(1)
    stalled = impatient.login(2)
    stalled.send_raw(bytes(1))
    assert stalled.closed_by_target(), "it took longer than any wait in a PDU may take"
    assert quiet.nop() == b"ping"


def test_an_initiator_that_vanishes_in_the_middle_of_a_write_leaves_nothing(world: World) -> None:
    vanishing = world.login(1)
    vanishing.start(2, ANY, bytes(1 << 20))
    assert vanishing.receive().opcode == wire.R2T
    header = vanishing.header(wire.DATA_OUT, 0, 0x10)
    header[5:8] = (1 << 18).to_bytes(3)
    struct.pack_into(">I", header, 40, 262_144)
    vanishing.send_raw(header, bytes(1000))
    vanishing.close()
    again = world.login(1)
    assert again.execute(2, ANY, b"again").status == 0
    assert world.echo.received == b"again"


def test_an_initiator_that_takes_no_data_is_let_go_and_the_unit_serves_the_next(impatient: World) -> None:
    impatient.echo.received = bytes(16 << 20)
    greedy = impatient.login(1)
    greedy.start(2, ANY, data_in_bytes=16 << 20)
    other = impatient.login(2)
    assert other.execute(2, ANY, data_in_bytes=16).status == 0
    assert greedy.closed_by_target()


@pytest.mark.parametrize(
    ("offset", "length", "final"),
    [(0, 100, False), (262_144, 200_000, True), (262_144, 100, True)],
    ids=["wrong offset", "too long", "too short"],
)
def test_data_that_are_not_those_asked_for_fail_their_command(
    world: World, offset: int, length: int, final: bool
) -> None:
    initiator = world.login()
    sent = initiator.start(2, ANY, bytes(300_000))
    r2t = initiator.receive()
    header = initiator.header(wire.DATA_OUT, 0x80 if final else 0, sent.itt)
    struct.pack_into(">I", header, 20, r2t.word(20))
    struct.pack_into(">I", header, 40, offset)
    initiator.send(header, bytes(length))
    failed = initiator.wait(sent)
    assert (failed.status, failed.sense_key, failed.asc) == (2, 0x0B, (0x4B, 0))
    assert initiator.execute(2, ANY, b"next").status == 0
    assert world.echo.received == b"next"


def test_a_second_login_in_a_session_ends_it(world: World) -> None:
    initiator = world.login()
    initiator.send(initiator.header(wire.LOGIN, 0x87, 1, immediate=True), b"InitiatorName=x\0")
    assert initiator.closed_by_target()


def test_data_for_a_command_nobody_knows_are_dropped(initiator: Initiator) -> None:
    header = initiator.header(wire.DATA_OUT, 0x80, 0x9999)
    struct.pack_into(">I", header, 20, NO_TAG)
    initiator.send(header, b"data")
    assert initiator.nop() == b"ping"


def test_text_that_is_none_ends_the_connection(world: World) -> None:
    initiator = world.login()
    header = initiator.header(wire.TEXT, 0x80, 7, immediate=True)
    struct.pack_into(">I", header, 20, NO_TAG)
    initiator.send(header, b"no key")
    assert initiator.closed_by_target()


def test_a_connection_that_breaks_at_once_harms_nobody(world: World) -> None:
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", world.target.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # with a reset
    still_well(world)
