"""Login, discovery, text and logout, as an initiator sees them."""

import pytest

from drivers.iscsi import IscsiTarget
from tests.drivers.iscsi.conftest import IQN, World
from tests.support import initiator as wire
from tests.support.initiator import NO_TAG, OPERATIONAL, Initiator, TargetClosed


def test_one_round_of_login_agrees_on_everything(world: World) -> None:
    initiator = world.connect()
    answer = initiator.login_request({**initiator.names(), **OPERATIONAL}, 1, 3)

    assert initiator.login_status == 0
    assert answer.flags == 0x87
    assert initiator.tsih != 0
    assert initiator.agreed == {
        **OPERATIONAL,
        "TargetPortalGroupTag": "1",
        "MaxRecvDataSegmentLength": "1048576",
    }
    assert initiator.execute(0, bytes(6)).status == 0


def test_a_login_may_begin_with_the_security_stage(world: World) -> None:
    initiator = world.connect()
    initiator.login_request({**initiator.names(), "AuthMethod": "CHAP,None"}, 0, 1)
    assert (initiator.login_status, initiator.agreed["AuthMethod"]) == (0, "None")
    initiator.login_request(OPERATIONAL, 1, 3)
    assert initiator.login_status == 0
    assert initiator.execute(0, bytes(6)).status == 0


def test_a_login_may_go_from_the_security_stage_to_the_end(world: World) -> None:
    initiator = world.connect()
    answer = initiator.login_request({**initiator.names(), "AuthMethod": "None"}, 0, 3)
    assert answer.flags == 0x83
    data = bytes(range(256)) * 400
    assert initiator.execute(2, bytes(6), data).status == 0, "with what holds when nothing was agreed on"
    assert world.echo.received == data


def test_a_login_may_take_several_rounds_and_texts_in_parts(world: World) -> None:
    initiator = world.connect()
    names = "".join(f"{key}={value}\0" for key, value in initiator.names().items()).encode()
    first = initiator.login_round(0x44, names[:20])
    assert first.data == b"" and first.flags == 0x04
    initiator.login_round(0x04, names[20:])
    assert initiator.agreed["TargetPortalGroupTag"] == "1"
    initiator.login_request({"InitialR2T": "Yes"}, 1, None)
    assert initiator.agreed["InitialR2T"] == "Yes"
    initiator.login_request({}, 1, 3)
    assert initiator.login_status == 0
    assert initiator.execute(0, bytes(6)).status == 0


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ({"HeaderDigest": "CRC32C,None"}, {"HeaderDigest": "None"}),
        ({"HeaderDigest": "CRC32C"}, {"HeaderDigest": "Reject"}),
        ({"MaxBurstLength": "0x10000"}, {"MaxBurstLength": "65536"}),
        ({"MaxBurstLength": "many"}, {"MaxBurstLength": "Reject"}),
        ({"MaxBurstLength": "-1"}, {"MaxBurstLength": "Reject"}),
        ({"MaxBurstLength": "0xzz"}, {"MaxBurstLength": "Reject"}),
        ({"FirstBurstLength": "16777215"}, {"FirstBurstLength": "262144"}),
        ({"InitialR2T": "Yes"}, {"InitialR2T": "Yes"}),
        ({"InitialR2T": "Perhaps"}, {"InitialR2T": "Reject"}),
        ({"ImmediateData": "No"}, {"ImmediateData": "No"}),
        ({"MaxConnections": "8"}, {"MaxConnections": "1"}),
        ({"ErrorRecoveryLevel": "2"}, {"ErrorRecoveryLevel": "0"}),
        ({"DefaultTime2Wait": "7"}, {"DefaultTime2Wait": "7"}),
        ({"DefaultTime2Wait": "long"}, {"DefaultTime2Wait": "Reject"}),
        ({"DefaultTime2Retain": "20"}, {"DefaultTime2Retain": "0"}),
        ({"IFMarker": "Yes", "IFMarkInt": "1~5"}, {"IFMarker": "No", "IFMarkInt": "Irrelevant"}),
        ({"X-test.own": "1"}, {"X-test.own": "NotUnderstood"}),
        ({"MaxRecvDataSegmentLength": "5"}, {}),
    ],
)
def test_what_is_offered_is_answered(world: World, offered: dict[str, str], agreed: dict[str, str]) -> None:
    initiator = world.login(**offered)
    assert {key: initiator.agreed[key] for key in agreed} == agreed
    assert initiator.execute(0, bytes(6)).status == 0


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"InitiatorName": ""}, 0x0207),
        ({"InitiatorName": "i" * 300}, 0x0200),
        ({"TargetName": ""}, 0x0207),
        ({"TargetName": "iqn.2026-01.test.firn:other"}, 0x0203),
        ({"SessionType": "Strange"}, 0x0209),
    ],
)
def test_who_does_not_say_who_he_is_or_whom_he_wants_is_refused(
    world: World, keys: dict[str, str], status: int
) -> None:
    initiator = world.connect()
    initiator.login_request({**initiator.names(), **keys}, 1, 3)
    assert initiator.login_status == status
    assert initiator.closed_by_target()


def test_a_login_with_chap_only_is_refused(world: World) -> None:
    initiator = world.connect()
    initiator.login_request({**initiator.names(), "AuthMethod": "CHAP"}, 0, 1)
    assert initiator.login_status == 0x0201


@pytest.mark.parametrize("flags", [0x88, 0x8C, 0x84, 0x85, 0xC7])
def test_a_stage_that_does_not_exist_or_does_not_follow_is_refused(world: World, flags: int) -> None:
    initiator = world.connect()
    initiator.login_round(flags, b"".join(f"{k}={v}\0".encode() for k, v in initiator.names().items()))
    assert initiator.login_status == 0x020B


def test_a_key_negotiated_twice_or_no_key_at_all_is_refused(world: World) -> None:
    for extra in (b"InitialR2T=No\0InitialR2T=No\0", b"no key\0", b"\xff=\xff\0", b"A=\xff\0"):
        initiator = world.connect()
        names = b"".join(f"{k}={v}\0".encode() for k, v in initiator.names().items())
        initiator.login_round(0x87, names + extra)
        assert initiator.login_status == 0x0200


def test_another_version_and_a_second_connection_are_refused(world: World) -> None:
    initiator = world.connect()
    header = initiator.header(wire.LOGIN, 0x87, 1, immediate=True)
    header[3] = 1
    initiator.send(header)
    assert initiator.receive().header[36:38] == b"\x02\x05"

    second = world.connect()
    second.tsih = 77
    second.login_request(second.names(), 1, 3)
    assert second.login_status == 0x020A


def test_a_login_request_of_another_login_is_refused(world: World) -> None:
    initiator = world.connect()
    initiator.login_request(initiator.names(), 1, None)
    initiator.isid = b"\0\2\x3d\0\0\x99"
    initiator.login_request({}, 1, 3)
    assert initiator.login_status == 0x020B


def test_an_endless_login_ends(world: World) -> None:
    initiator = world.connect()
    initiator.login_request(initiator.names(), 1, None)
    rounds = 1
    while initiator.login_status == 0:
        initiator.login_request({f"X-{rounds}": "1"}, 1, None)
        rounds += 1
        assert rounds < 100
    assert initiator.login_status == 0x0200

    talkative = world.connect()
    talkative.login_request(talkative.names(), 1, None)
    while talkative.login_status == 0:
        talkative.login_round(0x44, b"X-more=" + b"x" * 40_000)
    assert talkative.login_status == 0x0200


def test_only_a_login_may_come_before_the_login_is_over(world: World) -> None:
    initiator = world.connect()
    initiator.send(initiator.header(wire.NOP_OUT, 0x80, 5, immediate=True), b"ping")
    assert initiator.closed_by_target()


def test_a_login_that_stalls_is_let_go(impatient: World) -> None:
    silent, half = impatient.connect(1), impatient.connect(2)
    half.send_raw(b"\x43\x87" + bytes(20))
    assert silent.closed_by_target()
    assert half.closed_by_target()


def test_discovery_names_the_target_and_its_address(world: World) -> None:
    expected = [("TargetName", IQN), ("TargetAddress", f"127.0.0.1:{world.target.port},1")]
    assert world.connect().discover() == expected
    assert world.connect().discover(IQN.upper()) == expected
    assert world.connect().discover("iqn.2026-01.test.firn:other") == [("SendTargets", "Reject")]
    assert world.login().text({"SendTargets": ""}) == expected


def test_a_discovery_session_carries_no_commands(world: World) -> None:
    initiator = world.connect()
    initiator.discover()
    sent = initiator.start(0, bytes(6))
    rejected = initiator.receive()
    assert (rejected.opcode, rejected.header[2]) == (wire.REJECT, 0x04)
    assert rejected.data[16:20] == sent.itt.to_bytes(4, "big")
    assert initiator.logout() == 0


def test_texts_are_answered_in_a_session(initiator: Initiator) -> None:
    assert initiator.text({"MaxRecvDataSegmentLength": "4096", "X-what": "1"}) == [("X-what", "NotUnderstood")]
    header = initiator._numbered(wire.TEXT, 0x40)
    header[20:24] = NO_TAG.to_bytes(4)
    initiator.send(header, b"SendTargets=")
    assert initiator.receive().opcode == wire.REJECT


def test_a_text_with_more_answers_than_fit_ends_the_connection(world: World) -> None:
    initiator = world.login(MaxRecvDataSegmentLength="512")
    with pytest.raises(TargetClosed):
        initiator.text({f"X-{number}": "1" for number in range(100)})


def test_logout_ends_the_connection_after_its_answer(world: World) -> None:
    initiator = world.login()
    assert initiator.logout() == 0
    assert initiator.closed_by_target()
    by_connection = world.login()
    assert by_connection.logout(reason=1, cid=9) == 1
    assert by_connection.logout(reason=2) == 2
    assert by_connection.logout(reason=1) == 0


def test_the_same_initiator_port_reinstates_its_session(world: World) -> None:
    old = world.login()
    running = old.start(1, bytes(6))
    world.gate.wait_until_begun()
    queued = old.start(1, b"\x01" + bytes(5))

    new = world.login()
    assert old.closed_by_target()
    assert not old.done(running) and not old.done(queued)
    again = new.start(1, b"\x02" + bytes(5))
    world.gate.wait_until_begun()
    world.gate.let_through()
    assert new.wait(again).status == 0
    assert world.gate.begun == [bytes(6), b"\x02" + bytes(5)], "what was queued in the old session does not run"
    assert world.gate.aborted == [bytes(6)]
    assert world.gate.forgotten == [f"{old.name},i,0x00023d000001,t,0x0001"]


def test_another_initiator_has_a_session_of_its_own(world: World) -> None:
    first, second = world.login(1), world.login(2)
    assert first.execute(0, bytes(6)).status == second.execute(0, bytes(6)).status == 0
    assert {nexus.partition(",")[0] for nexus, _ in world.disk.commands} == {first.name, second.name}


def test_connections_are_bounded_and_room_comes_back(world: World) -> None:
    many = [world.login(number) for number in range(6)]
    assert world.connect(99).closed_by_target()
    many[0].logout()
    assert many[0].closed_by_target()
    for attempt in range(1000):
        late = world.connect(100)
        try:
            assert late.login().execute(0, bytes(6)).status == 0
            break
        except (TargetClosed, ConnectionError):
            assert attempt < 999, "there is no room although somebody left"


@pytest.mark.parametrize("name", ["library", "iqn.26-1.x", "iqn.2026-01.Test:x", "iqn.2026-01.test:" + "x" * 300])
def test_a_target_needs_a_name_that_is_one(name: str) -> None:
    with pytest.raises(ValueError, match="no iSCSI name"):
        IscsiTarget(name, {})


def test_a_target_needs_units_with_numbers_in_range() -> None:
    with pytest.raises(ValueError, match="0 to 16383"):
        IscsiTarget(IQN, {1 << 14: World().disk})


def test_a_target_that_never_began_can_be_closed() -> None:
    target = IscsiTarget(IQN, {}, port=7)
    target.close()
    assert target.port == 7


def test_a_target_on_an_ipv6_address_says_so() -> None:
    with IscsiTarget(IQN, {}, host="::1", port=0) as target, Initiator(target.port, IQN, host="::1") as initiator:
        assert initiator.discover() == [("TargetName", IQN), ("TargetAddress", f"[::1]:{target.port},1")]
