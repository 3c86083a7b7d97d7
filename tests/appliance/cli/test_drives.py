"""Drives at the command line: looked at, set aside, cleaned."""

from contextlib import closing

import pytest

from drivers.clock import VirtualClock
from drivers.simulator import SimulatedLibrary
from tests.appliance.cli.conftest import House
from tests.support.world import START


@pytest.fixture
def seen(house: House) -> House:
    house.ok("library", "inventory")
    return house


def with_faults(house: House, *lines: str) -> None:
    with closing(SimulatedLibrary(house.library, VirtualClock(START))) as library:
        for line in lines:
            library.faults.add(line)


def test_drives_are_listed_with_what_they_hold_and_did(house: House) -> None:
    assert "No drive is known" in house.ok("drives", "list")
    house.take_in()
    house.ok("tick", "--wait")
    document = house.json("drives", "list")
    assert [(d["library"], d["index"], d["serial"]) for d in document["drives"]] == [
        ("tape", 0, "SIM1"),
        ("tape", 1, "SIM2"),
    ]
    assert all(drive["mounts"] > 0 for drive in document["drives"])
    assert "SIM1" in house.ok("drives", "list")
    assert "Does: -" in house.ok("drives", "show", "tape/0")
    assert house.json("drives", "show", "SIM2")["job"] is None
    assert "tape/0, tape/1" in house.fails(4, "drives", "show", "tape/7")


def test_a_drive_set_aside_is_not_used_until_it_is_up_again(seen: House) -> None:
    seen.ok("drives", "down", "tape/0", "--reason", "the technician comes")
    seen.ok("drives", "down", "tape/1", "--reason", "the technician comes")
    seen.take_in()
    seen.run("tick", "--wait")
    assert seen.json("drives", "list")["drives"][0]["mounts"] == 0
    assert "the technician comes" in seen.ok("drives", "list")
    assert "Note: the technician comes" in seen.ok("drives", "show", "tape/0")
    seen.ok("drives", "up", "tape/1")
    assert "not set aside" in seen.fails(3, "drives", "up", "tape/1")
    seen.ok("tick", "--wait")
    assert [drive["mounts"] > 0 for drive in seen.json("drives", "list")["drives"]] == [False, True]


def test_a_drive_is_kept_for_recalls(seen: House) -> None:
    seen.ok("drives", "reserve", "tape/0")
    assert seen.json("drives", "list")["drives"][0]["recalls_only"] is True
    assert "kept for recalls" in seen.ok("drives", "list")
    seen.take_in()
    seen.ok("tick", "--wait")
    assert [drive["mounts"] > 0 for drive in seen.json("drives", "list")["drives"]] == [False, True]
    seen.ok("drives", "reserve", "tape/0", "--off")
    assert seen.json("drives", "list")["drives"][0]["recalls_only"] is False


def test_a_drive_is_cleaned_on_request_with_a_cartridge_found_by_its_barcode(seen: House) -> None:
    assert "no usable cleaning cartridge" in seen.fails(5, "drives", "clean", "tape/0", "--wait")
    seen.ok("library", "buy", "CLN001L8", "--library", "tape", "--medium", "CLN")
    seen.ok("library", "insert", "CLN001L8")
    with_faults(seen, "require cleaning on drive 0 once", "raise alert 5 on drive 1")
    assert "cleaned with CLN001L8" in seen.ok("drives", "clean", "tape/0", "--wait")
    document = seen.json("drives", "list")
    assert document["drives"][0]["cleaned_at"] is not None
    assert document["drives"][1]["alerts"] == ["read_failure"]
    assert [(c["barcode"], c["uses"], c["used_up"]) for c in document["cleaning_cartridges"]] == [
        ("CLN001L8", 1, False)
    ]
    said = seen.ok("drives", "list")
    assert "Cleaning cartridge CLN001L8, in tape: used 1 time here." in said
    assert "read failure" in said
