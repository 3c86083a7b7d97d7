"""Robots that see something else than the catalog thinks, that are busy, and several of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Barcode, ElementKind
from drivers.clock import VirtualClock
from drivers.errors import BarcodeAmbiguous, ChangerError, ChangerGone, DriveEmpty, MediumError
from hsm.library import Library
from hsm.states import Availability, DriveState, Place
from tests.support.library import make_library
from tests.support.studies import small_ct
from tests.support.world import START, TAPES_ONLY, ArchiveWorld, World, volume_pools

A, B, C = Barcode("A00001L8"), Barcode("B00001L8"), Barcode("C00001L8")
UID = str(small_ct().instances[0].StudyInstanceUID)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A study on a tape of each pool and released from the disk; the tapes are back in their slots."""
    world = World(tmp_path, TAPES_ONLY, tapes=(A, B, C), discs=())
    world.receive(small_ct())
    world.settle()
    for drive in world.library.drive_indices():
        world.library.empty_drive(drive)
    assert world.availability(UID) is Availability.NEARLINE
    yield world
    world.close()


def places(world: World) -> dict[str, Place]:
    return {volume.barcode: volume.place for volume in world.catalog.volumes.list()}


def test_the_catalog_follows_the_robot_to_another_slot(world: World) -> None:
    here = world.simulated.changer.inventory().find(A)
    free = world.simulated.changer.inventory().empty_slot()
    assert here is not None and free is not None and here.index != free
    world.simulated.changer.transfer(here.index, free)  # somebody at its panel
    with world.library.mount(A, 0, "read"):
        pass
    world.library.empty_drive(0)
    seen = [e.index for e in world.catalog.volumes.elements("test") if e.barcode == A and e.kind == ElementKind.SLOT]
    assert seen == [free]
    assert places(world)[A] is Place.LIBRARY
    assert not world.catalog.events.list(name="volume_vanished")


def test_a_volume_its_drive_let_go_of_and_no_longer_sees_is_put_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.library.mount(A, 0, "read"):
        pass
    drive = world.library.tape_drives[0]
    let_go = drive.unload

    def unload() -> None:
        let_go()
        raise DriveEmpty("the drive holds no medium")

    monkeypatch.setattr(drive, "unload", unload)
    world.library.empty_drive(0)
    here = world.simulated.changer.inventory().find(A)
    assert here is not None and here.kind is ElementKind.SLOT
    assert world.catalog.drives.get("test", 0).state == DriveState.EMPTY


def test_two_volumes_with_one_barcode_are_both_set_aside_and_told_once(world: World) -> None:
    world.simulated.hands.relabel(C, A)
    for _ in range(3):
        world.library.take_inventory()
    assert places(world)[A] is Place.MISSING
    (event,) = world.catalog.events.list(name="barcode_doubled")
    assert (event.level, event.subject, event.fields["library"]) == ("error", A, "test")
    assert len(event.fields["places"]) == 2
    told = r"A00001L8 is on the volumes in slot \d and slot \d of library test"
    with pytest.raises(BarcodeAmbiguous, match=told), world.library.mount(A, 0, "read"):
        pass
    assert not any(drive.full for drive in world.simulated.changer.inventory().drives()), "neither was picked"


def test_a_study_comes_from_its_other_copy_while_a_barcode_is_doubled(world: World) -> None:
    world.simulated.hands.relabel(C, A)
    world.library.take_inventory()
    assert world.catalog.recalls.state(world.recall(UID)).done
    assert world.availability(UID) is Availability.ONLINE


def test_a_volume_counts_again_once_its_barcode_is_its_own(world: World) -> None:
    world.simulated.hands.relabel(B, A)
    world.library.take_inventory()
    assert (places(world)[A], places(world)[B]) == (Place.MISSING, Place.MISSING)
    world.simulated.hands.relabel(A, B)
    world.library.take_inventory()
    assert (places(world)[A], places(world)[B]) == (Place.LIBRARY, Place.LIBRARY)
    assert sorted(event.subject for event in world.catalog.events.list(name="volume_returned")) == [A, B]


def test_a_barcode_that_cannot_be_read_makes_no_other_volume(world: World) -> None:
    before = set(places(world))
    world.simulated.faults.add(f"hide barcode of volume {A}")
    for _ in range(2):
        world.library.take_inventory()
    assert places(world)[A] is Place.MISSING
    assert set(places(world)) == before
    (event,) = world.catalog.events.list(name="barcode_unreadable")
    assert (event.level, event.subject) == ("warning", "test")
    assert str(event.fields["place"]).startswith("slot ")


def test_a_busy_robot_is_asked_again_later_and_speaks_against_no_volume(world: World) -> None:
    world.simulated.faults.add("robot busy 3 times")
    request = world.recall(UID)
    world.later(5)
    world.engine.drain()
    assert world.catalog.recalls.state(request).done
    assert not world.catalog.events.list(name="volume_doubted")
    assert all(volume.errors == 0 for volume in world.catalog.volumes.list())


def test_a_volume_in_a_drive_of_another_machine_is_left_there(world: World) -> None:
    here = world.simulated.changer.inventory().find(A)
    assert here is not None
    world.simulated.changer.load(here.index, 1)
    tapes = {0: world.simulated.tape_drives[0]}
    library = Library(world.simulated.changer, tapes, {}, world.catalog, world.clock)
    told = "A00001L8 is in drive 1 of library test, which is not attached"
    with pytest.raises(ChangerError, match=told), library.mount(A, 0, "read"):
        pass
    library.clean_up()
    element = world.simulated.changer.inventory().drive(1)
    assert element is not None and element.barcode == A


def test_each_robot_serves_its_own_volumes(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    libraries = {
        "one": make_library(tmp_path, clock, (A,), name="one"),
        "two": make_library(tmp_path, clock, (B,), name="two"),
    }
    pools = volume_pools()
    pools = {
        "tape_a": replace(pools["tape_a"], library="one"),
        "tape_b": replace(pools["tape_b"], library="two"),
    }
    world = ArchiveWorld(tmp_path, libraries, pools, TAPES_ONLY, clock=clock)
    world.receive(small_ct())
    libraries["two"].faults.add("robot busy 4 times")  # the other robot does its work meanwhile
    world.settle()
    assert world.verified_volumes(UID) == {A, B}
    assert {volume.barcode: volume.library for volume in world.catalog.volumes.list()} == {A: "one", B: "two"}
    assert world.availability(UID) is Availability.NEARLINE
    assert world.catalog.recalls.state(world.recall(UID)).done
    world.close()


@pytest.mark.parametrize("goes", ["inventory", "unload"])
def test_a_robot_that_is_gone_is_no_fault_of_the_drive_that_it_should_have_emptied(
    world: World, monkeypatch: pytest.MonkeyPatch, goes: str
) -> None:
    def gone(*_: object) -> None:
        raise ChangerGone("the robot was switched off")

    with pytest.raises(MediumError), world.library.mount(A, 0, "read"), monkeypatch.context() as off:
        off.setattr(world.simulated.changer, goes, gone)
        try:
            raise MediumError("a bad place")
        finally:
            world.library.put_back_quietly(0)
    assert world.catalog.drives.get("test", 0).state not in (DriveState.DOWN, DriveState.FAILED)
    with world.library.mount(A, 0, "read") as session:
        assert session.barcode == A
    with world.library.mount(B, 0, "read") as session:
        assert session.barcode == B
