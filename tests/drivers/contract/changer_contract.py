"""What every Changer must do. A driver plugs in by subclassing and giving a `robot` fixture."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.base import Barcode, Changer, ElementKind
from drivers.errors import ChangerError, NoSuchElement, SourceEmpty, TargetFull


@dataclass(frozen=True)
class Robot:
    """A library with volumes in slots 1 and 2, slot 3 empty, one mail slot empty, drives 0 and 1 empty."""

    changer: Changer
    first: Barcode  # in slot 1
    second: Barcode  # in slot 2
    mail_slot: int
    release: Callable[[int], None]  # tell a drive to unload


class ChangerContract:
    @pytest.fixture
    def robot(self) -> Robot:
        raise AssertionError("a driver under contract gives its own robot fixture")

    def test_the_inventory_names_every_place_and_what_is_in_it(self, robot: Robot) -> None:
        inventory = robot.changer.inventory()

        first, second = inventory.find(robot.first), inventory.find(robot.second)
        assert first is not None and (first.kind, first.index) == (ElementKind.SLOT, 1)
        assert second is not None and (second.kind, second.index) == (ElementKind.SLOT, 2)
        assert inventory.empty_slot() == 3
        assert [drive.index for drive in inventory.drives()] == [0, 1]
        assert all(drive.drive_serial for drive in inventory.drives())
        assert not any(drive.full for drive in inventory.drives())
        assert [e.index for e in inventory.storage() if e.kind is ElementKind.MAIL_SLOT] == [robot.mail_slot]

    def test_a_loaded_volume_is_in_the_drive_and_its_slot_is_empty(self, robot: Robot) -> None:
        robot.changer.load(1, 0)

        inventory = robot.changer.inventory()
        drive = inventory.drive(0)
        assert drive is not None and drive.full and drive.barcode == robot.first
        assert drive.origin in (1, None)
        assert inventory.empty_slot() == 1

    def test_a_volume_comes_back_into_any_empty_slot(self, robot: Robot) -> None:
        robot.changer.load(1, 1)
        robot.release(1)
        robot.changer.unload(1, 3)

        inventory = robot.changer.inventory()
        found = inventory.find(robot.first)
        assert found is not None and (found.kind, found.index) == (ElementKind.SLOT, 3)
        drive = inventory.drive(1)
        assert drive is not None and not drive.full

    def test_a_volume_moves_to_the_mail_slot_and_back(self, robot: Robot) -> None:
        robot.changer.transfer(2, robot.mail_slot)
        found = robot.changer.inventory().find(robot.second)
        assert found is not None and (found.kind, found.index) == (ElementKind.MAIL_SLOT, robot.mail_slot)

        robot.changer.transfer(robot.mail_slot, 2)
        found = robot.changer.inventory().find(robot.second)
        assert found is not None and (found.kind, found.index) == (ElementKind.SLOT, 2)

    def test_an_empty_source_is_refused_and_nothing_moves(self, robot: Robot) -> None:
        before = robot.changer.inventory()
        with pytest.raises(SourceEmpty):
            robot.changer.load(3, 0)
        with pytest.raises(SourceEmpty):
            robot.changer.unload(0, 3)
        with pytest.raises(SourceEmpty):
            robot.changer.transfer(3, robot.mail_slot)
        assert robot.changer.inventory() == before

    def test_a_full_target_is_refused_and_nothing_moves(self, robot: Robot) -> None:
        robot.changer.load(1, 0)
        before = robot.changer.inventory()
        with pytest.raises(TargetFull):
            robot.changer.load(2, 0)
        with pytest.raises(TargetFull):
            robot.changer.unload(0, 2)
        assert robot.changer.inventory() == before

    def test_a_place_that_does_not_exist_is_refused(self, robot: Robot) -> None:
        before = robot.changer.inventory()
        with pytest.raises(NoSuchElement):
            robot.changer.load(1, 7)
        with pytest.raises(NoSuchElement):
            robot.changer.load(999, 0)
        with pytest.raises(NoSuchElement):
            robot.changer.unload(-1, 3)
        with pytest.raises(NoSuchElement):
            robot.changer.transfer(1, 0)
        assert robot.changer.inventory() == before

    def test_a_volume_the_drive_holds_on_to_stays_there(self, robot: Robot) -> None:
        robot.changer.load(1, 0)
        with pytest.raises(ChangerError):
            robot.changer.unload(0, 1)
        drive = robot.changer.inventory().drive(0)
        assert drive is not None and drive.barcode == robot.first
