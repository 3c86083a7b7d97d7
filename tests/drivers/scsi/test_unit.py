"""What every unit does: it says who it is, tells what happened once to each nexus, and keeps a reservation."""

import pytest

from drivers.scsi import sense
from drivers.scsi.sense import Key, Sense
from drivers.scsi.unit import Status
from tests.drivers.scsi.wire import Wire

_TUR = "00 00 00 00 00 00"


def test_drives_and_changer_say_who_they_are(wire: Wire) -> None:
    for lun, kind, product, serial in ((0, 0x08, b"SIM-CHANGER", b"test"), (2, 0x01, b"SIM-LTO8", b"test-T1")):
        data = wire.send(lun, "12 00 00 0100 00").data
        assert len(data) == 96 and data[0] == kind and data[1] & 0x80
        assert data[8:16] == b"FIRN    " and data[16:32].rstrip() == product
        assert wire.send(lun, "12 01 80 00ff 00").data[4:] == serial
        designators = wire.send(lun, "12 01 83 00ff 00").data
        assert int.from_bytes(designators[2:4], "big") == len(designators) - 4
        assert serial in designators


def test_no_two_units_have_the_same_name(wire: Wire) -> None:
    names = {wire.send(lun, "12 01 83 00ff 00").data[-8:] for lun in wire.units}
    assert len(names) == len(wire.units)


def test_vital_pages_that_are_listed_are_there_and_others_are_not(wire: Wire) -> None:
    for lun in (0, 1):
        listed = wire.send(lun, "12 01 00 00ff 00").data[4:]
        for page in range(256):
            answer = wire.send(lun, f"12 01 {page:02x} 00ff 00")
            if page in listed:
                assert answer.data[1] == page and int.from_bytes(answer.data[2:4], "big") == len(answer.data) - 4
            else:
                assert answer.sense.code == (0x24, 0x00) and answer.sense.field == (2, None)
    assert b"\xb0" not in wire.send(0, "12 01 00 00ff 00").data


def test_a_page_without_the_bit_that_asks_for_pages_is_refused(wire: Wire) -> None:
    assert wire.tape("12 00 80 00ff 00").sense.code == (0x24, 0x00)


def test_answers_are_cut_to_what_the_initiator_allows(wire: Wire) -> None:
    whole = wire.tape("12 00 00 0060 00").data
    for size in (0, 5, 36):
        assert wire.tape(f"12 00 00 {size:04x} 00").data == whole[:size]


def test_units_are_listed(wire: Wire) -> None:
    data = wire.tape("a0 00 00 000000 00001000 00 00".replace("000000 00001000", "000000 00000100")).data
    assert data[:8] == bytes([0, 0, 0, 24, 0, 0, 0, 0])
    assert [int.from_bytes(data[n : n + 2], "big") for n in range(8, 32, 8)] == [0, 1, 2]
    assert wire.tape("a0 00 01 000000 00000100 00 00").data == bytes(8)
    assert wire.tape("a0 00 00 000000 0000000f 00 00").sense.field == (6, None)
    assert wire.tape("a0 00 03 000000 00000100 00 00").sense.field == (2, None)


def test_each_nexus_hears_of_a_reset_once(loaded: Wire) -> None:
    loaded.write()
    loaded.send(1, _TUR, nexus="second")
    assert loaded.send(1, _TUR, nexus="second").good
    loaded.units[1].reset()
    for nexus in ("host", "second"):
        assert loaded.send(1, "12 00 00 0060 00", nexus=nexus).good  # carried out all the same
        assert loaded.send(1, _TUR, nexus=nexus).sense == sense.RESET
        assert loaded.send(1, _TUR, nexus=nexus).good
    assert loaded.position == 0
    assert loaded.send(2, _TUR).sense == sense.MEDIUM_NOT_PRESENT  # the other drive was not reset


def test_a_nexus_that_was_forgotten_begins_anew(loaded: Wire) -> None:
    loaded.units[1].forget("host")
    assert loaded.tape(_TUR).sense == sense.RESET
    assert loaded.tape(_TUR).good


def test_what_waits_can_be_asked_for(loaded: Wire) -> None:
    loaded.units[1].reset()
    answer = loaded.tape("03 00 00 00 fc 00")
    assert answer.good and Sense.decode(answer.data) == sense.RESET
    assert Sense.decode(loaded.tape("03 00 00 00 fc 00").data) == sense.NOTHING
    assert loaded.tape(_TUR).good


def test_a_reservation_keeps_others_out_until_it_is_released(loaded: Wire) -> None:
    loaded.send(1, _TUR, nexus="second")
    assert loaded.tape("16 00 00 00 00 00").good
    assert loaded.send(1, _TUR, nexus="second").outcome.status is Status.RESERVATION_CONFLICT
    assert loaded.send(1, "12 00 00 0060 00", nexus="second").good
    loaded.send(1, "17 00 00 00 00 00", nexus="second")  # not theirs to release
    assert loaded.send(1, _TUR, nexus="second").outcome.status is Status.RESERVATION_CONFLICT
    assert loaded.tape(_TUR).good
    assert loaded.tape("17 00 00 00 00 00").good
    assert loaded.send(1, _TUR, nexus="second").good


@pytest.mark.parametrize("ending", ["reset", "forget"])
def test_a_reservation_ends_with_a_reset_or_its_nexus(loaded: Wire, ending: str) -> None:
    loaded.tape("16 00 00 00 00 00")
    if ending == "reset":
        loaded.units[1].reset()
    else:
        loaded.units[1].forget("host")
    assert loaded.send(1, _TUR, nexus="second").sense.key is Key.UNIT_ATTENTION


def test_mode_pages_are_told_as_they_are_as_they_can_be_set_and_as_they_were(loaded: Wire) -> None:
    head = loaded.tape("1a 00 0f 00 ff 00").data
    assert head[0] == len(head) - 1 and head[1] == 0x88 and head[2] == 0x10 and head[3] == 8
    assert head[4] == 0x5E  # the density of LTO-8
    assert loaded.tape("1a 08 0f 00 ff 00").data[4:] == head[12:]
    assert loaded.tape("1a 00 4f 00 ff 00").data[14] == 0x80
    off = head[12:14] + bytes([head[14] | 0x80]) + head[15:]
    assert loaded.tape("15 10 00 00 1c 00", bytes(4)[:1] + b"\0\x10\x08" + bytes(8) + off).good
    assert loaded.tape("1a 08 0f 00 ff 00").data[4:] == off
    assert loaded.tape("1a 08 8f 00 ff 00").data[4:] == head[12:]
    assert loaded.tape("1a 08 cf 00 ff 00").sense.code == (0x39, 0x00)
    loaded.units[1].reset()
    loaded.settle()
    assert loaded.tape("1a 08 0f 00 ff 00").data[4:] == head[12:]


def test_all_mode_pages_come_in_both_sizes(loaded: Wire) -> None:
    short = loaded.tape("1a 00 3f 00 ff 00").data
    long = loaded.tape("5a 00 3f 00 00 00 00 1000 00").data
    assert long[8:] == short[4:]
    assert int.from_bytes(long[:2], "big") == len(long) - 2
    assert loaded.tape("5a 00 3f ff 00 00 00 1000 00").data == long
    assert loaded.tape("5a 00 3f 01 00 00 00 1000 00").sense.field == (3, None)
    assert loaded.tape("1a 00 2a 00 ff 00").sense.field == (2, 5)


@pytest.mark.parametrize(
    ("list_bytes", "field"),
    [
        ("00 00 10 03", 3),  # a block descriptor of three bytes
        ("00 00 33 00", 2),  # an unknown way of buffering, a speed
        ("00 00 10 08 58 000000 00 000000", 4),  # the density of another generation
        ("00 00 10 08 00 000000 00 800001", 9),  # a block too long
        ("00 00 10 00 2a 02 00 00", 4),  # a page that is not there
        ("00 00 10 00 8f 0e", 4),  # a bit beside the page number
        ("00 00 10 00 0f 0d" + "00" * 14, 5),  # a wrong page length
        ("00 00 10 00 0f 0e 00" + "00" * 13, 6),  # a bit that cannot be changed
    ],
)
def test_mode_parameters_that_cannot_be_are_pointed_at(loaded: Wire, list_bytes: str, field: int) -> None:
    before = loaded.tape("1a 00 3f 00 ff 00").data
    data = bytes.fromhex(list_bytes)
    said = loaded.tape(f"15 10 00 00 {len(data):02x} 00", data).sense
    assert said.code == (0x26, 0x00) and said.in_parameters and said.field is not None and said.field[0] == field
    assert loaded.tape("1a 00 3f 00 ff 00").data == before


@pytest.mark.parametrize("list_bytes", ["00 00", "00 00 10 08 00", "00 00 10 00 0f 0e 00"])
def test_mode_parameters_that_end_too_early_are_refused(loaded: Wire, list_bytes: str) -> None:
    data = bytes.fromhex(list_bytes)
    assert loaded.tape(f"15 10 00 00 {len(data):02x} 00", data).sense == sense.LENGTH_OF_PARAMETERS
    assert loaded.tape("15 10 00 00 20 00", data).sense == sense.LENGTH_OF_PARAMETERS  # less came than was said


def test_mode_select_wants_its_page_format_and_saves_nothing(loaded: Wire) -> None:
    assert loaded.tape("15 00 00 00 04 00", b"\0\0\x10\0").sense.field == (1, 4)
    assert loaded.tape("15 11 00 00 04 00", b"\0\0\x10\0").sense.field == (1, 0)
    assert loaded.tape("15 10 00 00 00 00").good
    assert loaded.tape("55 10 00 00 00 00 00 0008 00", b"\0\0\0\x10\0\0\0\0").good


def test_others_hear_that_the_mode_was_changed(loaded: Wire) -> None:
    loaded.send(1, _TUR, nexus="second")
    loaded.tape("15 10 00 00 04 00", b"\0\0\x10\0")
    assert loaded.send(1, _TUR, nexus="second").sense == sense.MODE_CHANGED
    assert loaded.tape(_TUR).good


def test_a_changer_takes_no_block_descriptor(wire: Wire) -> None:
    assert wire.changer("1a 00 1d 00 ff 00").data[4:6] == b"\x1d\x12"
    assert wire.send(0, "15 10 00 00 0c 00", b"\0\0\0\x08" + bytes(8)).sense.field == (4, None)
    assert wire.send(0, "15 10 00 00 04 00", b"\0\0\x10\0").sense.field == (2, None)
    assert wire.send(0, "15 10 00 00 04 00", bytes(4)).good


def test_log_pages_are_listed_and_others_are_refused(loaded: Wire) -> None:
    listed = loaded.tape("4d 00 40 00 00 0000 0100 00").data[4:]
    assert listed == bytes([0x00, 0x02, 0x03, 0x0C, 0x11, 0x17, 0x2E, 0x31])
    for page in listed:
        answer = loaded.tape(f"4d 00 {0x40 | page:02x} 00 00 0000 1000 00")
        assert answer.data[0] == page and int.from_bytes(answer.data[2:4], "big") == len(answer.data) - 4
    assert loaded.tape("4d 00 7e 00 00 0000 0100 00").sense.field == (2, 5)
    assert loaded.tape("4d 00 42 01 00 0000 0100 00").sense.field == (3, None)
    assert loaded.tape("4d 01 42 00 00 0000 0100 00").sense.field == (1, 0)


def test_a_log_page_can_be_read_from_a_parameter_on(loaded: Wire) -> None:
    part = loaded.tape("4d 00 42 00 00 0005 0100 00").data
    assert part[4:6] == b"\x00\x05" and len(part) == 4 + 12 + 8
    assert loaded.tape("4d 00 42 00 00 0100 0100 00").sense.field == (5, None)


def test_a_disk_that_fails_under_the_simulator_is_a_hardware_error(
    loaded: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drivers.simulator.cartridge._write_whole", full)
    assert loaded.write().sense == sense.INTERNAL_FAILURE
