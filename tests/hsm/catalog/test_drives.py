"""Drives follow their table, and keep count of their errors."""

import pytest

from drivers.base import MediumKind
from hsm.catalog import Catalog, NotCatalogued
from hsm.states import DriveState, IllegalTransition
from tests.hsm.catalog.world import LATER, START, TAPES


def test_a_drive_goes_through_a_mount(catalog: Catalog) -> None:
    drives = catalog.drives
    assert drives.seen("lib", 0, "S1", MediumKind.TAPE, START).state is DriveState.EMPTY
    assert drives.change("lib", 0, "load", START, barcode=TAPES[0]) is DriveState.LOADING
    assert drives.change("lib", 0, "ready", START) is DriveState.MOUNTED
    assert drives.change("lib", 0, "write", START) is DriveState.WRITING
    assert drives.get("lib", 0).barcode == TAPES[0]
    drives.change("lib", 0, "unload", START)
    drives.change("lib", 0, "emptied", LATER)
    after = drives.get("lib", 0)
    assert (after.state, after.barcode, after.changed_at) == (DriveState.EMPTY, None, LATER)
    assert catalog.events.list() == []
    with pytest.raises(IllegalTransition):
        drives.change("lib", 0, "write", START)


def test_a_drive_set_aside_says_why_until_it_is_up_again(catalog: Catalog) -> None:
    drives = catalog.drives
    drives.seen("lib", 0, "S1", MediumKind.TAPE, START)
    assert [drives.count_error("lib", 0) for _ in range(3)] == [1, 2, 3]
    drives.change("lib", 0, "down", START, reason="three errors")
    down = drives.get("lib", 0)
    assert (down.state, down.reason, down.errors) == (DriveState.DOWN, "three errors", 3)
    drives.change("lib", 0, "up", START)
    up = drives.get("lib", 0)
    assert (up.state, up.reason, up.errors) == (DriveState.EMPTY, "", 0)
    drives.change("lib", 0, "fail", START, reason="smoke")
    assert [event.name for event in catalog.events.list()] == ["drive_failed", "drive_up", "drive_down"]
    assert catalog.events.list(name="drive_down")[0].subject == "S1"


def test_success_forgets_errors_in_a_row(catalog: Catalog) -> None:
    catalog.drives.seen("lib", 0, "S1", MediumKind.TAPE, START)
    catalog.drives.count_error("lib", 0)
    catalog.drives.count_success("lib", 0)
    assert catalog.drives.get("lib", 0).errors == 0


def test_a_restart_forgets_what_drives_did_but_not_which_are_set_aside(catalog: Catalog) -> None:
    drives = catalog.drives
    for index in (0, 1):
        drives.seen("lib", index, f"S{index}", MediumKind.TAPE, START)
    drives.seen("jukebox", 0, "R0", MediumKind.DISC, START)
    drives.change("lib", 0, "load", START, barcode=TAPES[0])
    drives.change("jukebox", 0, "load", START)
    drives.change("lib", 1, "down", START, reason="broken")
    drives.restart("lib", LATER)
    assert [d.state for d in drives.list("lib")] == [DriveState.EMPTY, DriveState.DOWN]
    assert drives.get("lib", 0).barcode is None
    assert drives.get("jukebox", 0).state is DriveState.LOADING
    assert len(drives.list()) == 3


def test_an_exchanged_drive_begins_with_a_clean_record(catalog: Catalog) -> None:
    drives = catalog.drives
    drives.seen("lib", 0, "S1", MediumKind.TAPE, START)
    drives.count_error("lib", 0)
    drives.change("lib", 0, "down", START, reason="broken")
    same = drives.seen("lib", 0, "S1", MediumKind.TAPE, LATER)
    assert (same.state, same.errors) == (DriveState.DOWN, 1)
    new = drives.seen("lib", 0, "S2", MediumKind.TAPE, LATER)
    assert (new.state, new.serial, new.errors, new.reason) == (DriveState.EMPTY, "S2", 0, "")
    assert catalog.events.list(name="drive_exchanged")[0].fields["old_serial"] == "S1"


def test_an_unknown_drive_is_said_to_be(catalog: Catalog) -> None:
    with pytest.raises(NotCatalogued, match="drive 3 in library lib"):
        catalog.drives.get("lib", 3)
