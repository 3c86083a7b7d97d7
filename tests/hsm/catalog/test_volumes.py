"""Volumes: the robot says where they are, the label who they are, the catalog what they hold."""

import pytest

from drivers.base import Barcode, Element, ElementKind, Inventory, MediumKind
from hsm.catalog import NotCatalogued, VolumeRefused
from hsm.states import CopyState, IllegalTransition, Place, VolumeState
from tests.hsm.catalog.world import DISCS, LATER, START, TAPES, World, volume_kind


def inventory(*barcodes: str, library: str = "lib") -> Inventory:
    """Slots with these volumes, and an empty drive."""
    slots = [Element(ElementKind.SLOT, n, True, Barcode(b)) for n, b in enumerate(barcodes, 1)]
    return Inventory(library, (*slots, Element(ElementKind.DRIVE, 0, drive_serial="S0")))


def test_a_new_barcode_becomes_a_blank_volume_and_a_cleaning_cartridge_none(world: World) -> None:
    change = world.catalog.volumes.upsert_inventory(inventory("A1L8", "D7", "CLNU01L1"), volume_kind, START)
    assert change.appeared == ("A1L8", "D7") and change.returned == change.vanished == ()
    tape, disc = world.catalog.volumes.list()
    assert (tape.barcode, tape.kind, tape.state, tape.place, tape.library) == (
        "A1L8",
        MediumKind.TAPE,
        VolumeState.BLANK,
        Place.LIBRARY,
        "lib",
    )
    assert disc.kind is MediumKind.DISC
    elements = world.catalog.volumes.elements("lib")
    assert {(e.kind, e.index, e.full, e.barcode) for e in elements} == {
        ("slot", 1, True, "A1L8"),
        ("slot", 2, True, "D7"),
        ("slot", 3, True, "CLNU01L1"),
        ("drive", 0, False, None),
    }


def test_the_same_inventory_again_teaches_nothing(world: World) -> None:
    volumes = world.catalog.volumes
    volumes.upsert_inventory(inventory("A1L8"), volume_kind, START)
    change = volumes.upsert_inventory(inventory("A1L8"), volume_kind, LATER)
    assert change.appeared == change.returned == change.vanished == ()
    assert {element.seen_at for element in volumes.elements()} == {LATER}
    assert world.names() == ["volume_appeared"]


def test_a_volume_that_vanished_is_missing_until_it_is_seen_again(world: World) -> None:
    volumes = world.catalog.volumes
    volumes.upsert_inventory(inventory("A1L8", "A2L8"), volume_kind, START)
    assert volumes.upsert_inventory(inventory("A2L8"), volume_kind, START).vanished == ("A1L8",)
    assert volumes.get(Barcode("A1L8")).place is Place.MISSING
    assert volumes.upsert_inventory(inventory("A2L8"), volume_kind, START).vanished == ()
    change = volumes.upsert_inventory(inventory("A1L8", "A2L8", library="lib"), volume_kind, START)
    assert change.returned == ("A1L8",)
    assert volumes.get(Barcode("A1L8")).place is Place.LIBRARY


def test_a_volume_on_the_shelf_is_not_missing(world: World) -> None:
    volumes = world.catalog.volumes
    volumes.upsert_inventory(inventory("A1L8"), volume_kind, START)
    volumes.move(Barcode("A1L8"), Place.SHELF, "vault 3, box 2", START)
    assert volumes.upsert_inventory(inventory(), volume_kind, START).vanished == ()
    on_shelf = volumes.get(Barcode("A1L8"))
    assert (on_shelf.place, on_shelf.location) == (Place.SHELF, "vault 3, box 2")
    assert volumes.upsert_inventory(inventory("A1L8"), volume_kind, START).returned == ("A1L8",)
    assert volumes.get(Barcode("A1L8")).location == ""


def test_a_volume_carried_to_another_library_is_no_longer_missed_in_the_first(world: World) -> None:
    volumes = world.catalog.volumes
    volumes.upsert_inventory(inventory("A1L8"), volume_kind, START)
    volumes.upsert_inventory(inventory("A1L8", library="second"), volume_kind, START)
    assert volumes.upsert_inventory(inventory(), volume_kind, START).vanished == ()
    assert volumes.get(Barcode("A1L8")).library == "second"
    assert volumes.upsert_inventory(Inventory("third", ()), volume_kind, START).appeared == ()


def test_a_label_is_put_on_a_blank_volume_only(world: World) -> None:
    world.library(*TAPES)
    volumes = world.catalog.volumes
    volumes.labelled(TAPES[0], "uuid-1", "lto", "LTO-8", 12 * 10**12, 3, START)
    labelled = volumes.get(TAPES[0])
    assert (labelled.uuid, labelled.pool, labelled.generation, labelled.state) == (
        "uuid-1",
        "lto",
        "LTO-8",
        VolumeState.LABELLED,
    )
    assert (labelled.capacity_bytes, labelled.end_address, labelled.labelled_at) == (12 * 10**12, 3, START)
    with pytest.raises(IllegalTransition):
        volumes.labelled(TAPES[0], "uuid-2", "lto", "LTO-8", 1, 3, START)
    with pytest.raises(VolumeRefused, match="duplicate"):
        volumes.labelled(TAPES[1], "uuid-1", "lto", "LTO-8", 1, 3, START)
    with pytest.raises(NotCatalogued, match="volume Z"):
        volumes.labelled(Barcode("Z"), "uuid-9", "lto", "LTO-8", 1, 3, START)


def test_volumes_are_found_by_what_they_are(world: World) -> None:
    world.labelled(*TAPES, *DISCS)
    volumes = world.catalog.volumes
    volumes.close(TAPES[0], START)
    volumes.move(TAPES[1], Place.SHELF, "vault", START)
    assert [v.barcode for v in volumes.list(kind=MediumKind.DISC)] == list(DISCS)
    assert [v.barcode for v in volumes.list(pool="lto", state=VolumeState.LABELLED)] == [TAPES[1], TAPES[2]]
    assert [v.barcode for v in volumes.list(place=Place.SHELF)] == [TAPES[1]]
    assert volumes.find(Barcode("Z")) is None
    found = volumes.find(TAPES[0])
    assert found is not None and found.state is VolumeState.FULL


def test_a_doubted_volume_is_set_aside_and_can_be_cleared(world: World) -> None:
    world.labelled(TAPES[0])
    volumes = world.catalog.volumes
    volumes.doubt(TAPES[0], "three errors in a row", START)
    doubted = volumes.get(TAPES[0])
    assert (doubted.state, doubted.reason) == (VolumeState.SUSPECT, "three errors in a row")
    volumes.clear(TAPES[0], START)
    cleared = volumes.get(TAPES[0])
    assert (cleared.state, cleared.reason) == (VolumeState.FULL, "")


def test_a_protected_volume_says_so_until_a_person_took_the_tab_back(world: World) -> None:
    world.labelled(TAPES[0])
    world.library(*TAPES[:2])
    volumes = world.catalog.volumes
    for barcode, after in ((TAPES[0], VolumeState.FILLING), (TAPES[1], VolumeState.BLANK)):
        volumes.protect(barcode, "tab set", START)
        protected = volumes.get(barcode)
        assert (protected.state, protected.reason) == (VolumeState.WRITE_PROTECTED, "tab set")
        volumes.unprotect(barcode, START)
        assert (volumes.get(barcode).state, volumes.get(barcode).reason) == (after, "")


def test_a_lost_volume_takes_its_copies_with_it(world: World) -> None:
    packs = [world.packed(study) for study in range(1, 7)]
    world.labelled(*TAPES)
    copies = world.catalog.copies
    verified, written = world.copy(packs[0], TAPES[0]), world.copy(packs[1], TAPES[0], verified=False)
    suspect, superseded = world.copy(packs[2], TAPES[0]), world.copy(packs[3], TAPES[0])
    copies.doubt(suspect, "V", "CRC", START)
    world.superseded(packs[3], superseded)
    elsewhere, writing = world.copy(packs[0], TAPES[1]), world.begin(packs[4], TAPES[0])
    world.catalog.volumes.lose(TAPES[0], "fire", START)
    states = [copies.get(copy).state for copy in (verified, written, suspect, superseded, writing, elsewhere)]
    assert states == [
        CopyState.LOST,
        CopyState.LOST,
        CopyState.LOST,
        CopyState.SUPERSEDED,
        CopyState.PLANNED,
        CopyState.VERIFIED,
    ]
    lost = world.catalog.volumes.get(TAPES[0])
    assert (lost.state, lost.reason) == (VolumeState.LOST, "fire")
    [event] = world.catalog.events.list(name="volume_lost")
    assert event.fields["copies"] == 3
    with pytest.raises(IllegalTransition):
        world.catalog.volumes.lose(TAPES[0], "again", START)


def test_a_suspect_volume_can_be_lost(world: World) -> None:
    world.labelled(TAPES[0])
    world.catalog.volumes.doubt(TAPES[0], "noise", START)
    world.catalog.volumes.lose(TAPES[0], "broken", START)
    assert world.catalog.volumes.get(TAPES[0]).state is VolumeState.LOST


def test_mounts_and_errors_are_counted(world: World) -> None:
    world.library(TAPES[0])
    volumes = world.catalog.volumes
    volumes.count_mount(TAPES[0])
    volumes.count_mount(TAPES[0])
    assert [volumes.count_error(TAPES[0]), volumes.count_error(TAPES[0])] == [1, 2]
    volumes.verified(TAPES[0], LATER)
    counted = volumes.get(TAPES[0])
    assert (counted.mounts, counted.errors, counted.verified_at) == (2, 2, LATER)


def test_an_unknown_volume_is_said_to_be(world: World) -> None:
    with pytest.raises(NotCatalogued, match="volume Z"):
        world.catalog.volumes.get(Barcode("Z"))
    with pytest.raises(NotCatalogued, match="volume Z"):
        world.catalog.volumes.move(Barcode("Z"), Place.SHELF, "", START)


def test_the_drives_that_wrote_to_a_volume_and_make_errors_are_told(world: World) -> None:
    world.labelled(*TAPES[:2])
    world.copy(world.packed(), TAPES[0])
    world.catalog.drives.seen("lib", 0, "W1", MediumKind.TAPE, START)
    assert world.catalog.volumes.bad_writers() == {}
    world.catalog.drives.count_error("lib", 0)
    assert world.catalog.volumes.bad_writers() == {TAPES[0]: frozenset({"W1"})}
    assert world.catalog.volumes.bad_writers(TAPES[1]) == {}
