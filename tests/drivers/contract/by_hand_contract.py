"""What every Changer without a robot must do. A driver plugs in by subclassing and giving a `counter` fixture."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.base import Changer, ElementKind
from drivers.errors import ChangerError, NeedsOperator, NoSuchElement


@dataclass(frozen=True)
class Counter:
    """Drives 0 and 1, both empty, and a person beside them."""

    changer: Changer
    feed: Callable[[int], None]  # put some volume into a drive; it may still be loading after
    release: Callable[[int], None]  # wait until the drive is ready, then tell it to unload
    take: Callable[[int], None]  # take out what the drive has let go of


class ByHandContract:
    @pytest.fixture
    def counter(self) -> Counter:
        raise AssertionError("a driver under contract gives its own counter fixture")

    @staticmethod
    def full(counter: Counter) -> list[bool]:
        return [drive.full for drive in counter.changer.inventory().drives()]

    def test_it_says_that_a_person_is_the_robot(self, counter: Counter) -> None:
        assert counter.changer.by_hand

    def test_there_are_drives_and_nothing_else(self, counter: Counter) -> None:
        inventory = counter.changer.inventory()
        assert inventory.library == counter.changer.name
        assert [element.kind for element in inventory.elements] == [ElementKind.DRIVE, ElementKind.DRIVE]
        assert [element.index for element in inventory.elements] == [0, 1]
        assert len({element.drive_serial for element in inventory.elements} - {None, ""}) == 2
        assert inventory.empty_slot() is None
        assert not any(element.full for element in inventory.elements)

    def test_what_a_person_puts_in_is_seen_but_not_named(self, counter: Counter) -> None:
        counter.feed(1)
        drive = counter.changer.inventory().drive(1)
        assert drive is not None and drive.full
        assert drive.barcode is None and drive.origin is None
        assert self.full(counter) == [False, True]

    def test_nothing_is_brought_by_itself(self, counter: Counter) -> None:
        before = counter.changer.inventory()
        with pytest.raises(NeedsOperator):
            counter.changer.load(1, 0)
        with pytest.raises(NeedsOperator):
            counter.changer.transfer(1, 2)
        assert counter.changer.inventory() == before

    def test_a_volume_the_drive_holds_on_to_stays_there(self, counter: Counter) -> None:
        counter.feed(0)
        with pytest.raises(ChangerError):
            counter.changer.unload(0, 1)
        assert self.full(counter) == [True, False]

    def test_a_volume_the_drive_has_let_go_of_counts_as_out(self, counter: Counter) -> None:
        counter.feed(0)
        counter.release(0)
        counter.changer.unload(0, 1)
        assert self.full(counter) == [False, False]

    def test_an_empty_drive_is_unloaded_already(self, counter: Counter) -> None:
        counter.changer.unload(0, 1)
        assert self.full(counter) == [False, False]

    def test_a_drive_is_fed_again_and_again(self, counter: Counter) -> None:
        for _ in range(2):
            counter.feed(0)
            assert self.full(counter) == [True, False]
            counter.release(0)
            counter.take(0)
            assert self.full(counter) == [False, False]

    def test_a_drive_that_does_not_exist_is_refused(self, counter: Counter) -> None:
        with pytest.raises(ChangerError):
            counter.changer.load(1, 7)
        with pytest.raises(NoSuchElement):
            counter.changer.unload(7, 1)
