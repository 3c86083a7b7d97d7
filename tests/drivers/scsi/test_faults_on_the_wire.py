"""Every line of faults.txt shows on the wire as the sense data a real drive or robot would send."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from drivers.base import Barcode
from drivers.clock import ScaledClock, VirtualClock
from drivers.scsi import sense
from drivers.scsi.sense import Key, Sense
from drivers.simulator.scsi.patience import pass_time
from tests.drivers.scsi.wire import BLOCK, Answer, Wire

_TUR = "00 00 00 00 00 00"
_DEFERRED = Sense(Key.MEDIUM_ERROR, (0x0C, 0x00), deferred=True)

_OPERATIONS: dict[str, Callable[[Wire], Answer]] = {
    "read": lambda wire: wire.read(),
    "write": lambda wire: wire.write(),
    "flush": lambda wire: wire.flush(),
    "seek": lambda wire: wire.locate(0),
    "tell": lambda wire: wire.tape("34 00 00 00 00 00 00 00 00 00"),
    "rewind": lambda wire: wire.rewind(),
    "unload": lambda wire: wire.tape("1b 00 00 00 00 00"),
}


@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("error", ["device error", "medium error", "end of medium"])
def test_an_operation_fails_with_the_sense_of_its_error(loaded: Wire, operation: str, error: str) -> None:
    for _ in range(3):
        loaded.write()
    loaded.rewind()
    loaded.library.faults.add(f"fail {operation} with {error} on drive 0")
    said = _OPERATIONS[operation](loaded).sense
    expected = {
        "device error": sense.LOAD_OR_EJECT_FAILED if operation == "unload" else sense.INTERNAL_FAILURE,
        "medium error": {
            "read": sense.READ_ERROR,
            "write": sense.WRITE_ERROR,
            "flush": sense.WRITE_ERROR,
            "unload": sense.LOAD_OR_EJECT_FAILED,
        }.get(operation, sense.LOCATE_ERROR),
        "end of medium": sense.OVERFLOW,
    }[error]
    assert (said.key, said.code, said.eom) == (expected.key, expected.code, expected.eom)
    assert _OPERATIONS[operation](loaded).good  # once is once


def test_a_write_fails_after_some_blocks_with_what_is_left(loaded: Wire) -> None:
    loaded.library.faults.add("fail write with medium error after 3 records")
    for _ in range(3):
        assert loaded.write().good
    assert loaded.write().sense == sense.WRITE_ERROR.left(len(BLOCK))
    assert loaded.position == 3
    assert loaded.write().good
    assert loaded.log(0x02)[6] == 1
    assert {3, 6} <= loaded.alerts() and not loaded.alerts()


def test_a_place_that_cannot_be_read_stays_so_and_what_is_behind_it_can(loaded: Wire) -> None:
    for n in range(6):
        loaded.write(bytes([n]) * len(BLOCK))
    loaded.rewind()
    loaded.library.faults.add("unreadable blocks 2-3 on volume A00001L8 in drive 0")
    assert loaded.read().good and loaded.read().good
    for _ in range(2):
        assert loaded.read().sense == sense.READ_ERROR.left(len(BLOCK))
        assert loaded.position == 2
    assert loaded.locate(4).good
    assert loaded.read().data[:1] == b"\4"
    assert loaded.log(0x03)[6] == 2 and loaded.log(0x17)[0x0009] == 2
    assert loaded.alerts() == {3, 4}


def test_a_bad_fixed_block_comes_with_what_was_read_before_it(loaded: Wire) -> None:
    for _ in range(4):
        loaded.write(bytes(512))
    loaded.rewind()
    assert loaded.tape("15 10 00 00 0c 00", b"\0\0\x10\x08" + bytes(5) + b"\0\x02\0").good
    loaded.library.faults.add("unreadable blocks 2 on volume A00001L8")
    answer = loaded.tape("08 01 000004 00")
    assert answer.sense == sense.READ_ERROR.left(2)
    assert answer.data == bytes(1024)


@pytest.mark.parametrize("told_by", ["write", "flush", "unload"])
def test_a_deferred_error_is_told_as_one(loaded: Wire, told_by: str) -> None:
    assert loaded.write(b"kept").good and loaded.flush().good
    loaded.library.faults.add(f"defer write error to {told_by} on drive 0")
    assert loaded.write(b"lost").good
    if told_by == "write":
        assert loaded.write(b"refused").sense == _DEFERRED
    elif told_by == "flush":
        assert loaded.write(b"lost, too").good
        assert loaded.flush().sense == _DEFERRED
    else:
        assert loaded.tape("1b 00 00 00 00 00").sense == _DEFERRED
    assert loaded.position == 1
    assert loaded.flush().good
    assert loaded.read().sense.key is Key.BLANK_CHECK


def test_a_filemark_that_is_waited_for_tells_a_deferred_error(loaded: Wire) -> None:
    loaded.library.faults.add("defer write error to flush")
    loaded.write()
    assert loaded.mark(1, immediate=True).good
    assert loaded.mark(1, immediate=False).sense == _DEFERRED
    assert loaded.position == 0


def test_a_reset_is_told_to_everybody_and_leaves_the_head_at_the_beginning(loaded: Wire) -> None:
    loaded.send(1, _TUR, nexus="second")
    loaded.write()
    loaded.library.faults.add("unit attention on drive 0")
    assert loaded.write().sense == sense.RESET
    assert loaded.send(1, _TUR, nexus="second").sense == sense.RESET
    assert loaded.position == 0
    loaded.library.faults.add("unit attention after 2 records")
    assert loaded.write().good and loaded.write().good
    assert loaded.write().sense.code == sense.RESET.code
    assert loaded.position == 0


def test_a_loss_of_power_takes_what_was_not_flushed(loaded: Wire) -> None:
    loaded.write(b"safe")
    loaded.flush()
    loaded.write(b"in the buffer")
    loaded.library.faults.add("lose power on drive 0 after 1 records")
    assert loaded.write().good
    said = loaded.write().sense
    assert (said.key, said.code) == (sense.POWER_LOST.key, sense.POWER_LOST.code)
    assert loaded.tape(_TUR).sense == sense.RESET
    assert loaded.tape(_TUR).good
    assert loaded.read(4).data == b"safe"
    assert loaded.read(4).sense.key is Key.BLANK_CHECK


def test_a_flush_that_lies_is_found_out_by_a_loss_of_power(loaded: Wire) -> None:
    loaded.library.faults.add("ignore flush")
    loaded.write()
    assert loaded.flush().good
    loaded.library.faults.add("lose power")
    assert not loaded.write().good
    loaded.settle()
    assert loaded.read().sense.key is Key.BLANK_CHECK


def test_a_drive_that_never_becomes_ready(wire: Wire) -> None:
    wire.library.faults.add("never ready on drive 0")
    wire.load()
    for _ in range(3):
        assert wire.tape(_TUR).sense == sense.BECOMING_READY
    wire.library.faults.clear()
    assert wire.tape(_TUR).good


def test_a_command_that_hangs_ends_when_it_is_given_up(loaded: Wire) -> None:
    loaded.write()
    loaded.rewind()
    loaded.library.faults.add("hang read for 100000000 s on drive 0")
    asked = iter([False] * 3)
    outcome = loaded.units[1].execute("host", bytes.fromhex("080010000000"), b"", lambda: next(asked, True))
    assert outcome.sense
    assert loaded.position == 0 and loaded.read().good


def test_a_hang_that_is_waited_for_ends_in_an_error(loaded: Wire) -> None:
    loaded.library.faults.add("hang seek for 900 s")
    before = loaded.clock.now()
    assert loaded.locate(0).sense == sense.INTERNAL_FAILURE
    assert (loaded.clock.now() - before).total_seconds() == pytest.approx(900)


def test_rot_is_not_told(loaded: Wire) -> None:
    loaded.write(bytes(100))
    loaded.rewind()
    loaded.library.faults.add("rot byte 7 of volume A00001L8")
    answer = loaded.read(100)
    assert answer.good and answer.data == bytes(7) + b"\1" + bytes(92)


def test_alerts_are_up_until_they_were_read_and_a_glance_is_no_reading(loaded: Wire) -> None:
    loaded.library.faults.add("raise alert 5 on drive 0")
    for _ in range(2):
        assert loaded.tape("4d 00 6e 00 00 0000 0004 00").data == bytes.fromhex("2e000140")
    assert loaded.alerts() == {5}
    assert loaded.alerts() == set()
    loaded.library.faults.clear()
    assert loaded.alerts() == set()
    loaded.library.faults.add("raise alert 5 on drive 0")
    assert loaded.alerts() == {5}  # it came back, and that is news


def test_a_cartridge_swapped_in_the_drive_is_told_and_written_from_its_beginning(loaded: Wire) -> None:
    loaded.write()
    loaded.write()
    loaded.library.hands.swap(0, Barcode("A00002L8"))
    assert loaded.write().sense == sense.MEDIUM_CHANGED
    assert loaded.write().good
    assert loaded.position == 1


_LOAD = "a5 00 0001 03e9 0100 0000 00 00"


@pytest.mark.parametrize(
    ("fault", "said", "moved"),
    [
        ("fail robot before load", sense.MECHANICAL_ERROR, False),
        ("fail robot after load", sense.INTERNAL_FAILURE, True),
        ("robot busy", sense.IN_PROGRESS, False),
    ],
)
def test_the_robot_says_what_happened(wire: Wire, fault: str, said: Sense, moved: bool) -> None:
    wire.library.faults.add(fault)
    assert wire.changer(_LOAD).sense == said
    found = wire.library.changer.inventory().drive(0)
    assert found is not None and found.full is moved
    if not moved:
        assert wire.changer(_LOAD).good


def test_a_busy_robot_answers_later(wire: Wire) -> None:
    for cdb in ("07 00 00 00 00 00", "b8 10 0000 ffff 00 001000 00 00", "2b 00 0001 03e9 0000 00 00"):
        wire.library.faults.add("robot busy 2 times")
        for _ in range(2):
            assert wire.changer(cdb).sense == sense.IN_PROGRESS
        assert wire.changer(cdb).good
        wire.library.faults.clear()


def test_a_robot_that_does_not_say_what_is_where(wire: Wire) -> None:
    wire.library.faults.add("fail inventory")
    assert wire.changer("b8 10 0000 ffff 00 001000 00 00").sense == sense.INTERNAL_FAILURE
    assert wire.changer("b8 10 0000 ffff 00 001000 00 00").good


def test_a_barcode_that_cannot_be_read_is_not_there(wire: Wire) -> None:
    wire.library.faults.add("hide barcode of volume A00001L8")
    data = wire.changer("b8 12 03e9 0002 00 001000 00 00").data
    first, second = data[16:68], data[68:120]
    assert first[2] & 1 and first[12:44] == bytes(32)
    assert second[12:20] == b"A00002L8"


def test_device_time_passes_whole_on_any_clock() -> None:
    clock = VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))
    before = clock.now()
    pass_time(clock, 123.4, lambda: False)
    assert (clock.now() - before).total_seconds() == pytest.approx(123.4)


def test_device_time_is_cut_short_in_real_time() -> None:
    given_up = threading.Event()
    ended = threading.Event()

    def wait() -> None:
        pass_time(ScaledClock(20.0), 1e9, given_up.is_set)
        ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    given_up.set()
    assert ended.wait(60)
    waiting.join()
