"""What jobs ask of drives and volumes."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind
from drivers.generations import MEDIA
from hsm.engine.demand import assumed_capacity_bytes, pool_for_blank, volume_facts, works
from hsm.scheduler import Candidate
from hsm.states import CopyState, JobKind, VolumeState
from tests.hsm.engine.support import job_record
from tests.support.studies import small_ct
from tests.support.world import World, volume_pools

FIRST, OTHER, BLANK = Barcode("A00001L8"), Barcode("B00001L8"), Barcode("A00002L8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("demand"))
    world.receive(small_ct())
    world.settle(4)
    return world


@pytest.fixture(scope="module")
def pack_id(world: World) -> int:
    return world.catalog.copies.of_volume(FIRST)[0].pack_id


def test_a_recall_may_be_read_from_every_volume_that_holds_the_pack(world: World, pack_id: int) -> None:
    (work,) = works(world.catalog, [job_record(JobKind.RECALL, pack_id=pack_id)])
    assert {candidate.barcode for candidate in work.candidates} == {FIRST, OTHER, Barcode("D00001")}
    assert not any(candidate.doubtful for candidate in work.candidates)


def test_a_suspect_copy_is_doubtful_and_a_lost_one_no_candidate(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.receive(small_ct())
    world.settle(3)
    copies = {copy.barcode: copy for copy in world.catalog.copies.of_volume(FIRST)}
    copy = copies[FIRST]
    world.catalog.copies.doubt(copy.id, "T0", "x", world.clock.now())
    recall = job_record(JobKind.RECALL, pack_id=copy.pack_id)
    doubtful = {c.barcode: c.doubtful for c in works(world.catalog, [recall])[0].candidates}
    assert doubtful == {FIRST: True, OTHER: False, Barcode("D00001"): False}
    verify = job_record(JobKind.VERIFY, copy_id=copy.id)
    assert works(world.catalog, [verify])[0].avoid_drive == "T0"
    world.catalog.copies.lose(copy.id, "x", world.clock.now())
    assert FIRST not in {c.barcode for c in works(world.catalog, [recall])[0].candidates}


def test_a_verification_avoids_the_drive_that_wrote(world: World) -> None:
    copy = world.catalog.copies.of_volume(FIRST)[0]
    assert copy.state is CopyState.VERIFIED
    (work,) = works(world.catalog, [job_record(JobKind.VERIFY, copy_id=copy.id)])
    assert work.candidates == (Candidate(FIRST, copy.address),)
    assert work.avoid_drive == copy.written_by


def test_a_migration_goes_on_no_volume_that_has_the_pack_already(world: World, pack_id: int) -> None:
    (work,) = works(world.catalog, [job_record(JobKind.MIGRATE, pack_id=pack_id, pool="tape_a")])
    assert (work.pool, work.not_on) == ("tape_a", frozenset({FIRST, OTHER, Barcode("D00001")}))


def test_a_labelling_asks_for_its_volume(world: World) -> None:
    (work,) = works(world.catalog, [job_record(JobKind.LABEL, barcode=BLANK)])
    assert work.candidates == (Candidate(BLANK, None),)


@pytest.mark.parametrize("job", [
    job_record(JobKind.RELEASE),
    job_record(JobKind.RECALL),
    job_record(JobKind.VERIFY),
    job_record(JobKind.VERIFY, copy_id=999),
    job_record(JobKind.LABEL),
    job_record(JobKind.REPACK),
], ids=lambda job: f"{job.kind.value}-{job.copy_id}")  # fmt: skip
def test_what_needs_no_drive_or_has_no_object_is_left_out(world: World, job: object) -> None:
    assert works(world.catalog, [job]) == []  # type: ignore[list-item]


def test_a_blank_volume_belongs_to_the_first_pool_that_names_it(world: World) -> None:
    volume, pools = world.catalog.volumes.get(BLANK), volume_pools()
    assert pool_for_blank(volume, pools) == "tape_a"
    assert pool_for_blank(replace(volume, state=VolumeState.SCRATCH), pools) == "tape_a"
    assert pool_for_blank(replace(volume, state=VolumeState.SUSPECT), pools) is None
    assert pool_for_blank(replace(volume, library="elsewhere"), pools) is None
    assert pool_for_blank(replace(volume, kind=MediumKind.DISC), pools) is None
    assert pool_for_blank(replace(volume, barcode=Barcode("X1")), pools) is None
    pools["tape_a"] = replace(pools["tape_a"], auto_label=False)
    assert pool_for_blank(volume, pools) is None


def test_the_reserve_of_a_pool_is_not_free_and_free_is_never_negative(world: World) -> None:
    volume, pools = world.catalog.volumes.get(FIRST), volume_pools()
    (fact,) = volume_facts([volume], pools, {FIRST: "S0"}, frozenset({FIRST}))
    assert fact.free_bytes == volume.capacity_bytes - 500_000 - volume.used_bytes
    assert (fact.mounted_in, fact.busy) == ("S0", True)
    (full,) = volume_facts([replace(volume, used_bytes=volume.capacity_bytes)], pools, {}, frozenset())
    assert (full.free_bytes, full.mounted_in, full.busy) == (0, None, False)
    (strange,) = volume_facts([replace(volume, pool="gone")], pools, {}, frozenset())
    assert strange.free_bytes == volume.capacity_bytes - volume.used_bytes


def test_a_volume_nobody_looked_at_is_taken_for_what_its_suffix_says(world: World) -> None:
    volume = world.catalog.volumes.get(BLANK)
    sizes = [
        assumed_capacity_bytes(replace(volume, barcode=Barcode(b))) for b in ("A00001L9", "A00001M8", "A00001", "X")
    ]
    lowest = MEDIA["LTO-5"].capacity_bytes
    assert sizes == [MEDIA["LTO-9"].capacity_bytes, MEDIA["LTO-M8"].capacity_bytes, lowest, lowest]
    assert assumed_capacity_bytes(replace(volume, kind=MediumKind.DISC)) == MEDIA["DVD+R"].capacity_bytes
