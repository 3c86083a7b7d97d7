"""The changer on the wire: elements as mtx reads them, moves, and the reasons why there was none."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from drivers.base import Barcode, ElementKind
from drivers.scsi import sense
from drivers.scsi.unit import LogicalUnit
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from drivers.simulator.scsi import units
from tests.drivers.scsi.wire import Answer, Wire
from tests.support.library import make_library, virtual_clock

_HAND, _DRIVE, _MAIL, _SLOT = 1, 256, 301, 1001


@dataclass(frozen=True)
class Seen:
    """One element descriptor."""

    kind: int
    full: bool
    flags: int
    tag: str | None
    source: int | None
    identifier: bytes


def elements(data: bytes) -> dict[int, Seen]:
    """Read READ ELEMENT STATUS data as an initiator does."""
    assert int.from_bytes(data[4:8], "big") == len(data) - 8
    found, offset = {}, 8
    while offset < len(data):
        kind, has_tags = data[offset], bool(data[offset + 1] & 0x80)
        size = int.from_bytes(data[offset + 2 : offset + 4], "big")
        end = offset + 8 + int.from_bytes(data[offset + 5 : offset + 8], "big")
        offset += 8
        while offset < end:
            raw = data[offset : offset + size]
            behind = 48 if has_tags else 12
            found[int.from_bytes(raw[:2], "big")] = Seen(
                kind,
                bool(raw[2] & 1),
                raw[2],
                raw[12:44].decode().rstrip(" \0") if has_tags else None,
                int.from_bytes(raw[10:12], "big") if raw[9] & 0x80 else None,
                raw[behind + 4 : behind + 4 + raw[behind + 3]],
            )
            offset += size
    assert int.from_bytes(data[2:4], "big") == len(found)
    return found


def status(wire: Wire, kind: int = 0, start: int = 0, number: int = 0xFFFF, flags: int = 0) -> dict[int, Seen]:
    answer = wire.changer(f"b8 {0x10 | kind:02x} {start:04x} {number:04x} {flags:02x} 010000 00 00")
    assert answer.good, answer.sense
    return elements(answer.data)


def move(wire: Wire, source: int, target: int) -> Answer:
    return wire.changer(f"a5 00 0001 {source:04x} {target:04x} 0000 00 00")


def test_every_element_is_told_with_its_volume(wire: Wire) -> None:
    found = status(wire)
    assert list(found) == [_HAND, _DRIVE, _DRIVE + 1, _MAIL, *range(_SLOT, _SLOT + 5)]
    assert [found[_SLOT + n].tag for n in range(5)] == ["A00001L8", "A00002L8", "CLN001L1", "", ""]
    assert [found[_SLOT + n].full for n in range(5)] == [True, True, True, False, False]
    assert found[_MAIL].flags & 0x38 == 0x38
    assert {address: seen.kind for address, seen in found.items() if seen.kind != 2} == {
        _HAND: 1,
        _DRIVE: 4,
        _DRIVE + 1: 4,
        _MAIL: 3,
    }


def test_elements_can_be_asked_for_by_type_and_range(wire: Wire) -> None:
    assert list(status(wire, kind=2, start=1002, number=2)) == [1002, 1003]
    assert list(status(wire, kind=4)) == [_DRIVE, _DRIVE + 1]
    assert list(status(wire, start=_DRIVE + 1, number=2)) == [_DRIVE + 1, _MAIL]
    assert status(wire, number=0) == {}
    assert wire.changer("b8 15 0000 ffff 00 001000 00 00").sense.field == (1, 3)


def test_drives_are_named_by_serial_number_where_it_is_asked_for(wire: Wire) -> None:
    found = status(wire, kind=4, flags=0x01)
    assert [seen.identifier[24:] for seen in found.values()] == [b"test-T0", b"test-T1"]
    assert all(seen.identifier.startswith(b"FIRN    SIM-LTO8        ") for seen in found.values())
    assert all(seen.identifier == b"" for seen in status(wire, kind=2, flags=0x03).values())
    without_tags = wire.changer("b8 04 0000 ffff 03 001000 00 00").data
    assert [seen.identifier[24:] for seen in elements(without_tags).values()] == [b"test-T0", b"test-T1"]


def test_a_status_is_cut_to_the_allocation_but_tells_its_whole_length(wire: Wire) -> None:
    whole = wire.changer("b8 10 0000 ffff 00 010000 00 00").data
    assert wire.changer("b8 10 0000 ffff 00 000008 00 00").data == whole[:8]


def test_a_volume_goes_through_drive_slot_and_mail_slot(wire: Wire) -> None:
    wire.load(1)
    found = status(wire)
    assert found[_DRIVE].tag == "A00001L8" and found[_DRIVE].source == _SLOT and not found[_SLOT].full
    assert not found[_DRIVE].flags & 0x08  # the drive holds it: the robot cannot reach in
    wire.unload(4)
    assert move(wire, _SLOT + 3, _MAIL).good
    assert status(wire)[_MAIL].tag == "A00001L8"
    assert move(wire, _MAIL, _DRIVE + 1).good
    assert status(wire)[_DRIVE + 1].source == _MAIL


def test_why_a_move_was_not_made(wire: Wire) -> None:
    for source, target, said in (
        (_SLOT + 4, _DRIVE, sense.SOURCE_EMPTY),
        (_SLOT, _SLOT + 1, sense.DESTINATION_FULL),
        (_DRIVE, _SLOT + 4, sense.SOURCE_EMPTY),
        (_SLOT, 999, sense.NO_SUCH_ELEMENT),
        (_SLOT + 5, _DRIVE, sense.NO_SUCH_ELEMENT),
        (_HAND, _DRIVE, sense.NO_SUCH_ELEMENT),
    ):
        assert move(wire, source, target).sense == said
    assert move(wire, _SLOT, _SLOT).good  # it is there already
    assert wire.changer("a5 00 0002 03e9 0100 0000 00 00").sense == sense.NO_SUCH_ELEMENT
    assert wire.changer("a5 00 0001 03e9 0100 0000 01 00").sense.field == (10, 0)
    wire.load(1)
    assert move(wire, _SLOT + 1, _DRIVE).sense == sense.DESTINATION_FULL


def test_a_drive_that_holds_on_keeps_its_volume(loaded: Wire) -> None:
    assert move(loaded, _DRIVE, _SLOT).sense == sense.MANUAL_INTERVENTION
    assert loaded.tape("1e 00 00 00 01 00").good
    assert move(loaded, _DRIVE, _SLOT).sense == sense.REMOVAL_PREVENTED
    assert loaded.tape("1e 00 00 00 00 00").good
    assert loaded.tape("1b 00 00 00 00 00").good
    assert move(loaded, _DRIVE, _SLOT).good


def test_two_volumes_change_places(wire: Wire) -> None:
    assert wire.changer("a6 00 0001 03e9 03ea 03e9 00 00").good
    found = status(wire, kind=2)
    assert found[_SLOT].tag == "A00002L8" and found[_SLOT + 1].tag == "A00001L8"
    assert wire.changer("a6 00 0001 03e9 03ea 03ec 00 00").good
    found = status(wire, kind=2)
    assert [found[_SLOT + n].tag for n in range(4)] == ["", "A00002L8", "CLN001L1", "A00001L8"]
    for cdb, said in (
        ("a6 00 0001 03e9 03ea 03e9 00 00", sense.SOURCE_EMPTY),
        ("a6 00 0001 03ea 03e9 03ea 00 00", sense.SOURCE_EMPTY),
        ("a6 00 0001 03ea 03eb 03ec 00 00", sense.DESTINATION_FULL),
        ("a6 00 0001 03ea 03e7 03ea 00 00", sense.NO_SUCH_ELEMENT),
    ):
        assert wire.changer(cdb).sense == said
    assert wire.changer("a6 00 0001 03ea 03eb 03ea 01 00").sense.field == (10, 0)


def test_an_exchange_needs_a_drive_that_lets_go_and_a_robot_that_can(loaded: Wire) -> None:
    exchange = "a6 00 0001 03ea 0100 03e9 00 00"
    assert loaded.changer(exchange).sense == sense.MANUAL_INTERVENTION
    loaded.tape("1b 00 00 00 00 00")
    loaded.library.faults.add("fail robot before transfer")
    assert loaded.changer(exchange).sense == sense.MECHANICAL_ERROR
    assert status(loaded)[_DRIVE].tag == "A00001L8"
    assert loaded.changer(exchange).good
    found = status(loaded)
    assert found[_DRIVE].tag == "A00002L8" and found[_SLOT].tag == "A00001L8"


def test_a_person_at_the_mail_slot_is_told_once_and_the_robot_itself_is_not(wire: Wire) -> None:
    assert move(wire, _SLOT, _MAIL).good
    assert wire.changer("00 00 00 00 00 00").good
    wire.library.hands.remove(Barcode("A00001L8"))
    assert wire.changer("00 00 00 00 00 00").sense == sense.MAIL_SLOT_ACCESSED
    assert wire.changer("00 00 00 00 00 00").good
    wire.library.hands.insert(Barcode("A00001L8"))
    assert wire.changer("1a 08 1d 00 88 00").sense == sense.MAIL_SLOT_ACCESSED
    assert status(wire)[_MAIL].tag == "A00001L8"


def test_a_move_takes_the_robots_time_until_it_is_given_up(wire: Wire) -> None:
    before = wire.clock.now()
    assert move(wire, _SLOT, _SLOT + 4).good
    assert (wire.clock.now() - before).total_seconds() == pytest.approx(13)
    before = wire.clock.now()
    cdb = bytes.fromhex("a500000103ed03e900000000")
    wire.units[0].execute("host", cdb, b"", lambda: True)
    assert (wire.clock.now() - before).total_seconds() == 0


def test_the_robot_moves_to_an_element_and_looks_at_all(wire: Wire) -> None:
    assert wire.changer("2b 00 0001 03e9 0000 00 00").good
    assert wire.changer("2b 00 0001 03e7 0000 00 00").sense == sense.NO_SUCH_ELEMENT
    assert wire.changer("2b 00 0001 03e9 0000 01 00").sense.field == (8, 0)
    assert wire.changer("07 00 00 00 00 00").good
    assert wire.changer("37 01 03e9 0000 0002 00 00").good
    assert wire.changer("37 01 03e7 0000 0002 00 00").sense == sense.NO_SUCH_ELEMENT
    assert wire.changer("37 00 0000 0000 0000 00 00").good


def test_the_mode_pages_tell_addresses_and_abilities(wire: Wire) -> None:
    page = wire.changer("1a 08 1d 00 ff 00").data[4:]
    assert page[2:18] == bytes.fromhex("0001 0001 03e9 0005 012d 0001 0100 0002")
    assert wire.changer("1a 08 1f 00 ff 00").data[6:8] == b"\x0e\x03"
    assert wire.log(0x2E, lun=0) == dict.fromkeys(range(1, 65), 0)


def test_recorders_have_an_element_but_no_unit(tmp_path: Path) -> None:
    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",), discs=("D00001",)) as library:
        wire = Wire(library)
        wire.settle()
        assert set(wire.units) == {0, 1, 2}
        found = status(wire, kind=4, flags=0x01)
        assert found[_DRIVE + 2].identifier == b"FIRN    SIM-RECORDER    test-R0"
        assert move(wire, _SLOT + 1, _DRIVE + 2).good
        assert move(wire, _DRIVE + 2, _SLOT + 1).sense == sense.MANUAL_INTERVENTION
        library.recorders[2].unload()
        assert move(wire, _DRIVE + 2, _SLOT + 1).good


def test_without_a_robot_the_drives_are_numbered_from_0(tmp_path: Path) -> None:
    volume = VolumeSpec(Barcode("A00001L8"), "LTO-8", 4_000_000, shelf=True)
    spec = LibrarySpec("l", (DriveSpec("LTO-8", "T0"),), 0, 0, (volume,), by_hand=True)
    SimulatedLibrary.create(tmp_path / "l", spec)
    with SimulatedLibrary(tmp_path / "l", virtual_clock()) as library:
        found = units(library)
        assert list(found) == [0]
        assert found[0].execute("host", bytes.fromhex("120000002400"), b"", lambda: False).data[0] == 0x01


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    root = tmp_path_factory.mktemp("shared")
    with make_library(root, virtual_clock(), tapes=("A00001L8", "A00002L8")) as library:
        yield Wire(library)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lun=st.integers(0, 2),
    cdb=st.one_of(
        st.binary(min_size=0, max_size=20),
        st.tuples(st.sampled_from(bytes.fromhex("a5a6b8122b1a4d0a08109192")), st.binary(min_size=15, max_size=15)).map(
            lambda parts: bytes([parts[0]]) + parts[1]
        ),
    ),
    data=st.binary(max_size=64),
)
def test_whatever_an_initiator_sends_gets_an_answer_and_loses_no_volume(
    shared: Wire, lun: int, cdb: bytes, data: bytes
) -> None:
    unit: LogicalUnit = shared.units[lun]
    outcome = unit.execute("host", cdb, data, lambda: True)
    assert (outcome.status != 0x02) == (outcome.sense == b"")
    inventory = shared.library.changer.inventory()
    assert sum(element.full for element in inventory.elements) == 2
    assert {element.kind for element in inventory.elements} == set(ElementKind)
