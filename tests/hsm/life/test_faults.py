"""Devices and media fail at every stage; what was promised holds, and what failed is set aside."""

import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from drivers.base import Address, Barcode
from hsm.catalog.errors import CatalogUnavailable
from hsm.library import TapeSession
from hsm.rebuild import rebuild
from hsm.states import Availability, CopyState, DriveState, JobKind, JobState, Place, VolumeState
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World, volume_pools

MANY = tuple(f"{pool}0000{number}L8" for pool in "AB" for number in range(1, 5))
FIRST, SECOND = Barcode("A00001L8"), Barcode("A00002L8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, TAPES_ONLY, discs=())


def lives(world: World, uid: str, before: dict[str, bytes]) -> None:
    """The study has its copies, left the disk, and comes back as it was."""
    assert world.availability(uid) is Availability.NEARLINE
    assert len(world.verified_volumes(uid)) >= 2
    world.recall(uid)
    assert world.online_bytes(uid) == before


@pytest.mark.parametrize("fault", [
    "fail write on drive 0",
    "fail write on drive 0 after 2 records",
    "fail write with medium error on drive 0 after 2 records",
    "fail write with end of medium on drive 0 after 2 records",
    "fail flush on drive 0",
    "fail flush with medium error on drive 0 after 1 calls",
    "fail flush with end of medium on drive 0 after 1 calls",
    "defer write error to write on drive 0",
    "defer write error to flush on drive 0",
    "defer write error to unload on drive 0",
    "unit attention on drive 0",
    "unit attention on drive 0 after 3 calls",
    "fail read on drive 0",
    "fail read with medium error on drive 1",
    "fail seek on drive 0",
    "fail tell on drive 0",
    "fail rewind on drive 0",
    "fail unload on drive 0",
    "hang write on drive 0",
    "hang read on drive 1",
    "fail robot before load",
    "fail robot after load",
    "fail robot before unload",
    "fail robot after unload",
    "never ready on drive 0 2 times",
    "lose power on drive 0",
])  # fmt: skip
def test_a_single_fault_delays_and_loses_nothing(world: World, fault: str) -> None:
    world.simulated.faults.add(fault)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)


def test_a_drive_that_fails_for_good_is_set_aside_and_the_other_one_does_the_work(world: World) -> None:
    world.simulated.faults.add("fail write on drive 0 always")
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(30, 120)
    lives(world, uid, before)
    states = {drive.index: drive.state for drive in world.catalog.drives.list()}
    assert states[0] is DriveState.FAILED
    assert states[1] is not DriveState.FAILED


def test_a_volume_that_cannot_be_written_is_suspected_and_another_one_taken(world: World) -> None:
    world.simulated.faults.add(f"fail write with medium error on volume {FIRST} after 1 records always")
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)
    assert world.catalog.volumes.get(FIRST).state in (VolumeState.SUSPECT, VolumeState.BLANK)
    assert SECOND in world.verified_volumes(uid)


def test_rot_on_a_tape_is_found_by_verification_and_a_new_copy_is_made(world: World) -> None:
    uid = world.receive(small_ct(size_px=512))
    before = world.online_bytes(uid)
    world.later(30)
    world.engine.tick()
    world.engine.drain()
    world.simulated.hands.damage(FIRST, 600_000)
    world.settle(20, 90)
    lives(world, uid, before)
    lost = [copy for copy in world.copies(uid) if copy.state is CopyState.LOST]
    assert [copy.barcode for copy in lost] == [FIRST]
    assert FIRST not in world.verified_volumes(uid)


def test_a_recall_from_a_rotten_copy_is_done_from_the_other_one(world: World) -> None:
    uid = world.receive(small_ct(size_px=512))
    before = world.online_bytes(uid)
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    world.simulated.hands.damage(FIRST, 600_000)
    request = world.recall(uid)
    for _ in range(5):
        world.later(60)
        world.engine.drain()
    assert world.catalog.recalls.state(request).done
    assert world.online_bytes(uid) == before


def test_a_write_protected_tape_is_left_alone_and_another_one_taken(world: World) -> None:
    world.simulated.hands.protect(FIRST)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)
    assert FIRST not in world.verified_volumes(uid)


def test_a_tape_of_somebody_else_is_never_written_over(world: World) -> None:
    drive = world.simulated.tape_drives[0]
    slot = next(e.index for e in world.simulated.changer.inventory().storage() if e.barcode == FIRST)
    world.simulated.changer.load(slot, 0)
    drive.wait_ready(300)
    drive.rewind()
    drive.append(io.BytesIO(b"somebody's backup" * 1000))
    drive.flush()
    drive.unload()
    world.simulated.changer.unload(0, slot)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)
    assert world.catalog.volumes.get(FIRST).state is VolumeState.SUSPECT
    assert world.catalog.volumes.get(FIRST).uuid is None


def test_swapped_stickers_are_noticed_before_anything_is_written(world: World) -> None:
    first = world.receive(small_ct("one"))
    world.settle()
    hands = world.simulated.hands
    hands.relabel(FIRST, Barcode("X"))
    hands.relabel(SECOND, FIRST)
    hands.relabel(Barcode("X"), SECOND)
    second = world.receive(small_ct("two"))
    before = world.online_bytes(second)
    world.settle(20, 90)
    assert world.online_bytes(second) == before, "with one good pool nothing may be released"
    assert {copy.barcode for copy in world.copies(second) if copy.state is CopyState.VERIFIED} <= {Barcode("B00001L8")}
    hands.relabel(FIRST, Barcode("X"))
    hands.relabel(SECOND, FIRST)
    hands.relabel(Barcode("X"), SECOND)
    world.engine.take_inventory()
    world.recall(first)
    assert world.availability(first) is Availability.ONLINE


def test_a_file_that_rotted_on_disk_is_never_copied_and_the_others_are(world: World) -> None:
    bad, good = world.receive(small_ct("bad")), world.receive(small_ct("good"))
    instance = world.catalog.studies.instances(bad)[0]
    assert instance.file is not None
    path = world.pool.locate(instance.file)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    before = world.online_bytes(good)
    world.settle()
    assert not [copy for copy in world.copies(bad) if copy.state in (CopyState.WRITTEN, CopyState.VERIFIED)]
    assert world.availability(bad) is Availability.ONLINE
    lives(world, good, before)


def test_a_volume_on_the_shelf_makes_a_request_to_the_operator_and_bringing_it_answers(world: World) -> None:
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle()
    world.library.clean_up()
    for barcode in [copy.barcode for copy in world.copies(uid)]:
        assert barcode is not None
        slot = next(e.index for e in world.simulated.changer.inventory().storage() if e.barcode == barcode)
        mail = next(e.index for e in world.simulated.changer.inventory().storage() if e.kind == "mail_slot")
        world.simulated.changer.transfer(slot, mail)
        world.simulated.hands.remove(barcode)
        world.catalog.volumes.move(barcode, Place.SHELF, "shelf 3", world.clock.now())
    world.engine.take_inventory()
    assert world.availability(uid) is Availability.OFFLINE
    request = world.recall(uid)
    waiting = world.catalog.jobs.list(states=(JobState.WAITING_OPERATOR,))
    assert [job.kind for job in waiting] == [JobKind.RECALL]
    assert waiting[0].barcode in {FIRST, Barcode("B00001L8")}
    assert waiting[0].barcode is not None
    world.simulated.hands.insert(waiting[0].barcode)
    world.engine.take_inventory()
    world.engine.drain()
    assert world.catalog.recalls.state(request).done
    assert world.online_bytes(uid) == before


def test_a_full_tape_keeps_what_was_flushed_and_the_rest_goes_to_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, MANY, (), tape_bytes=6_000_000)
    uids = [world.receive(small_ct(f"s{n}", slices=6, size_px=512)) for n in range(3)]
    before = {uid: world.online_bytes(uid) for uid in uids}
    world.settle(20, 90)
    for uid in uids:
        lives(world, uid, before[uid])
    used = {barcode for uid in uids for barcode in world.verified_volumes(uid)}
    assert {FIRST, SECOND} <= used


def test_a_study_larger_than_a_pack_makes_several_and_comes_back_whole(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=(), pack_max_bytes=1_200_000)
    uid = world.receive(small_ct(slices=5, size_px=512))
    before = world.online_bytes(uid)
    world.settle(20)
    assert len({copy.pack_id for copy in world.copies(uid)}) > 1
    lives(world, uid, before)


def test_a_disc_that_fails_while_it_is_burnt_is_set_aside_and_another_one_taken(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.simulated.faults.add("fail burn on drive 2 after 1 records")
    uid = world.receive(small_ct(size_px=512))
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)
    assert Barcode("D00001") not in world.verified_volumes(uid)
    assert {b for b in world.verified_volumes(uid) if b is not None and b.startswith("D")}


def test_what_failed_for_good_is_wanted_again_ever_more_rarely(world: World) -> None:
    uid = world.receive(small_ct())
    world.later(30)
    world.engine.tick()
    for job in world.catalog.jobs.list(kinds=(JobKind.MIGRATE,)):
        world.catalog.jobs.start(job.id, world.clock.now())
        world.catalog.jobs.fail(job.id, "cannot be helped", world.clock.now())
    waits = []
    for _ in range(4):
        world.engine.tick()
        jobs = world.catalog.jobs.list(states=(JobState.WAITING_RETRY,), kinds=(JobKind.MIGRATE,))
        assert {job.pool for job in jobs} == {"tape_a", "tape_b"}
        due = {job.not_before for job in jobs}.pop()
        assert due is not None
        waits.append((due - world.clock.now()).total_seconds())
        assert not world.engine.step(), "it is not its time yet"
        world.clock.sleep(waits[-1])
        for job in jobs:
            assert world.catalog.jobs.start(job.id, world.clock.now())
            world.catalog.jobs.fail(job.id, "cannot be helped", world.clock.now())
    assert waits == sorted(waits)
    assert waits[-1] == 8 * waits[0]
    before = world.online_bytes(uid)
    world.settle(20, 90)
    lives(world, uid, before)


@pytest.mark.parametrize("name", ["written", "begin", "get"])
def test_a_session_that_loses_the_catalog_is_put_right_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.later(30)
    world.engine.tick()
    part = world.catalog.packs if name == "get" else world.catalog.copies
    answered = getattr(part, name)
    failures = [CatalogUnavailable("the database went away"), CatalogUnavailable("and again")]

    def away(*args: object, **kwargs: object) -> object:
        if failures:
            raise failures.pop()
        return answered(*args, **kwargs)

    monkeypatch.setattr(part, name, away)
    world.settle(20, 90)
    assert not failures
    lives(world, uid, before)


def test_a_fault_of_ours_in_a_session_costs_that_session_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.later(30)
    world.engine.tick()
    faults = [RuntimeError("a bug")]
    append = TapeSession.append

    def buggy(session: TapeSession, stream: BinaryIO) -> Address:
        if faults:
            raise faults.pop()
        return append(session, stream)

    monkeypatch.setattr(TapeSession, "append", buggy)
    world.settle(20, 90)
    assert not faults
    lives(world, uid, before)


def test_a_copy_of_the_catalog_is_written_now_and_then_and_the_chain_goes_on(tmp_path: Path) -> None:
    pools = {name: replace(pool, catalog_every_bytes=20_000) for name, pool in volume_pools().items()}
    world = World(tmp_path, TAPES_ONLY, discs=(), pools=pools)
    uids = []
    for name in ("one", "two", "three"):
        uids.append(world.receive(small_ct(name)))
        world.settle(4)
    frames = world.catalog.volumes.get(FIRST).last_sequence
    packs = len(world.catalog.copies.of_volume(FIRST))
    assert frames > packs == 3
    report = rebuild(world.catalog, world.pool, {"test": world.library}, world.clock)
    assert report.faults == []
    assert report.rules_from is not None
    for uid in uids:
        assert world.availability(uid) is Availability.NEARLINE
