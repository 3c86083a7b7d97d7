"""A lost catalog comes back from media and pool; a good one is never made worse."""

import io
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind
from hsm.catalog import Catalog, FoundPack, FoundVolume, NotCatalogued, VolumeRefused
from hsm.format.errors import FormatError
from hsm.format.pack import PackLayout
from hsm.states import Availability, CopyState, OnlineState, Place, VolumeState
from tests.hsm.catalog.world import (
    LATER,
    START,
    TAPES,
    World,
    arrival,
    digest,
    found_pack,
    layout_of,
    only,
    pool_file,
    sop_uid,
    study_uid,
)


def found_volume(barcode: Barcode = TAPES[0], sequence: int = 1, **changes: object) -> FoundVolume:
    """A tape as its label and its last frame tell."""
    found = FoundVolume(
        barcode=barcode,
        uuid=f"uuid-{barcode}",
        kind=MediumKind.TAPE,
        generation="LTO-8",
        pool="lto",
        labelled_at=START,
        library="lib",
        capacity_bytes=10**12,
        used_bytes=sequence * 10**6,
        end_address=sequence * 100 + 50,
        last_sequence=sequence,
        last_address=sequence * 100,
        last_digest="d" * 64,
        last_stream_sha256="e" * 64,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.fixture
def plans(sqlite_template: Path, tmp_path: Path) -> list[PackLayout]:
    """Two packs of a study as some other catalog once sealed them."""
    path = tmp_path / "gone.db"
    path.write_bytes(sqlite_template.read_bytes())
    made = []
    with Catalog.open(f"sqlite:///{path}") as gone:
        old = World(gone)
        for numbers in (range(1, 3), range(3, 5)):
            at = START + timedelta(hours=numbers[0])
            gone.intake.record_many([arrival(1, 1, n, at=at, study_description="Thorax") for n in numbers])
            plan, _ = layout_of(gone, 1)
            old.seal(1)
            made.append(plan)
    return made


@pytest.fixture
def versions(sqlite_template: Path, tmp_path: Path) -> list[PackLayout]:
    """Two packs of one instance in two versions, the second received later."""
    made = []
    for hours, content in ((0, "old"), (1, "new")):
        path = tmp_path / f"{content}.db"
        path.write_bytes(sqlite_template.read_bytes())
        with Catalog.open(f"sqlite:///{path}") as gone:
            gone.intake.record(arrival(content=content, at=START + timedelta(hours=hours), size_bytes=1000 + hours))
            made.append(layout_of(gone, 1)[0])
    return made


def tell(catalog: Catalog, plan: PackLayout, barcode: Barcode = TAPES[0], sequence: int = 1, **more: object) -> None:
    """A pack was found."""
    catalog.rebuild.pack(found_pack(plan, barcode, sequence, **more), LATER)


def picture(catalog: Catalog) -> dict[str, object]:
    """What a user sees, without ids."""
    return {
        "studies": [line.as_json() for line in catalog.studies.summary()],
        "instances": [
            (i.sop_instance_uid, i.sha256, i.dataset_sha256, i.size_bytes, i.online_state, i.file)
            for i in catalog.studies.instances(study_uid(1))
        ],
        "packs": sorted(
            (p.digest, p.size_bytes, p.study_json, only(p.members)) for p in catalog.packs.of_study("1.2.1")
        ),
        "volumes": [replace(volume, first_filled_at=None) for volume in catalog.volumes.list()],
    }


def test_a_tape_gives_everything_back(world: World, plans: list[PackLayout]) -> None:
    catalog = world.catalog
    catalog.rebuild.volume(found_volume(sequence=2), LATER)
    for sequence, plan in enumerate(plans, 1):
        tell(catalog, plan, sequence=sequence, verified=True, drive_serial="V1")
    study = catalog.studies.get(study_uid(1))
    assert study is not None
    assert (study.instance_count, study.series_count, study.size_bytes, study.description) == (4, 1, 4000, "Thorax")
    assert (study.received_at, study.changed_at) == (START + timedelta(hours=1), START + timedelta(hours=3))
    assert catalog.studies.availability(study_uid(1)) is Availability.NEARLINE
    assert [p.digest for p in catalog.packs.of_study(study_uid(1))] == [plan.digest for plan in plans]
    for plan, pack in zip(plans, catalog.packs.of_study(study_uid(1)), strict=True):
        assert [(m.sop_instance_uid, m.offset_bytes) for m in pack.members] == [
            (m.sop_instance_uid, m.offset_bytes) for m in plan.members
        ]
        [copy] = catalog.copies.of_pack(pack.id)
        assert (copy.state, copy.verified_by, copy.verified_at) == (CopyState.VERIFIED, "V1", LATER)
        assert (copy.pool, copy.barcode) == ("lto", TAPES[0])
    volume = catalog.volumes.get(TAPES[0])
    assert (volume.state, volume.last_sequence, volume.end_address) == (VolumeState.FILLING, 2, 250)
    request = catalog.recalls.request(study_uid(1), requested_by="WS", now=LATER)
    assert catalog.recalls.state(request).missing == 4


def test_the_order_of_telling_and_telling_twice_make_no_difference(
    tmp_path: Path, sqlite_template: Path, plans: list[PackLayout]
) -> None:
    pictures = []
    told = [(plan, barcode, n) for n, plan in enumerate(plans, 1) for barcode in TAPES[:2]]
    for number, order in enumerate([*list(permutations(told))[::5], told + told]):
        path = tmp_path / f"{number}.db"
        path.write_bytes(sqlite_template.read_bytes())
        with Catalog.open(f"sqlite:///{path}") as catalog:
            for barcode in TAPES[:2]:
                catalog.rebuild.volume(found_volume(barcode, 2), LATER)
            for plan, barcode, sequence in order:
                tell(catalog, plan, barcode, sequence)
            pictures.append(picture(catalog))
    assert all(one == pictures[0] for one in pictures)


def test_the_later_version_is_the_instance_whatever_is_found_first(
    tmp_path: Path, sqlite_template: Path, versions: list[PackLayout]
) -> None:
    pictures = []
    for number, order in enumerate((versions, versions[::-1], versions * 2)):
        path = tmp_path / f"v{number}.db"
        path.write_bytes(sqlite_template.read_bytes())
        with Catalog.open(f"sqlite:///{path}") as catalog:
            catalog.rebuild.volume(found_volume(sequence=2), LATER)
            for plan in order:
                tell(catalog, plan, sequence=versions.index(plan) + 1)
            pictures.append(picture(catalog))
            [instance] = catalog.studies.instances(study_uid(1))
            assert instance.sha256 == versions[1].members[0].sha256
            packs = {pack.digest: pack for pack in catalog.packs.of_study(study_uid(1))}
            assert packs[versions[0].digest].members[0].instance_id == 0
            study = catalog.studies.get(study_uid(1))
            assert study is not None and (study.instance_count, study.size_bytes) == (1, 1001)
    assert all(one == pictures[0] for one in pictures)


def test_a_known_instance_keeps_its_file_and_learns_its_pack(world: World, plans: list[PackLayout]) -> None:
    world.receive(1, 2, at=START + timedelta(hours=1))
    before = [i.file for i in world.instances()]
    world.catalog.rebuild.volume(found_volume(), LATER)
    tell(world.catalog, plans[0])
    after = world.instances()
    assert [i.file for i in after] == before
    assert {i.online_state for i in after} == {OnlineState.ONLINE}
    assert {i.pack_id for i in after} == {world.catalog.packs.of_study(study_uid(1))[0].id}


def test_an_online_version_is_not_replaced_by_one_from_tape(world: World, versions: list[PackLayout]) -> None:
    mine = arrival(content="mine")
    world.catalog.intake.record(mine)
    world.catalog.rebuild.volume(found_volume(), LATER)
    tell(world.catalog, versions[1])
    [instance] = world.instances()
    assert (instance.sha256, instance.pack_id) == (mine.sha256, None)
    [pack] = world.catalog.packs.of_study(study_uid(1))
    assert pack.members[0].instance_id == 0


def test_a_version_in_another_series_does_not_move_an_instance(world: World, versions: list[PackLayout]) -> None:
    other = arrival(1, 1, 1, series_instance_uid="1.2.1.9", at=START - timedelta(days=1))
    world.catalog.intake.record(other)
    world.catalog.rebuild.volume(found_volume(), LATER)
    tell(world.catalog, versions[1])
    [instance] = world.instances()
    assert instance.series_instance_uid == "1.2.1.9"


def test_a_lost_online_instance_in_another_study_stays_there(world: World, versions: list[PackLayout]) -> None:
    world.released(1, 1)
    moved = found_pack(versions[1], TAPES[0], 2)
    world.catalog.rebuild.pack(moved, LATER)  # same UID, later: takes the place of the released one
    [instance] = world.instances()
    assert instance.sha256 == versions[1].members[0].sha256
    assert world.catalog.copies.of_pack(instance.pack_id or 0)[0].barcode == TAPES[0]


def test_better_knowledge_of_a_copy_stays(world: World) -> None:
    pack = world.safe()
    first, second = world.catalog.copies.of_pack(pack.id)
    world.catalog.copies.doubt(second.id, "V2", "CRC", START)
    plan_like = FoundPack(
        pack.digest, pack.size_bytes, pack.study_json.encode(), pack.members, TAPES[0], 1, 777, None, LATER
    )
    world.catalog.rebuild.pack(plan_like, LATER)
    assert world.catalog.copies.get(first.id) == first
    world.catalog.rebuild.pack(replace(plan_like, barcode=TAPES[1]), LATER)
    assert world.catalog.copies.get(second.id).state is CopyState.SUSPECT
    world.catalog.rebuild.pack(replace(plan_like, barcode=TAPES[1], verified=True, drive_serial="V9"), LATER)
    verified = world.catalog.copies.get(second.id)
    assert (verified.state, verified.verified_by, verified.doubts) == (CopyState.VERIFIED, "V9", 0)


def test_a_copy_that_was_never_flushed_but_is_there_counts_as_written(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES[:2])
    writing = world.begin(pack, TAPES[0])
    found = FoundPack(
        pack.digest, pack.size_bytes, pack.study_json.encode(), pack.members, TAPES[0], 1, 100, "a" * 64, START
    )
    world.catalog.rebuild.pack(found, LATER)
    copy = world.catalog.copies.get(writing)
    assert (copy.state, copy.address, copy.stream_sha256) == (CopyState.WRITTEN, 100, "a" * 64)
    planned = world.begin(pack, TAPES[1])
    world.catalog.copies.unwrite()
    world.catalog.rebuild.pack(replace(found, barcode=TAPES[1], verified=True), LATER)
    assert world.catalog.copies.get(planned).state is CopyState.VERIFIED
    assert len(world.catalog.copies.of_pack(pack.id)) == 2


def test_a_pack_that_contradicts_itself_is_not_taken_over(world: World, plans: list[PackLayout]) -> None:
    world.catalog.rebuild.volume(found_volume(), LATER)
    good = found_pack(plans[0], TAPES[0], 1)
    with pytest.raises(VolumeRefused, match="two things"):
        world.catalog.rebuild.pack(replace(good, members=good.members[:1]), LATER)
    with pytest.raises(FormatError):
        world.catalog.rebuild.pack(replace(good, study_json=b"{}"), LATER)
    with pytest.raises(NotCatalogued, match="volume"):
        world.catalog.rebuild.pack(replace(good, barcode=Barcode("Z")), LATER)
    assert world.catalog.studies.counts().instances == 0


def test_a_volume_tells_who_it_is(world: World) -> None:
    rebuild, volumes = world.catalog.rebuild, world.catalog.volumes
    world.library(TAPES[0])
    rebuild.volume(found_volume(sequence=0), LATER)
    assert volumes.get(TAPES[0]).state is VolumeState.LABELLED
    rebuild.volume(found_volume(sequence=3), LATER)
    grown = volumes.get(TAPES[0])
    assert (grown.state, grown.last_sequence, grown.end_address, grown.last_digest) == (
        VolumeState.FILLING,
        3,
        350,
        "d" * 64,
    )
    rebuild.volume(found_volume(sequence=2, end_address=1), LATER)
    assert volumes.get(TAPES[0]) == grown
    volumes.doubt(TAPES[0], "noise", LATER)
    rebuild.volume(found_volume(sequence=4, closed=True), LATER)
    doubted = volumes.get(TAPES[0])
    assert (doubted.state, doubted.last_sequence) == (VolumeState.SUSPECT, 4)


def test_a_disc_on_a_shelf_is_full_and_stays_on_the_shelf(world: World) -> None:
    disc = found_volume(
        Barcode("D9"), 1, kind=MediumKind.DISC, place=Place.SHELF, closed=True, image_sha256="b" * 64, image_bytes=9
    )
    world.catalog.rebuild.volume(disc, LATER)
    volume = world.catalog.volumes.get(Barcode("D9"))
    assert (volume.state, volume.place, volume.image_sha256) == (VolumeState.FULL, Place.SHELF, "b" * 64)


def test_two_volumes_are_never_taken_for_one(world: World) -> None:
    world.catalog.rebuild.volume(found_volume(), LATER)
    with pytest.raises(VolumeRefused, match="duplicate"):
        world.catalog.rebuild.volume(found_volume(TAPES[1], uuid=f"uuid-{TAPES[0]}"), LATER)
    with pytest.raises(VolumeRefused, match="look at the cartridge"):
        world.catalog.rebuild.volume(found_volume(uuid="another"), LATER)


def test_a_file_in_the_pool_is_catalogued_or_put_online_again(world: World) -> None:
    file = world.catalog.rebuild.file
    stranger = arrival(5)
    assert file(stranger, LATER)
    assert file(stranger, LATER)
    assert not file(replace(stranger, file=pool_file("x")), LATER)
    world.released(1)
    back = arrival()
    assert file(back, LATER)
    assert [i.online_state for i in world.instances()] == [OnlineState.ONLINE, OnlineState.RELEASED]
    assert world.instances()[0].file == back.file
    assert not file(replace(arrival(content="b"), sha256=digest("b")), LATER)
    assert world.names()[0] == "file_contradicts_catalog"


def test_a_file_that_is_being_released_is_left_to_go(world: World) -> None:
    world.safe()
    world.prove()
    mine = world.instances()[0]
    assert mine.file is not None
    assert world.catalog.rebuild.file(replace(arrival(), file=mine.file), LATER)
    assert world.instances()[0].online_state is OnlineState.RELEASING


def test_a_catalog_file_from_a_tape_and_later_packs_go_together(world: World, tmp_path: Path) -> None:
    world.released(1)
    stream = io.BytesIO()
    world.catalog.dump.write(stream)
    world.receive(2, 2)
    late, _ = layout_of(world.catalog, 2)
    with Catalog.open(f"sqlite:///{tmp_path / 'new.db'}") as fresh:
        fresh.dump.load(io.BytesIO(stream.getvalue()))
        fresh.rebuild.pack(found_pack(late, TAPES[0], 2), LATER)
        assert [i.sop_instance_uid for i in fresh.studies.instances(study_uid(2))] == [
            sop_uid(2, 1, 1),
            sop_uid(2, 1, 2),
        ]
        assert fresh.studies.availability(study_uid(1)) is Availability.NEARLINE
