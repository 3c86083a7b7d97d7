"""Recalls: what is gone is wanted once, and comes back once."""

import pytest

from hsm.catalog import NotCatalogued, NotRecallable, ReleaseRefused
from hsm.facts import PoolFile
from hsm.states import JobKind, JobState, OnlineState, Place
from tests.hsm.catalog.world import (
    LATER,
    START,
    TAPES,
    World,
    arrival,
    only,
    pool_file,
    series_uid,
    sop_uid,
    study_uid,
)


def request(world: World, series: tuple[str, ...] = (), sops: tuple[str, ...] = (), study: int = 1) -> int:
    """Want something back."""
    return world.catalog.recalls.request(study_uid(study), series, sops, requested_by="WS1", now=LATER)


def bring_back(world: World, study: int = 1) -> list[PoolFile]:
    """Everything that is gone comes back."""
    gone = [i for i in world.instances(study) if i.online_state is not OnlineState.ONLINE]
    files = {i.id: pool_file(i.sop_instance_uid) for i in gone}
    return world.catalog.recalls.recalled(files, LATER, LATER)


def test_a_whole_study_is_one_job_per_pack(world: World) -> None:
    first = world.packed(numbers=2)
    world.receive(1, range(3, 6))
    second = world.seal()
    world.labelled(*TAPES[:2])
    for pack in (first, second):
        for barcode in TAPES[:2]:
            world.copy(pack, barcode)
    world.catalog.release.finish(world.prove(), LATER)
    status = world.catalog.recalls.state(request(world))
    assert (status.missing, status.done, status.failed, status.requested_by) == (5, False, False, "WS1")
    assert [(job.kind, job.key, job.payload, job.size_bytes) for job in status.jobs] == [
        (JobKind.RECALL, f"recall:{first.id}:all", {"sops": "all"}, 2000),
        (JobKind.RECALL, f"recall:{second.id}:all", {"sops": "all"}, 3000),
    ]


def test_some_instances_are_recalled_alone(world: World) -> None:
    world.catalog.intake.record_many([arrival(1, s, n) for s in (1, 2) for n in (1, 2)])
    pack = world.seal()
    world.labelled(*TAPES[:2])
    for barcode in TAPES[:2]:
        world.copy(pack, barcode)
    world.catalog.release.finish(world.prove(), LATER)
    by_series = world.catalog.recalls.state(request(world, series=(series_uid(1, 2),)))
    assert by_series.missing == 2
    [job] = by_series.jobs
    assert job.payload == {"sops": [sop_uid(1, 2, 1), sop_uid(1, 2, 2)]}
    same = world.catalog.recalls.state(request(world, sops=(sop_uid(1, 2, 2), sop_uid(1, 2, 1))))
    assert [j.id for j in same.jobs] == [job.id]
    one = world.catalog.recalls.state(request(world, sops=(sop_uid(1, 1, 1),)))
    assert one.jobs[0].id != job.id
    assert only(world.catalog.packs.members_wanted(pack.id, one.jobs[0].payload["sops"])) == [sop_uid(1, 1, 1)]


def test_a_part_joins_the_job_that_brings_all(world: World) -> None:
    world.released(numbers=3)
    whole = world.catalog.recalls.state(request(world))
    part = world.catalog.recalls.state(request(world, sops=(sop_uid(1, 1, 1),)))
    assert [job.id for job in part.jobs] == [job.id for job in whole.jobs]
    assert (whole.missing, part.missing) == (3, 1)
    assert [status.request_id for status in world.catalog.recalls.list()] == [part.request_id, whole.request_id]


def test_there_is_nothing_to_do_when_all_is_online(world: World) -> None:
    world.safe()
    status = world.catalog.recalls.state(request(world))
    assert status.done and not status.failed and status.jobs == () and status.missing == 0
    assert "recall_requested" not in world.names()


def test_what_comes_back_is_online_and_stays_for_a_while(world: World) -> None:
    pack = world.released()
    wanted = request(world)
    keep = LATER.replace(hour=23)
    files = {member.instance_id: pool_file(member.sop_instance_uid) for member in pack.members}
    assert world.catalog.recalls.recalled(files, keep, LATER) == []
    assert world.catalog.recalls.state(wanted).done
    back = world.instances()
    assert [(i.online_state, i.file) for i in back] == [(OnlineState.ONLINE, files[i.id]) for i in back]
    study = world.catalog.studies.get(study_uid(1))
    assert study is not None and study.pinned_until == keep
    bring_back(world)
    study = world.catalog.studies.get(study_uid(1))
    assert study is not None and study.pinned_until == keep
    assert world.names()[0] == "study_recalled"


def test_a_file_nobody_needs_is_handed_back(world: World) -> None:
    world.safe()
    online = world.instances()[0]
    double = pool_file(online.sop_instance_uid)
    assert world.catalog.recalls.recalled({online.id: double, 99999: double}, LATER, LATER) == [double, double]
    study = world.catalog.studies.get(study_uid(1))
    assert study is not None and study.pinned_until is None
    assert world.instances()[0].file == online.file


def test_what_is_just_being_released_is_wanted_and_comes_back_after(world: World) -> None:
    world.safe()
    proof = world.prove()
    wanted = request(world)
    assert world.catalog.recalls.state(wanted).missing == 2
    files = bring_back(world)
    assert len(files) == 2  # not yet: their bytes are still about to go
    world.catalog.release.finish(proof, LATER)
    assert bring_back(world) == []
    assert world.catalog.recalls.state(wanted).done


def test_no_release_while_somebody_waits(world: World) -> None:
    world.released()
    wanted = request(world)
    bring_back(world)
    now = LATER.replace(year=2027)
    with pytest.raises(ReleaseRefused, match="recalled"):
        world.prove(now=now)
    [job] = world.catalog.recalls.state(wanted).jobs
    world.catalog.jobs.start(job.id, LATER)
    world.catalog.jobs.finish(job.id, LATER)
    world.prove(now=now)


def test_what_no_volume_can_give_is_not_promised(world: World) -> None:
    pack = world.released()
    world.catalog.volumes.lose(TAPES[0], "fire", LATER)
    world.catalog.volumes.move(TAPES[1], Place.MISSING, "", LATER)
    request(world)  # missing is not lost: a person may find it
    world.catalog.volumes.lose(TAPES[1], "fire", LATER)
    with pytest.raises(NotRecallable, match=pack.digest[:12]) as refused:
        request(world)
    assert refused.value.packs == (pack.digest,)
    assert len(world.catalog.recalls.list()) == 1


def test_a_request_fails_when_nothing_works_on_it_any_more(world: World) -> None:
    world.released()
    wanted = request(world)
    [job] = world.catalog.recalls.state(wanted).jobs
    world.catalog.jobs.plan({job.id: (LATER, "")})
    world.catalog.jobs.start(job.id, LATER, TAPES[0])
    status = world.catalog.recalls.state(wanted)
    assert status.barcodes == (TAPES[0],) and not status.failed
    world.catalog.jobs.progress(job.id, 0, "reading", LATER)
    assert world.catalog.recalls.state(wanted).eta_at == LATER
    world.catalog.jobs.fail(job.id, "drive 0 could not read A00001L8", LATER)
    status = world.catalog.recalls.state(wanted)
    assert status.failed and not status.done and status.eta_at is None
    assert status.message == "drive 0 could not read A00001L8"
    [again] = world.catalog.recalls.state(request(world)).jobs
    assert again.id != job.id and again.state == JobState.QUEUED


def test_a_request_whose_jobs_ended_without_bringing_all_says_so(world: World) -> None:
    world.released()
    wanted = request(world)
    [job] = world.catalog.recalls.state(wanted).jobs
    world.catalog.jobs.start(job.id, LATER)
    world.catalog.jobs.finish(job.id, LATER)
    status = world.catalog.recalls.state(wanted)
    assert status.failed and "2 instances are not online" in status.message


def test_a_superseded_version_is_never_recalled(world: World) -> None:
    pack = world.released()
    world.catalog.intake.record(arrival(content="new", at=START), on_conflict="replace")
    status = world.catalog.recalls.state(request(world))
    assert status.missing == 1
    assert only(world.catalog.packs.members_wanted(pack.id)) == [sop_uid(1, 1, 2)]


def test_unknown_things_are_said_to_be(world: World) -> None:
    with pytest.raises(NotCatalogued, match="study"):
        request(world, study=9)
    with pytest.raises(NotCatalogued, match="recall request 4711"):
        world.catalog.recalls.state(4711)
