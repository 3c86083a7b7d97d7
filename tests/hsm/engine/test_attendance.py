"""Devices that go take their drives out of service, and bring them back."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.attached import AttachedKind
from drivers.base import MediumKind
from drivers.clock import VirtualClock
from drivers.udev import DeviceChange, What
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.engine.attendance import Attendance, verdicts
from hsm.library.cleaner import GONE as GONE_REASON
from hsm.states import DriveState

NOW = datetime(2024, 1, 1, tzinfo=UTC)
GONE = DeviceChange(What.GONE, AttachedKind.TAPE, "/dev/nst0", "S0")
BACK = replace(GONE, what=What.APPEARED)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}")
    for library, index, serial in (("lib", 0, "S0"), ("lib", 1, "S1"), ("elsewhere", 0, "S0")):
        catalog.drives.seen(library, index, serial, MediumKind.TAPE, NOW)
    return catalog


class Ears:
    """An attendance, and how often a look was asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self.looks = 0
        self.attendance = Attendance(catalog, {"lib"}, VirtualClock(NOW), self.look)

    def look(self) -> None:
        self.looks += 1

    def hear(self, *changes: DeviceChange) -> None:
        for change in changes:
            self.attendance.noticed(change)


def states(catalog: Catalog) -> list[DriveState]:
    return [drive.state for drive in sorted(catalog.drives.list(), key=lambda d: (d.library != "lib", d.index))]


def test_a_drive_is_down_while_its_device_is_gone(catalog: Catalog) -> None:
    ears = Ears(catalog)
    ears.hear(GONE)
    assert states(catalog) == [DriveState.DOWN, DriveState.EMPTY, DriveState.EMPTY]
    assert catalog.drives.get("lib", 0).reason.startswith(f"{GONE_REASON} (/dev/nst0)")
    ears.hear(BACK)
    assert states(catalog) == [DriveState.EMPTY] * 3
    assert ears.looks == 2


def test_a_drive_that_a_person_took_down_stays_down(catalog: Catalog) -> None:
    catalog.drives.change("lib", 0, "down", NOW, reason="being cleaned")
    Ears(catalog).hear(GONE, BACK)
    assert states(catalog)[0] is DriveState.DOWN
    assert catalog.drives.get("lib", 0).reason == "being cleaned"


def test_a_drive_that_failed_stays_failed(catalog: Catalog) -> None:
    catalog.drives.change("lib", 0, "fail", NOW, reason="three errors")
    Ears(catalog).hear(GONE, BACK)
    assert states(catalog)[0] is DriveState.FAILED


@pytest.mark.parametrize(
    "change",
    [
        replace(GONE, serial=None),
        replace(GONE, serial="S9"),
        replace(GONE, kind=None),
        replace(BACK, kind=None),
        replace(GONE, what=What.MEDIUM_CHANGED),
    ],
)
def test_other_changes_only_ask_for_a_look(catalog: Catalog, change: DeviceChange) -> None:
    assert verdicts(change, catalog.drives.list()) == []
    ears = Ears(catalog)
    ears.hear(change)
    assert states(catalog) == [DriveState.EMPTY] * 3
    assert ears.looks == 1


def test_a_catalog_that_is_away_ends_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise CatalogUnavailable("restarting")

    monkeypatch.setattr(catalog.drives, "list", away)
    ears = Ears(catalog)
    ears.hear(GONE)
    assert ears.looks == 1
