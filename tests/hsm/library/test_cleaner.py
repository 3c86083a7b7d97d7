"""After a start every drive is asked, rewound, looked into and emptied; one with which that does not work is down."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from drivers.base import Barcode, TapeDrive
from drivers.errors import DeviceGone
from hsm.states import DriveState
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World

FIRST, SECOND = Barcode("A00001L8"), Barcode("A00002L8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, discs=())


def loaded(world: World, *drives: int, content: bytes = b"") -> None:
    """Put a tape into each drive, and something onto it."""
    for drive, barcode in zip(drives, (FIRST, SECOND), strict=False):
        place = world.simulated.changer.inventory().find(barcode)
        assert place is not None
        world.simulated.changer.load(place.index, drive)
        device = world.simulated.tape_drives[drive]
        device.wait_ready(300)
        device.rewind()
        if content:
            device.append(io.BytesIO(content))
            device.flush()


def states(world: World) -> list[tuple[DriveState, str]]:
    return [(drive.state, drive.reason) for drive in world.catalog.drives.list()]


def empty(world: World) -> bool:
    return not any(element.full for element in world.simulated.changer.inventory().drives())


def test_every_drive_is_emptied_a_foreign_tape_is_no_fault_of_its_drive(world: World) -> None:
    loaded(world, 0, 1, content=b"of another house" * 100)
    world.library.clean_up()
    assert empty(world)
    assert states(world) == [(DriveState.EMPTY, ""), (DriveState.EMPTY, "")]


def test_an_unreadable_tape_is_no_fault_of_its_drive(world: World) -> None:
    loaded(world, 0, content=b"x")
    world.simulated.faults.add(f"unreadable blocks 0-5 on volume {FIRST}")
    world.library.clean_up()
    assert empty(world)
    assert states(world)[0] == (DriveState.EMPTY, "")


def test_a_drive_that_was_reset_meanwhile_is_asked_once_more(world: World) -> None:
    loaded(world, 0)
    world.simulated.faults.add("unit attention on drive 0")
    world.library.clean_up()
    assert empty(world)
    assert states(world)[0] == (DriveState.EMPTY, "")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hang read for 120 s on drive 0", "did not answer to read"),
        ("never ready on drive 0", "was not ready"),
        ("fail rewind on drive 0 always", "rewind failed"),
        ("fail unload on drive 0 always", "could not be emptied"),
        ("fail robot before unload always", "could not be emptied"),
    ],
)
def test_a_drive_that_cannot_be_asked_or_emptied_is_down_with_the_reason_and_the_other_is_not(
    world: World, fault: str, reason: str
) -> None:
    loaded(world, 0, content=b"x")
    world.simulated.faults.add(fault)
    world.library.clean_up()
    (first, why), (second, _) = states(world)
    assert first is DriveState.DOWN
    assert reason in why
    assert second is DriveState.EMPTY
    world.library.clean_up()  # and stays so after the next start
    assert states(world)[0][0] is DriveState.DOWN


def test_a_drive_that_does_not_answer_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DeviceGone("drive 1 was unplugged")

    monkeypatch.setattr(world.simulated.tape_drives[1], "status", gone)
    world.library.clean_up()
    assert states(world)[1] == (DriveState.DOWN, "it does not answer: drive 1 was unplugged")


def test_a_drive_that_is_not_there_any_more_is_down(world: World) -> None:
    drives = dict(world.library.tape_drives)
    del drives[1]
    world.library.tape_drives = drives
    world.library.clean_up()
    assert states(world)[1] == (DriveState.DOWN, "it is not there any more")
    world.library.clean_up()
    assert len(world.catalog.events.list(name="drive_down")) == 1


def test_a_tape_in_another_ones_place_is_told(world: World) -> None:
    world.library.take_inventory()
    from hsm.format.label import encode
    from tests.hsm.library.test_identify import label_of, tape, write

    with tape(world, FIRST) as session:
        write(session, encode(label_of("C99999L8")))
    world.library.clean_up()
    assert world.catalog.events.list(name="volume_swapped")[0].fields["label"] == "C99999L8"
    assert empty(world)


class Later(Mapping[int, TapeDrive]):
    """Tape drives of which one is attached later."""

    def __init__(self, drives: Mapping[int, TapeDrive], missing: set[int]) -> None:
        self._drives, self.missing = drives, missing

    def __getitem__(self, index: int) -> TapeDrive:
        if index in self.missing:
            raise KeyError(index)
        return self._drives[index]

    def __iter__(self) -> Iterator[int]:
        return iter([index for index in self._drives if index not in self.missing])

    def __len__(self) -> int:
        return len(self._drives) - len(self.missing)


def started_without(world: World, tmp_path: Path, *missing: int) -> tuple[World, Later]:
    """The same archive after a restart that found some drives missing."""
    world.close()
    world = World(tmp_path, TAPES_ONLY, discs=(), take_over=False)
    world.library.tape_drives = later = Later(world.library.tape_drives, set(missing))
    world.engine.take_over()
    return world, later


def test_a_drive_that_is_attached_again_is_asked_emptied_and_up(world: World, tmp_path: Path) -> None:
    world, later = started_without(world, tmp_path, 1)
    assert states(world)[1] == (DriveState.DOWN, "it is not there any more")
    world.engine.take_inventory()
    assert states(world)[1][0] is DriveState.DOWN
    loaded(world, 0, 1, content=b"something")
    later.missing.clear()
    world.engine.take_inventory()
    assert states(world)[1] == (DriveState.EMPTY, "its device is back")
    assert [e.index for e in world.simulated.changer.inventory().drives() if e.full] == [0], "only the newcomer"
    assert not world.library.meet_newcomers()


def test_a_drive_that_was_never_there_gets_work_when_it_is_attached(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=(), take_over=False)
    world.library.tape_drives = later = Later(world.library.tape_drives, {1})
    world.engine.take_over()
    world.catalog.drives.change("test", 0, "down", world.clock.now(), reason="it smells")
    uid = world.receive(small_ct())
    world.settle(2)
    assert not world.verified_volumes(uid)
    later.missing.clear()
    world.engine.take_inventory()
    world.settle()
    assert world.verified_volumes(uid) == {FIRST, Barcode("B00001L8")}


def test_a_drive_that_a_person_took_down_stays_down_when_it_is_attached(world: World, tmp_path: Path) -> None:
    world.catalog.drives.change("test", 1, "down", world.clock.now(), reason="it smells")
    world, later = started_without(world, tmp_path, 1)
    later.missing.clear()
    world.engine.take_inventory()
    assert states(world)[1] == (DriveState.DOWN, "it smells")


def test_drives_are_looked_into_when_a_robot_that_was_off_at_the_start_is_on(tmp_path: Path) -> None:
    world = World(tmp_path, discs=(), take_over=False)
    loaded(world, 0, content=b"x")
    world.simulated.faults.add("fail inventory")
    world.engine.take_over()
    assert not empty(world)
    world.engine.take_inventory()
    assert empty(world)
