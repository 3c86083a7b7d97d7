"""A volume is emptied: everything on it is made again elsewhere and read back there before it counts as superseded."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.base import Barcode, ElementKind
from drivers.clock import VirtualClock
from hsm.facts import StudyUid
from hsm.repack.asking import what_it_takes
from hsm.repack.facts import Phase, RepackRecord
from hsm.states import Availability, CopyState, JobKind, JobState, Place, RepackState, VolumeState
from tests.support.crashing import count_steps, crash_at
from tests.support.studies import small_ct
from tests.support.world import START, TAPES_ONLY, World

OLD, NEW, OTHER = Barcode("A00001L8"), Barcode("A00002L8"), Barcode("B00001L8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, TAPES_ONLY, discs=())


def settled(world: World, studies: int = 2) -> dict[StudyUid, dict[str, bytes]]:
    """Some studies that lie on two tapes and nowhere else, and what they were."""
    uids = [world.receive(small_ct(f"s{number}")) for number in range(studies)]
    before = {uid: world.online_bytes(uid) for uid in uids}
    world.settle(4)
    assert {world.availability(uid) for uid in uids} == {Availability.NEARLINE}
    return before


def repack(world: World, barcode: Barcode = OLD, rounds: int = 3, step_s: float = 30.0) -> RepackRecord:
    """Ask for it, and let the engine work."""
    world.catalog.repacks.begin(barcode, "worn", "anna", world.clock.now())
    return go_on(world, barcode, rounds, step_s)


def go_on(world: World, barcode: Barcode = OLD, rounds: int = 3, step_s: float = 30.0) -> RepackRecord:
    world.settle(rounds, step_s)
    found = world.catalog.repacks.last(barcode)
    assert found is not None
    return found


def states(world: World, barcode: Barcode) -> set[CopyState]:
    return {copy.state for copy in world.catalog.copies.of_volume(barcode)}


def state(world: World, barcode: Barcode = OLD) -> VolumeState:
    return world.catalog.volumes.get(barcode).state


def mounts(world: World) -> int:
    return sum(volume.mounts for volume in world.catalog.volumes.list())


def come_back(world: World, before: dict[StudyUid, dict[str, bytes]]) -> None:
    """Every study is brought back as it was."""
    for uid in before:
        world.recall(uid)
    assert {uid: world.online_bytes(uid) for uid in before} == before


def test_a_volume_is_emptied_and_every_pack_lies_verified_on_another_one(world: World) -> None:
    before = settled(world, 3)
    forecast = what_it_takes(world.catalog, world.volume_pools, OLD, 10**9)
    mounted = mounts(world)
    done = repack(world)
    assert (state(world), states(world, OLD)) == (VolumeState.DRAINED, {CopyState.SUPERSEDED})
    assert states(world, NEW) == {CopyState.VERIFIED}
    assert (done.state, done.copies, done.troubles) == (RepackState.DONE, 3, ())
    assert {len(world.verified_volumes(uid)) for uid in before} == {2}
    assert not list((world.root / "staging" / "packs").iterdir())
    # what was said before was so
    assert [pack.source for pack in forecast.packs] == [OTHER] * 3
    assert (forecast.sources, forecast.target_volumes, forecast.lacking_bytes) == ({OTHER: 3}, 1, 0)
    assert mounts(world) - mounted <= forecast.mounts == 3
    assert 0 < forecast.duration_s < 3600
    kinds = {job.kind for job in world.catalog.jobs.list() if job.payload.get("repack") == OLD}
    assert kinds == {JobKind.REPACK, JobKind.MIGRATE, JobKind.VERIFY}
    come_back(world, before)


def test_a_drained_tape_is_given_free_labelled_anew_and_filled_again(world: World) -> None:
    before = settled(world)
    repack(world)
    former = world.catalog.volumes.get(OLD).uuid
    world.catalog.volumes.erase(OLD, "anna", world.clock.now())
    world.catalog.volumes.close(NEW, world.clock.now())
    uid = world.receive(small_ct("later"))
    world.settle(4)
    volume = world.catalog.volumes.get(OLD)
    assert volume.state is VolumeState.FILLING
    assert volume.uuid not in (None, former)
    assert OLD in world.verified_volumes(uid)
    come_back(world, before)


def test_the_only_copy_is_read_from_the_volume_itself_in_one_sweep(world: World) -> None:
    before = settled(world, 4)
    world.catalog.volumes.lose(OTHER, "fire", world.clock.now())
    mounted = world.catalog.volumes.get(OLD).mounts
    repack(world, rounds=1)
    read = [job for job in world.catalog.jobs.list(kinds=(JobKind.REPACK,)) if job.state == JobState.DONE]
    assert {job.message for job in read} == {f"read from {OLD}"}
    assert world.catalog.volumes.get(OLD).mounts <= mounted + 1
    assert go_on(world).state is RepackState.DONE
    come_back(world, before)


def test_what_is_online_is_read_from_no_volume(world: World) -> None:
    before = settled(world)
    for uid in before:
        world.recall(uid)
    done = repack(world, step_s=5)
    assert done.state is RepackState.DONE
    assert not world.catalog.jobs.list(kinds=(JobKind.REPACK,))


def rot(world: World, barcode: Barcode, content: bytes) -> None:
    """Change one bit of an object as it lies on a tape."""
    data = (world.root / "test" / "volumes" / barcode / "data").read_bytes()
    world.simulated.hands.damage(barcode, data.index(content) + len(content) // 2)


def test_two_damaged_copies_give_a_whole_one_when_they_are_damaged_at_different_places(world: World) -> None:
    before = settled(world, 1)
    [contents] = before.values()
    first, second, _ = contents.values()
    rot(world, OLD, first)
    rot(world, OTHER, second)
    assert repack(world, rounds=6).state is RepackState.DONE
    assert states(world, NEW) == {CopyState.VERIFIED}
    come_back(world, before)


def test_a_pack_that_cannot_be_read_anywhere_is_named_and_keeps_the_volume(world: World) -> None:
    before = settled(world, 2)
    first, second = world.catalog.copies.of_volume(OLD)
    world.catalog.volumes.lose(OTHER, "fire", world.clock.now())
    rot(world, OLD, next(iter(before[second.study_instance_uid].values())))
    found = repack(world, rounds=8, step_s=60)
    assert (found.state, found.phase) == (RepackState.RUNNING, Phase.BLOCKED)
    [trouble] = found.troubles
    assert (trouble.pack_digest, trouble.study_instance_uid) == (second.pack_digest, second.study_instance_uid)
    assert "no copy of it can be read" in trouble.reason
    assert (state(world), states(world, OLD)) == (VolumeState.REPACKING, {CopyState.SUPERSEDED, CopyState.LOST})
    assert second.pack_digest in {event.fields["pack"] for event in world.catalog.events.list(name="repack_blocked")}
    world.recall(first.study_instance_uid)
    assert world.online_bytes(first.study_instance_uid) == before[first.study_instance_uid]


def test_a_volume_no_drive_can_open_is_told_and_not_tried_for_ever(world: World) -> None:
    settled(world, 1)
    world.catalog.volumes.lose(OTHER, "fire", world.clock.now())
    world.simulated.faults.add(f"fail read with medium error on volume {OLD} always")
    found = repack(world, rounds=8, step_s=60)
    assert (found.state, found.phase) == (RepackState.RUNNING, Phase.COPYING)
    assert "MediumError" in found.troubles[0].reason
    assert max(job.attempts for job in world.catalog.jobs.list(kinds=(JobKind.REPACK,))) < 8


def test_a_pause_begins_nothing_further_and_a_cancel_leaves_what_was_made(world: World) -> None:
    before = settled(world)
    repacks, now = world.catalog.repacks, world.clock.now
    repacks.begin(OLD, "worn", "anna", now())
    repacks.pause(OLD, "anna", now())
    assert go_on(world).state is RepackState.PAUSED
    assert states(world, OLD) == {CopyState.VERIFIED}
    assert not [job for job in world.catalog.jobs.list() if job.payload.get("repack")]
    repacks.resume(OLD, "anna", now())
    world.later(1)
    world.engine.step()
    repacks.cancel(OLD, "anna", now())
    world.settle(3)
    assert state(world) is VolumeState.FILLING
    assert CopyState.VERIFIED in states(world, OLD)
    come_back(world, before)


def shelve(world: World, barcode: Barcode) -> None:
    """Carry a volume out of the library."""
    world.library.clean_up()
    stored = world.simulated.changer.inventory().storage()
    slot = next(element.index for element in stored if element.barcode == barcode)
    mail = next(element.index for element in stored if element.kind is ElementKind.MAIL_SLOT)
    world.simulated.changer.transfer(slot, mail)
    world.simulated.hands.remove(barcode)
    world.library.take_inventory()
    world.catalog.volumes.move(barcode, Place.SHELF, "cellar", world.clock.now())


def test_an_exported_volume_is_emptied_from_other_copies(world: World) -> None:
    before = settled(world, 1)
    shelve(world, OLD)
    assert repack(world).state is RepackState.DONE
    come_back(world, before)


def test_an_exported_volume_is_asked_for_when_it_holds_the_only_copy(world: World) -> None:
    before = settled(world, 1)
    shelve(world, OLD)
    world.catalog.volumes.lose(OTHER, "fire", world.clock.now())
    assert repack(world).state is RepackState.RUNNING
    [job] = world.catalog.jobs.list(kinds=(JobKind.REPACK,))
    assert (job.state, job.barcode) == (JobState.WAITING_OPERATOR, OLD)
    world.simulated.hands.insert(OLD)
    world.engine.take_inventory()
    assert go_on(world).state is RepackState.DONE
    come_back(world, before)


def test_recalls_go_first(world: World) -> None:
    before = settled(world, 3)
    world.catalog.repacks.begin(OLD, "worn", "anna", world.clock.now())
    world.later(1)
    uid = next(iter(before))
    request = world.archive.request_recall(uid, requested_by="test")
    world.engine.step()
    world.engine.wait_for_a_drive(10)
    assert world.catalog.recalls.state(request).done
    assert go_on(world).state is RepackState.DONE


def test_a_small_staging_area_is_used_again_and_again(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=())
    before = settled(world, 4)
    size_bytes = max(copy.size_bytes for copy in world.catalog.copies.of_volume(OLD))
    world.engine._repacker._window_bytes = size_bytes  # one pack at a time
    world.catalog.repacks.begin(OLD, "worn", "anna", world.clock.now())
    assert go_on(world, rounds=8).state is RepackState.DONE
    come_back(world, before)


def empty_a_tape(root: Path) -> None:
    """The repack of a tape that holds the only copies; a child may die anywhere in it."""
    world = World(root, TAPES_ONLY, discs=(), clock=VirtualClock(START + timedelta(hours=1)))
    if world.catalog.repacks.last(OLD) is None:
        world.catalog.repacks.begin(OLD, "worn", "anna", world.clock.now())
    world.settle(3)
    world.close()


def prepare(root: Path) -> None:
    root.mkdir()
    world = World(root, TAPES_ONLY, discs=())
    settled(world, 1)
    world.catalog.volumes.lose(OTHER, "fire", world.clock.now())
    world.close()


def check(root: Path) -> None:
    """Start again after the crash: no copy was superseded without another, and the work comes to its end."""
    world = World(root, TAPES_ONLY, discs=(), clock=VirtualClock(START + timedelta(days=1)))
    old, new = world.catalog.copies.of_volume(OLD), world.catalog.copies.of_volume(NEW)
    if any(copy.state is CopyState.SUPERSEDED for copy in old):
        assert [copy.state for copy in new] == [CopyState.VERIFIED], "superseded before it was read back"
    if world.catalog.repacks.last(OLD) is None:
        world.catalog.repacks.begin(OLD, "worn", "anna", world.clock.now())
    assert go_on(world, rounds=6).state is RepackState.DONE, "the work does not go on"
    assert (state(world), states(world, NEW)) == (VolumeState.DRAINED, {CopyState.VERIFIED})
    assert not list((root / "staging" / "packs").iterdir())
    [uid] = {copy.study_instance_uid for copy in world.catalog.copies.of_volume(NEW)}
    world.recall(uid)
    assert len(world.online_bytes(uid)) == 3
    world.close()


@pytest.mark.timeout(600)
def test_a_crash_at_any_step_supersedes_nothing_unread_and_work_goes_on(tmp_path: Path) -> None:
    prepare(tmp_path / "made")
    shutil.copytree(tmp_path / "made", tmp_path / "whole")
    steps = count_steps(lambda: empty_a_tape(tmp_path / "whole"))
    check(tmp_path / "whole")
    tried = range(1, steps + 1, int(os.environ.get("CRASH_STRIDE", "12")))
    for step in tried:
        root = tmp_path / str(step)
        shutil.copytree(tmp_path / "made", root)
        crash_at(lambda root=root: empty_a_tape(root), step)  # type: ignore[misc]
        check(root)
