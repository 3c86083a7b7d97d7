"""With the catalog gone, the media and the pool alone give it back."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.base import Barcode
from drivers.clock import VirtualClock
from hsm.rebuild import RebuildReport, rebuild
from hsm.states import Availability
from tests.support.studies import small_ct
from tests.support.world import START, World


@pytest.fixture
def settled(tmp_path: Path) -> tuple[World, dict[str, dict[str, bytes]]]:
    """Two studies that left the disk, and what they were."""
    world = World(tmp_path)
    uids = [world.receive(small_ct(name)) for name in ("one", "two")]
    before = {str(uid): world.online_bytes(uid) for uid in uids}
    world.settle()
    assert {world.availability(uid) for uid in uids} == {Availability.NEARLINE}
    return world, before


def without_catalog(world: World, keep_pool: bool = False) -> World:
    """The same place after the catalog, and the disk unless it is kept, were lost."""
    world.close()
    for path in world.root.glob("catalog.db*"):
        path.unlink()
    if not keep_pool:
        shutil.rmtree(world.root / "online")
    return World(world.root, clock=VirtualClock(START + timedelta(days=1)))


def run(world: World, *barcodes: str) -> RebuildReport:
    wanted = [Barcode(b) for b in barcodes] or None
    return rebuild(world.catalog, world.pool, {"test": world.library}, world.clock, wanted)


def test_every_study_is_found_on_the_media_and_comes_back(
    settled: tuple[World, dict[str, dict[str, bytes]]],
) -> None:
    world, before = without_catalog(settled[0]), settled[1]
    report = run(world)
    assert report.faults == []
    assert "A00002L8" in report.blank
    for uid, files in before.items():
        assert world.availability(uid) is Availability.NEARLINE
        world.recall(uid)
        assert world.online_bytes(uid) == files


def test_a_second_rebuild_changes_nothing(settled: tuple[World, dict[str, dict[str, bytes]]]) -> None:
    world, before = without_catalog(settled[0]), settled[1]
    run(world)
    found = {uid: [(c.barcode, c.sequence, c.address, c.state) for c in world.copies(uid)] for uid in before}
    run(world)
    assert {uid: [(c.barcode, c.sequence, c.address, c.state) for c in world.copies(uid)] for uid in before} == found


def test_one_volume_is_enough_to_find_its_studies(settled: tuple[World, dict[str, dict[str, bytes]]]) -> None:
    world, before = without_catalog(settled[0]), settled[1]
    report = run(world, "B00001L8")
    assert report.volumes == ["B00001L8"]
    for uid, files in before.items():
        world.recall(uid)
        assert world.online_bytes(uid) == files


def test_what_was_only_on_disk_is_found_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    uid = world.receive(small_ct())
    files = world.online_bytes(uid)
    world = without_catalog(world, keep_pool=True)
    assert run(world).files == len(files)
    assert world.online_bytes(uid) == files


def test_a_rebuilt_archive_goes_on_with_the_same_volumes(
    settled: tuple[World, dict[str, dict[str, bytes]]],
) -> None:
    world = without_catalog(settled[0])
    run(world)
    uid = world.receive(small_ct("three"))
    files = world.online_bytes(uid)
    world.settle(16)
    assert world.availability(uid) is Availability.NEARLINE
    assert Barcode("A00001L8") in world.verified_volumes(uid)
    world.recall(uid)
    assert world.online_bytes(uid) == files
