"""Assignments and the rounds of the engine, where something is missing or refuses."""

from pathlib import Path

import pytest

from drivers.base import Barcode
from hsm.states import JobKind, JobState, VolumeState
from tests.hsm.engine.support import submit
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World

FIRST, SECOND = Barcode("A00001L8"), Barcode("A00002L8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, TAPES_ONLY, discs=())


def test_a_blank_tape_is_labelled_on_request_and_only_once(world: World) -> None:
    job = submit(world, JobKind.LABEL, barcode=FIRST, payload={"pool": "tape_a"})
    world.engine.drain()
    assert world.catalog.jobs.get(job.id).state == JobState.DONE
    volume = world.catalog.volumes.get(FIRST)
    assert (volume.state, volume.pool) == (VolumeState.LABELLED, "tape_a")
    again = submit(world, JobKind.LABEL, barcode=FIRST, payload={"pool": "tape_b"})
    world.engine.drain()
    assert world.catalog.jobs.get(again.id).state != JobState.DONE
    assert world.catalog.volumes.get(FIRST).uuid == volume.uuid


def test_a_tape_is_not_labelled_for_a_pool_nobody_knows(world: World) -> None:
    job = submit(world, JobKind.LABEL, barcode=FIRST, payload={"pool": "elsewhere"})
    world.engine.drain()
    assert world.catalog.jobs.get(job.id).state == JobState.FAILED
    assert world.catalog.volumes.get(FIRST).state is VolumeState.BLANK


def test_a_volume_that_vanished_since_the_inventory_is_asked_for_and_bringing_it_answers(world: World) -> None:
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(4)
    world.library.clean_up()
    held = [copy.barcode for copy in world.copies(uid)]
    for barcode in held:
        slot = next(e.index for e in world.simulated.changer.inventory().storage() if e.barcode == barcode)
        mail = next(e.index for e in world.simulated.changer.inventory().storage() if e.kind == "mail_slot")
        world.simulated.changer.transfer(slot, mail)
        world.simulated.hands.remove(Barcode(str(barcode)))
    world.recall(uid)
    (job,) = world.catalog.jobs.list(states=(JobState.WAITING_OPERATOR,))
    assert (job.kind, job.barcode in held) == (JobKind.RECALL, True)
    world.simulated.hands.insert(Barcode(str(job.barcode)))
    world.engine.take_inventory()
    world.engine.drain()
    assert world.online_bytes(uid) == before


def test_a_drive_that_cannot_be_emptied_at_the_start_is_down_and_the_engine_starts_all_the_same(world: World) -> None:
    with world.library.mount(FIRST, 0, "read"):
        pass
    world.simulated.faults.add("fail robot before unload always")
    world.engine.recover()
    assert world.catalog.drives.get("test", 0).state == "down"


def test_a_limit_ends_a_drain(world: World) -> None:
    world.receive(small_ct())
    world.later(30)
    world.engine.tick()
    assert not world.engine.drain(limit_s=0)
    assert world.engine.drain()


def test_a_release_the_world_no_longer_allows_is_no_error(world: World) -> None:
    uid = world.receive(small_ct())
    world.catalog.holds.place(uid, "a court wants it", "registrar", world.clock.now())
    before = world.online_bytes(uid)
    job = submit(world, JobKind.RELEASE, study_instance_uid=uid, payload={"copies_needed": 1, "kinds_needed": 1})
    world.engine.drain()
    ended = world.catalog.jobs.get(job.id)
    assert ended.state == JobState.DONE
    assert ended.message.startswith("not released: ")
    assert world.online_bytes(uid) == before


def test_tidying_without_the_pools_disk_only_says_so(world: World) -> None:
    old = submit(world, JobKind.VERIFY)
    world.catalog.jobs.cancel(old.id, world.clock.now())
    world.later(91 * 86400)
    (world.root / "online").rename(world.root / "unmounted")
    world.engine.tidy()
    assert not world.catalog.jobs.list(states=(JobState.CANCELLED,))
