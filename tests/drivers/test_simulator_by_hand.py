"""Simulated drives without a robot: what a person puts in and takes out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import Barcode, DiscState
from drivers.errors import ChangerError, DriveEmpty, NeedsOperator, NoSuchElement, SourceEmpty, TargetFull
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from tests.drivers.contract.by_hand_contract import ByHandContract, Counter
from tests.support.library import virtual_clock

TAPE, DISC, OTHER = Barcode("A00001L8"), Barcode("D00001"), Barcode("D00002")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[SimulatedLibrary]:
    spec = LibrarySpec(
        name="desk",
        drives=(DriveSpec("LTO-8", "T0"), DriveSpec("DVD", "R1")),
        slots=0,
        mail_slots=0,
        volumes=(
            VolumeSpec(TAPE, "LTO-8", 8_000_000),
            VolumeSpec(DISC, "DVD+R", 4_000_000),
            VolumeSpec(OTHER, "DVD+R", 4_000_000),
        ),
        by_hand=True,
    )
    SimulatedLibrary.create(tmp_path, spec)
    with SimulatedLibrary(tmp_path, virtual_clock()) as library:
        yield library


class TestSimulatedByHandChanger(ByHandContract):
    @pytest.fixture
    def counter(self, library: SimulatedLibrary) -> Counter:
        def release(drive: int) -> None:
            device = library.tape_drives[0] if drive == 0 else library.recorders[1]
            device.wait_ready(300)
            device.unload()

        def take(drive: int) -> None:
            library.hands.take(drive)

        return Counter(library.changer, lambda drive: library.hands.feed(drive, (TAPE, DISC)[drive]), release, take)


def full(library: SimulatedLibrary) -> list[bool]:
    return [element.full for element in library.changer.inventory().elements]


def test_everything_lies_on_the_shelf_and_there_are_only_drives(library: SimulatedLibrary) -> None:
    assert library.changer.by_hand
    assert library.hands.shelf() == (TAPE, DISC, OTHER)
    inventory = library.changer.inventory()
    assert [(e.index, e.drive_serial) for e in inventory.drives()] == [(0, "T0"), (1, "R1")]
    assert not inventory.storage()
    assert full(library) == [False, False]


def test_a_fed_drive_is_full_and_nobody_knows_of_what(library: SimulatedLibrary) -> None:
    library.hands.feed(1, DISC)
    element = library.changer.inventory().drive(1)
    assert element is not None and element.full and element.barcode is None
    assert library.recorders[1].status().state is DiscState.BLANK
    assert library.hands.shelf() == (TAPE, OTHER)


def test_what_a_drive_let_go_of_is_out_and_makes_room_for_the_next(library: SimulatedLibrary) -> None:
    library.hands.feed(1, DISC)
    with pytest.raises(TargetFull, match="holds D00001"):
        library.hands.feed(1, OTHER)
    with pytest.raises(ChangerError, match="holds on to"):
        library.changer.unload(1, 1)
    library.recorders[1].unload()
    library.changer.unload(1, 1)
    assert full(library) == [False, False]
    assert library.recorders[1].status().state is DiscState.NONE
    library.hands.feed(1, OTHER)
    assert full(library) == [False, True]
    assert library.hands.shelf() == (TAPE, DISC)


def test_a_person_takes_a_volume_by_the_button_and_feeds_it_again(library: SimulatedLibrary) -> None:
    library.hands.feed(0, TAPE)
    library.tape_drives[0].wait_ready(60)
    assert library.hands.take(0) == TAPE
    assert full(library) == [False, False]
    with pytest.raises(DriveEmpty):
        library.tape_drives[0].rewind()
    with pytest.raises(SourceEmpty, match="nothing to take"):
        library.hands.take(0)
    library.changer.unload(0, 1)  # it is out, whoever took it
    library.hands.feed(0, TAPE)
    assert full(library) == [True, False]
    with pytest.raises(SourceEmpty, match="not on the shelf but in drive 0"):
        library.hands.feed(1, TAPE)


def test_what_only_a_robot_can_do_needs_a_person(library: SimulatedLibrary) -> None:
    with pytest.raises(NeedsOperator, match="by hand"):
        library.changer.load(1, 0)
    with pytest.raises(NeedsOperator, match="no slots"):
        library.changer.transfer(1, 2)


def test_a_drive_that_does_not_exist_is_refused(library: SimulatedLibrary) -> None:
    with pytest.raises(NoSuchElement):
        library.changer.unload(2, 1)
    with pytest.raises(NoSuchElement):
        library.hands.feed(2, TAPE)
    with pytest.raises(NoSuchElement):
        library.hands.take(-1)


def test_drives_that_do_not_answer_say_so(library: SimulatedLibrary) -> None:
    library.faults.add("fail inventory")
    with pytest.raises(ChangerError, match="do not answer"):
        library.changer.inventory()
    assert full(library) == [False, False]


def test_a_library_fed_by_hand_has_no_slots() -> None:
    spec = LibrarySpec("desk", (DriveSpec("DVD", "R0"),), slots=2, mail_slots=0, by_hand=True)
    with pytest.raises(ValueError, match="has no slots"):
        spec.check()
