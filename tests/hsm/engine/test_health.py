"""What an error costs whom."""

from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind
from drivers.errors import ChangerError, DeviceError, DriverError, EndOfData, MediumError, WriteProtected
from hsm.catalog.records import DriveRecord
from hsm.engine.health import is_missing, is_usable, judge
from hsm.library import ForeignVolume, VolumeNotInLibrary, WrongVolume
from hsm.mover.context import MoverContext
from hsm.states import DriveState, VolumeState
from tests.hsm.engine.support import NOW
from tests.support.world import World

TAPE = Barcode("A00001L8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, discs=())


def strike(world: World, error: DriverError, times: int = 1, barcode: Barcode = TAPE) -> None:
    context = MoverContext(world.catalog, world.pool, world.volume_pools, world.settings.staging, world.clock)
    for _ in range(times):
        judge(context, "test", 0, barcode, error, drive_fails_after=3)


def found(world: World) -> tuple[int, DriveState, VolumeState, int]:
    """Errors and state of the drive, state and errors of the volume."""
    drive, volume = world.catalog.drives.get("test", 0), world.catalog.volumes.get(TAPE)
    return drive.errors, drive.state, volume.state, volume.errors


def test_an_error_of_the_drive_counts_against_it_alone(world: World) -> None:
    strike(world, DeviceError("x"), 2)
    assert found(world) == (2, DriveState.EMPTY, VolumeState.BLANK, 0)


def test_the_third_error_in_a_row_sets_the_drive_aside_with_the_reason(world: World) -> None:
    strike(world, DeviceError("servo"), 3)
    assert found(world)[:2] == (3, DriveState.FAILED)
    assert world.catalog.drives.get("test", 0).reason == "servo"
    assert any(event.name == "drive_failed" for event in world.catalog.events.list())


def test_a_success_in_between_begins_the_count_again(world: World) -> None:
    strike(world, DeviceError("x"), 2)
    world.catalog.drives.count_success("test", 0)
    strike(world, DeviceError("x"), 2)
    assert found(world)[:2] == (2, DriveState.EMPTY)


def test_a_bad_volume_is_suspected_and_counts_against_the_drive_too(world: World) -> None:
    strike(world, MediumError("x"))
    assert found(world) == (1, DriveState.EMPTY, VolumeState.SUSPECT, 1)
    assert any(event.name == "volume_suspected" for event in world.catalog.events.list())


def test_the_volume_that_shows_a_bad_drive_is_not_blamed(world: World) -> None:
    strike(world, MediumError("x"), 1, Barcode("B00001L8"))
    strike(world, MediumError("x"), 1, Barcode("B00002L8"))
    strike(world, MediumError("x"), 1, TAPE)
    assert found(world) == (3, DriveState.FAILED, VolumeState.BLANK, 0)


@pytest.mark.parametrize("error", [WrongVolume("x"), ForeignVolume("x")])
def test_a_wrong_volume_is_set_aside_and_no_drive_is_blamed(world: World, error: DriverError) -> None:
    strike(world, error, 5)
    assert found(world) == (0, DriveState.EMPTY, VolumeState.SUSPECT, 5)


def test_a_write_protected_volume_is_that_and_no_drive_is_blamed(world: World) -> None:
    strike(world, WriteProtected("x"), 5)
    assert found(world) == (0, DriveState.EMPTY, VolumeState.WRITE_PROTECTED, 5)


def test_a_retired_volume_stays_retired_whatever_is_said_of_it(world: World) -> None:
    world.catalog.volumes.retire(TAPE, "old", world.clock.now())
    for error in (WriteProtected("x"), MediumError("x")):
        strike(world, error)
        assert found(world)[2] is VolumeState.RETIRED


@pytest.mark.parametrize("error", [ChangerError("x"), EndOfData("x"), DriverError("x"), VolumeNotInLibrary("x")])
def test_what_speaks_against_neither_costs_neither(world: World, error: DriverError) -> None:
    strike(world, error, 5)
    assert found(world) == (0, DriveState.EMPTY, VolumeState.BLANK, 0)


@pytest.mark.parametrize("state", list(DriveState))
def test_only_drives_that_are_not_set_aside_get_work(state: DriveState) -> None:
    drive = DriveRecord("test", 0, "S", MediumKind.TAPE, state, None, "", 0, NOW)
    assert is_usable(drive) is (state not in {DriveState.DOWN, DriveState.FAILED, DriveState.CLEANING})


def test_only_a_volume_that_is_nowhere_needs_a_person() -> None:
    assert is_missing(VolumeNotInLibrary("x"))
    assert not is_missing(WrongVolume("x"))
