"""Packs are sealed once, over exactly what was looked at."""

from dataclasses import replace
from datetime import date

import pytest

from hsm.catalog import Catalog, JobRequest, NotCatalogued, PackNotDissolvable, StudyChanged
from hsm.facts import PackDigest
from hsm.format.study_json import parse
from hsm.states import JobKind, JobState
from tests.hsm.catalog.world import LATER, START, TAPES, World, arrival, layout_of, only, series_uid, sop_uid, study_uid


def test_unpacked_tells_all_that_a_pack_must_say(catalog: Catalog) -> None:
    came = arrival(
        issuer="H",
        birth_date=date(1960, 5, 4),
        sex="F",
        study_time="101500.000000",
        accession_number="A1",
        study_id="S1",
        study_description="Thorax",
        referring_physician="Dr^X",
        institution="Clinic",
        character_set="ISO_IR 192",
        series_number=4,
        series_description="lung",
        body_part="CHEST",
        series_date=date(2026, 2, 2),
        series_time="102000.000000",
        patient_attributes={"00101000": {"vr": "LO"}},
        study_attributes={"00081032": {"vr": "SQ"}},
        series_attributes={"00181030": {"vr": "LO", "Value": ["p"]}},
        instance_attributes={"00280010": {"vr": "US", "Value": [512]}},
    )
    catalog.intake.record(came)
    [free] = catalog.packs.unpacked(study_uid(1)).instances
    assert free.file == came.file
    assert free.packed.header == came.header
    assert (free.packed.sha256, free.packed.dataset_offset, free.packed.source_aet) == (came.sha256, 400, "CT1")


def test_unpacked_is_in_pack_order_whatever_order_things_came_in(world: World) -> None:
    batch = [arrival(1, 2, 1), arrival(1, 10, 1), arrival(1, 1, 2), arrival(1, 1, 1)]
    batch += [arrival(1, 1, 9, instance_number=None)]
    world.catalog.intake.record_many(batch)
    found = [i.packed.header.sop_instance_uid for i in world.catalog.packs.unpacked(study_uid(1)).instances]
    assert found == ["1.2.1.1.9", "1.2.1.1.1", "1.2.1.1.2", "1.2.1.10.1", "1.2.1.2.1"]
    assert [i.sop_instance_uid for i in world.instances()] == found


def test_a_sealed_pack_is_what_was_laid_out(world: World) -> None:
    world.receive(1, 3)
    plan, changed_at = layout_of(world.catalog, 1)
    [pack] = world.catalog.packs.seal(study_uid(1), [plan], changed_at, START)
    assert (pack.digest, pack.size_bytes, pack.members) == (plan.digest, plan.size_bytes, plan.members)
    assert pack.study_json.encode() == plan.study_json
    assert world.catalog.packs.get(pack.id) == pack == world.catalog.packs.by_digest(pack.digest)
    assert world.catalog.packs.of_study(study_uid(1)) == [pack]
    assert len(parse(pack.study_json.encode())) == 3
    assert world.catalog.packs.unpacked(study_uid(1)).instances == ()
    assert {i.pack_id for i in world.instances()} == {pack.id}


def test_a_late_arrival_makes_a_further_pack(world: World) -> None:
    first = world.packed(numbers=2)
    world.receive(1, range(3, 5), at=LATER)
    second = world.seal(now=LATER)
    assert only(second.members) == [sop_uid(1, 1, 3), sop_uid(1, 1, 4)]
    assert world.catalog.packs.of_study(study_uid(1)) == [first, second]


def test_a_study_that_changed_meanwhile_is_not_sealed(world: World) -> None:
    world.receive(1, 2)
    plan, changed_at = layout_of(world.catalog, 1)
    world.receive(1, range(3, 4), at=LATER)
    with pytest.raises(StudyChanged, match="new instances"):
        world.catalog.packs.seal(study_uid(1), [plan], changed_at, START)
    assert world.catalog.packs.of_study(study_uid(1)) == []


def test_an_instance_is_never_in_two_packs(world: World) -> None:
    world.receive(1, 2)
    plan, changed_at = layout_of(world.catalog, 1)
    world.catalog.packs.seal(study_uid(1), [plan], changed_at, START)
    with pytest.raises(StudyChanged, match="packed already"):
        world.catalog.packs.seal(study_uid(1), [plan], changed_at, START)


def test_a_replaced_instance_is_not_sealed_as_it_was(world: World) -> None:
    world.receive(1, 1)
    plan, changed_at = layout_of(world.catalog, 1)
    world.catalog.intake.record(arrival(content="b", at=START), on_conflict="replace")
    with pytest.raises(StudyChanged):
        world.catalog.packs.seal(study_uid(1), [plan], changed_at, START)


def test_an_instance_of_another_study_is_not_sealed(world: World) -> None:
    world.receive(1, 1)
    world.receive(2, 1)
    plan, _ = layout_of(world.catalog, 1)
    with pytest.raises(StudyChanged):
        world.catalog.packs.seal(study_uid(2), [plan], START, START)


def test_several_packs_are_sealed_together_or_not_at_all(world: World) -> None:
    world.receive(1, 2)
    plan, changed_at = layout_of(world.catalog, 1)
    with pytest.raises(StudyChanged):
        world.catalog.packs.seal(study_uid(1), [plan, replace(plan, digest=PackDigest("f" * 64))], changed_at, START)
    assert world.catalog.packs.of_study(study_uid(1)) == []


def test_files_gives_only_what_may_be_read_from_the_pool(world: World) -> None:
    pack = world.safe()
    files = world.catalog.packs.files(pack.id)
    assert set(files) == {member.instance_id for member in pack.members}
    world.prove()
    assert world.catalog.packs.files(pack.id) == {}


def test_members_wanted_are_those_that_are_gone(world: World) -> None:
    pack = world.safe(numbers=3)
    assert world.catalog.packs.members_wanted(pack.id) == ()
    world.catalog.release.finish(world.prove(), LATER)
    assert world.catalog.packs.members_wanted(pack.id) == pack.members
    wanted = world.catalog.packs.members_wanted(pack.id, [sop_uid(1, 1, 3), sop_uid(1, 1, 1), "1.2.3"])
    assert only(wanted) == [sop_uid(1, 1, 1), sop_uid(1, 1, 3)]


def test_a_pack_that_lies_nowhere_can_be_taken_apart(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    world.begin(pack, TAPES[0])
    world.catalog.copies.unwrite()
    world.catalog.packs.dissolve(pack.id, START)
    assert world.catalog.packs.by_digest(pack.digest) is None
    assert len(world.catalog.packs.unpacked(study_uid(1)).instances) == 2
    assert world.seal().digest == pack.digest


def test_the_jobs_of_a_dissolved_pack_are_cancelled_and_its_id_is_never_given_again(world: World) -> None:
    pack = world.packed()
    key = f"migrate:{pack.id}:lto"
    request = JobRequest(JobKind.MIGRATE, key, study_uid(1), pack_id=pack.id, pool="lto")
    job, _ = world.catalog.jobs.submit(request, START)
    world.catalog.jobs.start(job, START)
    with pytest.raises(PackNotDissolvable, match=f"job {job}"):
        world.catalog.packs.dissolve(pack.id, START)
    world.catalog.jobs.fail(job, "no tape", START, retry_at=LATER)
    world.catalog.packs.dissolve(pack.id, START)
    assert world.catalog.jobs.get(job).state == JobState.CANCELLED
    assert world.seal().id > pack.id


def test_a_pack_on_a_volume_stays(world: World) -> None:
    pack = world.safe()
    with pytest.raises(PackNotDissolvable, match="verified"):
        world.catalog.packs.dissolve(pack.id, START)


def test_a_pack_whose_copies_are_lost_stays_while_a_member_is_not_online(world: World) -> None:
    pack = world.released()
    for barcode in TAPES[:2]:
        world.catalog.volumes.lose(barcode, "fire", LATER)
    with pytest.raises(PackNotDissolvable, match="not online"):
        world.catalog.packs.dissolve(pack.id, LATER)


def test_a_pack_whose_copies_are_lost_can_be_sealed_again_from_disk(world: World) -> None:
    pack = world.safe()
    for barcode in TAPES[:2]:
        world.catalog.volumes.lose(barcode, "fire", LATER)
    world.catalog.packs.dissolve(pack.id, LATER)
    assert world.seal().id != pack.id


def test_what_is_unknown_is_said_to_be(catalog: Catalog) -> None:
    with pytest.raises(NotCatalogued, match="pack 77"):
        catalog.packs.get(77)
    with pytest.raises(NotCatalogued, match="pack 77"):
        catalog.packs.dissolve(77, START)
    with pytest.raises(NotCatalogued, match="study 9"):
        catalog.packs.unpacked("9")
    with pytest.raises(NotCatalogued, match="study 9"):
        catalog.packs.seal("9", [], START, START)
    assert catalog.packs.by_digest("f" * 64) is None
    assert catalog.packs.of_study(series_uid(1, 1)) == []
