"""Commands and their data: immediate, unsolicited, asked for; residuals, sense, the window."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iscsi.pdu import PduInvalid
from drivers.iscsi.tasks import WriteData
from drivers.iscsi.text import Parameters
from drivers.scsi.unit import Outcome, Status
from tests.drivers.iscsi.conftest import World
from tests.drivers.iscsi.units import Broken, sense
from tests.support import initiator as wire
from tests.support.initiator import NO_TAG, Initiator

MIB = 1 << 20
ANY = b"\xc0" + bytes(5)


def pattern(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


@pytest.mark.parametrize("length", [1, 3, 512, 262_144, 262_145, 300_000, MIB, 5 * MIB + 3])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"InitialR2T": "Yes"},
        {"ImmediateData": "No"},
        {"ImmediateData": "No", "InitialR2T": "Yes", "MaxBurstLength": "65536", "FirstBurstLength": "4096"},
        {"FirstBurstLength": "65536", "MaxBurstLength": "262144"},
    ],
    ids=["all", "no unsolicited", "no immediate", "everything asked for", "small bursts"],
)
def test_data_arrive_whole_whatever_was_agreed_on(world: World, keys: dict[str, str], length: int) -> None:
    initiator = world.login(MaxRecvDataSegmentLength="65536", **keys)
    data = pattern(length)
    written = initiator.execute(2, ANY, data)
    assert (written.status, written.residual) == (0, 0)
    assert world.echo.received == data
    read = initiator.execute(2, ANY, data_in_bytes=length)
    assert (read.data, read.residual) == (data, 0)


def test_immediate_data_alone_need_no_r2t(initiator: Initiator) -> None:
    initiator.execute(2, ANY, bytes(262_144))
    assert initiator.r2ts == []
    initiator.execute(2, ANY, bytes(262_145))
    assert initiator.r2ts == [(262_144, 1)]


def test_bursts_are_as_long_as_agreed(world: World) -> None:
    initiator = world.login(MaxBurstLength="100000", FirstBurstLength="50000")
    initiator.execute(2, ANY, bytes(270_000))
    assert initiator.r2ts == [(50_000, 100_000), (150_000, 100_000), (250_000, 20_000)]


def test_data_in_come_in_pdus_the_initiator_can_take(world: World) -> None:
    initiator = world.login(MaxRecvDataSegmentLength="512", MaxBurstLength="1000", FirstBurstLength="1000")
    world.echo.received = pattern(2600)
    initiator.start(2, ANY, data_in_bytes=2600)
    pdus = [initiator.receive() for _ in range(6)]
    assert [len(pdu.data) for pdu in pdus] == [512, 488, 512, 488, 512, 88]
    assert [pdu.flags & 0x81 for pdu in pdus] == [0, 0x80, 0, 0x80, 0, 0x81]
    assert b"".join(pdu.data for pdu in pdus) == pattern(2600)


@pytest.mark.parametrize(("expected", "residual"), [(1000, 0), (1500, 500), (600, -400)])
def test_residuals_say_what_was_missing_or_left_over(initiator: Initiator, expected: int, residual: int) -> None:
    initiator.execute(2, ANY, pattern(1000))
    result = initiator.execute(2, ANY, data_in_bytes=expected)
    assert result.data == pattern(1000)[:expected]
    assert result.residual == residual


def test_a_command_without_data_to_give_underflows(initiator: Initiator) -> None:
    result = initiator.execute(0, bytes(6), data_in_bytes=100)
    assert (result.status, result.data, result.residual) == (0, b"", 100)


def test_data_for_which_there_is_no_room_at_all_overflow(world: World, initiator: Initiator) -> None:
    world.echo.received = b"abcd"
    result = initiator.execute(2, ANY)
    assert (result.status, result.data, result.residual) == (0, b"", -4)


def test_a_write_says_when_more_or_fewer_data_came_than_its_cdb_asks_for(initiator: Initiator) -> None:
    two_blocks = bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 2, 0])
    assert initiator.execute(0, two_blocks, bytes(1024)).residual == 0
    assert initiator.execute(0, two_blocks, bytes(1500)).residual == 476
    assert initiator.execute(0, two_blocks, bytes(700)).residual == -324


def test_sense_comes_with_the_answer_and_beside_data(world: World, initiator: Initiator) -> None:
    world.echo.answer = Outcome(Status.CHECK_CONDITION, sense=sense(6, 0x29))
    refused = initiator.execute(2, ANY, b"data")
    assert (refused.status, refused.sense) == (2, sense(6, 0x29))
    beside = initiator.execute(2, ANY, data_in_bytes=10)
    assert (beside.status, beside.data, beside.sense, beside.residual) == (2, b"data", sense(6, 0x29), 6)


def test_a_status_without_sense_comes_as_it_is(world: World, initiator: Initiator) -> None:
    world.echo.answer = Outcome(Status.RESERVATION_CONFLICT)
    result = initiator.execute(2, ANY, b"data")
    assert (result.status, result.sense) == (Status.RESERVATION_CONFLICT, b"")


def test_a_defect_of_a_unit_is_a_hardware_error_and_the_target_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.echo, "execute", Broken().execute)
    initiator = world.login()
    result = initiator.execute(2, ANY)
    assert (result.status, result.sense_key, result.asc) == (2, 4, (0x44, 0))
    assert initiator.execute(0, bytes(6)).status == 0


def test_luns_are_reported_by_the_target(initiator: Initiator) -> None:
    cdb = bytes([0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    for lun in (0, 1, 99):
        listed = initiator.execute(lun, cdb, data_in_bytes=256)
        assert listed.data == bytes([0, 0, 0, 24]) + bytes(4) + b"".join(map(wire.lun_field, (0, 1, 2)))
    known = initiator.execute(0, cdb[:2] + b"\x01" + cdb[3:], data_in_bytes=256)
    assert known.data == bytes(8)
    for wrong in (cdb[:9] + b"\x0f" + cdb[10:], cdb[:2] + b"\x07" + cdb[3:]):
        short = wrong[:8] + (b"\0" if wrong[9] == 15 else wrong[8:9]) + wrong[9:]
        assert initiator.execute(0, short, data_in_bytes=256).asc == (0x24, 0)


@pytest.mark.parametrize("lun", [3, 300])
def test_a_unit_that_is_not_there_says_so(initiator: Initiator, lun: int) -> None:
    inquiry = initiator.execute(lun, bytes([0x12, 0, 0, 0, 36, 0]), data_in_bytes=36)
    assert (inquiry.status, inquiry.data[0], len(inquiry.data)) == (0, 0x7F, 36)
    assert initiator.execute(lun, bytes([0x12, 1, 0x80, 0, 36, 0]), data_in_bytes=36).asc == (0x24, 0)
    assert initiator.execute(lun, bytes(6)).asc == (0x25, 0)
    asked = initiator.execute(lun, bytes([3, 0, 0, 0, 18, 0]), data_in_bytes=18)
    assert (asked.status, asked.data[12:14]) == (0, b"\x25\0")
    assert initiator.execute(lun, bytes([0x0A, 0, 0, 2, 0, 0]), bytes(512)).asc == (0x25, 0)


def test_a_lun_of_another_form_is_not_there(initiator: Initiator) -> None:
    for field in (b"\x01\0\0\0\0\0\0\0", b"\0\0\0\1\0\0\0\0", b"\xc1\1\0\0\0\0\0\0"):
        header = initiator.header(wire.COMMAND, 0x81, 0x5000)
        header[8:16] = field
        initiator.cmd_sn += 1
        initiator.send(header)
        assert initiator.receive().data[14:16] == b"\x25\0"


def test_a_cdb_reaches_the_unit_as_long_as_its_operation_says(world: World, initiator: Initiator) -> None:
    for operation, length in ((0x00, 6), (0x25, 10), (0x4D, 10), (0x88, 16), (0xA5, 12), (0xC0, 16)):
        initiator.execute(0, bytes([operation]) + bytes(15))
        assert len(world.disk.commands[-1][1]) == length


def test_an_extended_cdb_is_put_together(world: World, initiator: Initiator) -> None:
    header = initiator.header(wire.COMMAND, 0x81, 0x6000)
    header[4] = 3
    header[32:48] = b"\x7f" + bytes(15)
    initiator.cmd_sn += 1
    initiator.send_raw(header, b"\x00\x08\x01\x00" + b"rest-of" + b"\0")
    assert initiator.receive().opcode == wire.RESPONSE
    assert world.disk.commands[-1][1] == b"\x7f" + bytes(15) + b"rest-of"


def test_a_command_larger_than_the_buffer_is_refused_and_its_data_are_dropped(world: World) -> None:
    initiator = world.login()
    result = initiator.execute(2, ANY, bytes(300_000), data_out_bytes=(16 << 20) + 1)
    assert (result.status, result.asc) == (2, (0x24, 0))
    assert initiator.execute(2, ANY, b"next").status == 0
    assert world.echo.received == b"next"


def test_a_command_that_both_reads_and_writes_is_refused(initiator: Initiator) -> None:
    assert initiator.execute(2, ANY, b"data", data_in_bytes=10).asc == (0x24, 0)


def test_large_writes_wait_for_each_other_so_that_memory_is_bounded(world: World, initiator: Initiator) -> None:
    sent = [initiator.start(1, ANY, bytes(12 * MIB)) for _ in range(4)]
    world.gate.let_through(4)
    assert [initiator.wait(one).status for one in sent] == [0, 0, 0, 0]


def test_pings_are_answered_while_a_command_runs(world: World, initiator: Initiator) -> None:
    slow = initiator.start(1, ANY)
    world.gate.wait_until_begun()
    assert initiator.nop(b"are you there") == b"are you there"
    assert initiator.execute(0, bytes(6)).status == 0, "another unit works meanwhile"
    assert not initiator.done(slow)
    world.gate.let_through()
    assert initiator.wait(slow).status == 0


def test_a_ping_may_take_its_turn_and_the_answer_to_one_is_not_answered(initiator: Initiator) -> None:
    header = initiator._numbered(wire.NOP_OUT, 0x80)
    header[20:24] = NO_TAG.to_bytes(4)
    initiator.send(header, b"in turn")
    assert initiator.receive().data == b"in turn"
    silent = initiator.header(wire.NOP_OUT, 0x80, NO_TAG, immediate=True)
    initiator.send(silent)
    assert initiator.nop(b"next") == b"next"


def test_commands_of_one_initiator_run_in_order_although_data_are_late(world: World, initiator: Initiator) -> None:
    late = initiator.start(2, b"\xc1" + bytes(5), pattern(300_000))
    after = initiator.start(2, b"\xc2" + bytes(5), b"after")
    assert initiator.wait(after).status == 0
    assert initiator.done(late), "the write that came first was carried out first"
    assert world.echo.received == b"after"


def test_a_write_that_stalls_holds_up_its_own_initiator_only(world: World) -> None:
    stalled, other = world.login(1), world.login(2)
    stalled.start(2, ANY, pattern(300_000))  # and never serves the R2T
    assert other.execute(2, ANY, b"other").status == 0


def test_the_window_bounds_what_is_under_way(world: World, initiator: Initiator) -> None:
    sent = [initiator.start(1, ANY) for _ in range(32)]
    world.gate.wait_until_begun()
    initiator.nop()
    assert initiator.max_cmd_sn == initiator.cmd_sn - 1, "the window is closed"
    initiator.start(1, ANY)  # ignored
    initiator.cmd_sn -= 1
    crowd = [initiator.start(1, ANY, immediate=True) for _ in range(9)]
    rejected = initiator.receive()
    assert (rejected.opcode, rejected.header[2]) == (wire.REJECT, 0x06)
    world.gate.let_through(40)
    for one in (*sent, *crowd[:8]):
        assert initiator.wait(one).status == 0
    assert initiator.max_cmd_sn == initiator.cmd_sn + 31
    assert len(world.gate.begun) == 40


def test_a_command_ahead_of_its_turn_waits_for_it(world: World, initiator: Initiator) -> None:
    initiator.cmd_sn += 1
    ahead = initiator.start(0, b"\x00\x00\x00\x00\x00\x02")
    initiator.cmd_sn -= 2
    turn = initiator.start(0, b"\x00\x00\x00\x00\x00\x01")
    initiator.wait(turn)
    initiator.wait(ahead)
    assert [cdb[5] for _, cdb in world.disk.commands] == [1, 2]
    initiator.cmd_sn += 1
    old = initiator.cmd_sn
    initiator.cmd_sn -= 5
    initiator.start(0, b"\x00\x00\x00\x00\x00\x03")  # a number that was used: ignored
    initiator.cmd_sn = old
    assert initiator.nop() == b"ping"
    assert len(world.disk.commands) == 2


def test_a_tag_in_use_is_refused(world: World, initiator: Initiator) -> None:
    running = initiator.start(1, ANY)
    world.gate.wait_until_begun()
    header = initiator.header(wire.COMMAND, 0x81, running.itt)
    initiator.cmd_sn += 1
    initiator.send(header)
    rejected = initiator.receive()
    assert (rejected.opcode, rejected.header[2]) == (wire.REJECT, 0x07)
    world.gate.let_through()
    assert initiator.wait(running).status == 0


@pytest.mark.parametrize(("opcode", "reason"), [(wire.SNACK, 0x03), (0x1D, 0x05)])
def test_what_is_not_served_is_rejected_with_its_header(initiator: Initiator, opcode: int, reason: int) -> None:
    header = initiator.header(opcode, 0x80, 0x7000, immediate=True)
    initiator.send(header)
    rejected = initiator.receive()
    assert (rejected.opcode, rejected.header[2]) == (wire.REJECT, reason)
    assert rejected.data == bytes(header)


# The gathering of data, without a socket.


@given(
    total=st.integers(0, 5000),
    first=st.integers(1, 2000),
    burst=st.integers(1, 2000),
    immediate=st.integers(0, 2000),
    piece=st.integers(1, 999),
    unsolicited=st.booleans(),
)
def test_any_agreement_gathers_the_data_in_order(
    total: int, first: int, burst: int, immediate: int, piece: int, unsolicited: bool
) -> None:
    data = pattern(total)
    first_burst = min(first, total)
    immediate = min(immediate, first_burst)
    more = unsolicited and immediate < first_burst
    agreed = Parameters(max_burst_bytes=burst, first_burst_bytes=first, initial_r2t=not unsolicited)
    gathered = WriteData(total, data[:immediate], not more, agreed)

    def give(offset: int, end: int) -> None:
        number = 0
        while offset < end:
            after = min(offset + piece, end)
            gathered.take(number, offset, data[offset:after], after == end)
            offset, number = after, number + 1

    if more:
        give(immediate, first_burst)
    while (wanted := gathered.next_burst()) is not None:
        assert 0 < wanted.length <= burst
        give(wanted.offset, wanted.offset + wanted.length)
    assert gathered.complete
    assert gathered.joined() == gathered.joined() == data


def gathering(immediate: bytes = b"", final: bool = True, **agreed: int | bool) -> WriteData:
    parameters = Parameters(max_burst_bytes=600, first_burst_bytes=500, initial_r2t=False)
    for key, value in agreed.items():
        setattr(parameters, key, value)
    return WriteData(1000, immediate, final, parameters)


def test_data_nobody_asked_for_or_agreed_on_are_refused() -> None:
    with pytest.raises(PduInvalid, match="immediate data"):
        gathering(b"x", immediate_data=False)
    with pytest.raises(PduInvalid, match="unsolicited data"):
        gathering(final=False, initial_r2t=True)
    with pytest.raises(PduInvalid, match="101 bytes more"):
        gathering(bytes(601))
    with pytest.raises(PduInvalid, match="nobody asked"):
        gathering(b"x").take(0, 1, b"y", True)


def test_a_sequence_of_data_has_no_gap_and_ends_where_it_must() -> None:
    with pytest.raises(PduInvalid, match="byte 0 comes next"):
        gathering(final=False).take(0, 4, b"y", True)
    with pytest.raises(PduInvalid, match="number 0 comes next"):
        gathering(final=False).take(7, 0, b"y", True)
    with pytest.raises(PduInvalid, match="does not say that it ends"):
        gathering(final=False).take(0, 0, bytes(500), False)
    asked = gathering()
    assert asked.next_burst() is not None
    assert asked.next_burst() is None, "one at a time"
    with pytest.raises(PduInvalid, match="ended 590 bytes early"):
        asked.take(0, 0, bytes(10), True)


def test_unsolicited_data_may_end_early() -> None:
    data = gathering(final=False)
    data.take(0, 0, bytes(10), True)
    burst = data.next_burst()
    assert burst is not None and (burst.offset, burst.length) == (10, 600)


@pytest.mark.parametrize("ahs", [b"\0\1", b"\0\0\1\0", b"\0\x20\1\0", b"\0\5\2\0abcd"])
def test_a_broken_header_segment_ends_the_connection(initiator: Initiator, ahs: bytes) -> None:
    header = initiator.header(wire.COMMAND, 0x81, 0x6000)
    padded = ahs + bytes(-len(ahs) % 4)
    header[4] = len(padded) // 4
    if len(ahs) == 2:  # a rest too short for a header of its own
        header[4], padded = 2, b"\0\1\1\0" + b"\0\x09\1\0"
    initiator.send_raw(header, padded)
    assert initiator.closed_by_target()


def test_a_read_that_brings_data_ends_the_connection(initiator: Initiator) -> None:
    header = initiator.header(wire.COMMAND, 0xC1, 0x6000)
    struct.pack_into(">I", header, 20, 512)
    initiator.send(header, b"data")
    assert initiator.closed_by_target()
