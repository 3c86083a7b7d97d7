"""A configured robot is opened by name, on devices of people who never saw Firn."""

from pathlib import Path

import pytest

from drivers import kinds
from drivers.base import ElementKind
from drivers.clock import SystemClock
from drivers.errors import LibraryBusy
from drivers.kinds import LibraryMissing
from tests.devices.tgt import DRIVES, RECORDER, ROBOT, Tgt

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def robot() -> Path:
    device = Tgt().robot
    assert device.stable is not None
    return device.stable


def test_a_robot_that_does_not_name_its_drives_leaves_that_to_a_person(robot: Path) -> None:
    with pytest.raises(LibraryMissing) as caught:
        kinds.find("scsi").open("lib", robot, {}, SystemClock())
    message = str(caught.value)
    assert f"{DRIVES[0]}; drive 1: nothing" in message  # tgt cuts its answer off
    assert f"seen here: {', '.join(DRIVES)}, {RECORDER}" in message


def test_a_robot_is_opened_with_the_drives_that_were_named_and_has_one_owner(robot: Path) -> None:
    devices = kinds.find("scsi").open("lib", robot, {"drives": list(DRIVES)}, SystemClock())
    drives = [element for element in devices.changer.inventory().elements if element.kind is ElementKind.DRIVE]
    assert [element.drive_serial for element in drives] == list(DRIVES)
    assert [drive.serial for drive in devices.tape_drives.values()] == list(DRIVES)
    with pytest.raises(LibraryBusy, match=ROBOT):
        kinds.find("scsi").open("lib", robot, {"drives": list(DRIVES)}, SystemClock())
    devices.close()
    kinds.find("scsi").open("lib", robot, {"drives": list(DRIVES)}, SystemClock()).close()


def test_a_drive_is_no_robot(robot: Path) -> None:
    tape = Tgt().drive(0).sg
    with pytest.raises(LibraryMissing, match=f"is no robot; robots seen: .*{ROBOT}"):
        kinds.find("scsi").open("lib", tape, {}, SystemClock())
