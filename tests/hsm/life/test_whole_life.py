"""A study settles from disk to tape and disc, leaves the disk when that is safe, and comes back byte for byte."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from hsm.states import ACTIVE_JOBS, Availability, CopyState
from tests.support.studies import one_of_each_kind, small_ct
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_study_is_copied_verified_released_and_comes_back_byte_for_byte(world: World) -> None:
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    assert world.availability(uid) is Availability.ONLINE
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    assert world.online_bytes(uid) == {}
    assert len(world.verified_volumes(uid)) == 3
    request = world.recall(uid)
    assert world.catalog.recalls.state(request).done
    assert world.availability(uid) is Availability.ONLINE
    assert world.online_bytes(uid) == before


def test_every_kind_of_object_makes_the_whole_journey(world: World) -> None:
    uids = [world.receive(study) for study in one_of_each_kind()]
    before = {uid: world.online_bytes(uid) for uid in uids}
    world.settle()
    assert [world.availability(uid) for uid in uids] == [Availability.NEARLINE] * len(uids)
    for uid in uids:
        world.recall(uid)
    assert {uid: world.online_bytes(uid) for uid in uids} == before


def test_a_copy_is_verified_by_another_drive_than_the_one_that_wrote_it(world: World) -> None:
    uid = world.receive(small_ct())
    world.settle()
    tapes = [copy for copy in world.copies(uid) if copy.kind == "tape"]
    assert tapes
    assert all(copy.verified_by not in (None, copy.written_by) for copy in tapes)


def test_a_second_tick_at_the_same_moment_asks_for_nothing_new(world: World) -> None:
    world.receive(small_ct())
    world.later(30)
    first = world.engine.tick()
    assert first.actions
    jobs = {job.id for job in world.catalog.jobs.list(states=tuple(ACTIVE_JOBS))}
    assert not world.engine.tick().actions
    assert {job.id for job in world.catalog.jobs.list(states=tuple(ACTIVE_JOBS))} == jobs


def test_a_settled_archive_stays_as_it_is(world: World) -> None:
    uid = world.receive(small_ct())
    world.settle()
    copies = world.copies(uid)
    world.settle(3)
    assert world.copies(uid) == copies
    assert not world.engine.tick().actions


def test_a_late_instance_makes_a_further_pack_and_nothing_is_lost(world: World) -> None:
    study = small_ct(slices=4)
    late = study.instances[-1]
    uid = world.receive(replace(study, instances=study.instances[:-1]))
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    world.receive(replace(study, instances=(late,)))
    assert len(world.online_bytes(uid)) == 1
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    assert len({copy.pack_id for copy in world.copies(uid)}) == 2
    world.recall(uid)
    assert len(world.online_bytes(uid)) == 4


def test_one_series_is_recalled_without_the_others(world: World) -> None:
    study = next(s for s in one_of_each_kind() if len({str(i.SeriesInstanceUID) for i in s.instances}) > 1)
    uid = world.receive(study)
    world.settle()
    series = str(study.instances[0].SeriesInstanceUID)
    wanted = {str(i.SOPInstanceUID) for i in study.instances if str(i.SeriesInstanceUID) == series}
    world.recall(uid, series_uids=(series,))
    assert set(world.online_bytes(uid)) == wanted


def test_copies_stay_valid_when_the_archive_is_restarted(tmp_path: Path) -> None:
    world = World(tmp_path)
    uid = world.receive(small_ct())
    world.settle()
    world = world.restart()
    world.recall(uid)
    assert world.availability(uid) is Availability.ONLINE
    assert {copy.state for copy in world.copies(uid)} == {CopyState.VERIFIED}


def test_tidying_removes_what_an_interrupted_arrival_left_and_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path, clock=VirtualClock(datetime.now(UTC) + timedelta(days=2)))
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    leftover = tmp_path / "online" / ".incoming" / "1-interrupted"
    leftover.write_bytes(b"half an object")
    world.engine.tidy()
    assert not leftover.exists()
    assert world.online_bytes(uid) == before
