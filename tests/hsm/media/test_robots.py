"""What people ask of robots and drives: checked first, written down with who asked, carried out by the engine."""

import pytest

from drivers.base import Barcode, MediumKind
from hsm.catalog.audit import AuditFilter
from hsm.catalog.errors import NotCatalogued
from hsm.media import MediaRefused
from hsm.media.drives import reserve, set_down, set_up
from hsm.media.robots import ask_clean, ask_export, ask_import, ask_inventory, ask_move, ask_scan
from hsm.states import DriveState, JobKind, Place
from tests.hsm.catalog.world import START, TAPES, World

A1, A2 = TAPES[:2]


def audited(world: World) -> list[tuple[str, str, str]]:
    entries = world.catalog.audit.list(AuditFilter(actor="anna"))
    return [(entry.action, entry.kind, entry.object) for entry in entries]


def drive(world: World, kind: MediumKind = MediumKind.TAPE) -> None:
    world.catalog.drives.seen("lib", 0, "S0", kind, START)


def test_each_wish_is_a_job_and_an_entry_of_the_audit_trail(world: World) -> None:
    world.labelled(A1)
    drive(world)
    catalog = world.catalog
    jobs = [
        ask_inventory(catalog, "lib", "anna", START),
        ask_move(catalog, A1, 7, "anna", START),
        ask_export(catalog, A1, Place.VAULT, " Bank ", False, "anna", START).job_id,
        ask_import(catalog, "lib", ["A9", "A9"], True, "anna", START),
        ask_scan(catalog, A1, "anna", START),
        ask_clean(catalog, "lib", 0, "anna", START),
    ]
    made = [catalog.jobs.get(job) for job in jobs]
    assert [job.kind for job in made] == [
        JobKind.INVENTORY,
        JobKind.MOVE,
        JobKind.EXPORT,
        JobKind.IMPORT,
        JobKind.SCAN,
        JobKind.CLEAN,
    ]
    assert {job.requested_by for job in made} == {"anna"}
    assert made[2].payload["location"] == "Bank"
    assert made[3].payload["barcodes"] == ["A9"]
    assert audited(world)[:6] == [
        ("clean_wanted", "drive", "lib/0"),
        ("scan_wanted", "volume", A1),
        ("import_wanted", "library", "lib"),
        ("export_wanted", "volume", A1),
        ("move_wanted", "volume", A1),
        ("inventory_wanted", "library", "lib"),
    ]


def test_what_the_house_wants_by_itself_is_no_wish_of_a_person(world: World) -> None:
    drive(world)
    ask_clean(world.catalog, "lib", 0, "engine", START)
    assert world.catalog.audit.list(AuditFilter(action="clean_wanted")) == []


def test_a_volume_outside_is_neither_moved_nor_exported(world: World) -> None:
    world.labelled(A1)
    world.catalog.volumes.move(A1, Place.VAULT, "Bank", START)
    with pytest.raises(MediaRefused, match=r"in a vault \(Bank\): no robot"):
        ask_move(world.catalog, A1, 3, "anna", START)
    with pytest.raises(MediaRefused, match="set-location"):
        ask_export(world.catalog, A1, Place.SHELF, "x", True, "anna", START)
    with pytest.raises(NotCatalogued):
        ask_move(world.catalog, Barcode("X"), 3, "anna", START)
    assert world.catalog.jobs.list() == []


def test_a_volume_in_use_and_the_only_copy_stay(world: World) -> None:
    world.released()
    drive(world)
    world.catalog.volumes.lose(A2, "fell", START)
    with pytest.raises(MediaRefused, match="only verified copy of 1 study"):
        ask_export(world.catalog, A1, Place.SHELF, "x", False, "anna", START)
    leaving = ask_export(world.catalog, A1, Place.SHELF, "x", True, "anna", START)
    assert leaving.offline == ("1.2.1",)
    world.catalog.drives.change("lib", 0, "load", START, barcode=A1)
    with pytest.raises(MediaRefused, match="drive 0 is loading"):
        ask_export(world.catalog, A1, Place.SHELF, "x", True, "anna", START)


def test_an_export_names_a_place(world: World) -> None:
    world.labelled(A1)
    with pytest.raises(MediaRefused, match="say where"):
        ask_export(world.catalog, A1, Place.SHELF, "  ", False, "anna", START)


def test_a_recorder_is_not_cleaned(world: World) -> None:
    drive(world, MediumKind.DISC)
    with pytest.raises(MediaRefused, match="recorder"):
        ask_clean(world.catalog, "lib", 0, "anna", START)


def test_a_drive_is_set_aside_for_a_reason_and_used_again(world: World) -> None:
    drive(world)
    with pytest.raises(MediaRefused, match="say why"):
        set_down(world.catalog, "lib", 0, " ", START)
    with pytest.raises(MediaRefused, match="it is empty, not set aside"):
        set_up(world.catalog, "lib", 0, START)
    set_down(world.catalog, "lib", 0, "technician", START)
    assert world.catalog.drives.get("lib", 0).reason == "technician"
    set_up(world.catalog, "lib", 0, START)
    assert world.catalog.drives.get("lib", 0).state is DriveState.EMPTY
    assert [entry[0] for entry in audited(world)] == ["drive_up", "drive_down"]
    assert world.catalog.events.list(name="drive_down")[0].fields["by"] == "anna"


def test_keeping_a_drive_for_recalls_is_noted_once(world: World) -> None:
    drive(world)
    version = world.catalog.jobs.version()
    for keep in (True, True, False):
        reserve(world.catalog, "lib", 0, keep, START)
    assert [entry[0] for entry in audited(world)] == ["drive_unreserved", "drive_reserved"]
    assert not world.catalog.drives.get("lib", 0).recalls_only
    assert world.catalog.jobs.version() == version + 2  # the engine plans anew
