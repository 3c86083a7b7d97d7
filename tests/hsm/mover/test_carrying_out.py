"""Jobs that cannot be carried out: each is reported once, and what was not done is not in the catalog."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest

from drivers.base import Barcode
from drivers.errors import DeviceError, MediumError
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.library import DiscSession, TapeSession
from hsm.mover.breaker import Breaker
from hsm.mover.context import MoverContext
from hsm.mover.migrate_disc import DiscWriter, volume_id
from hsm.mover.migrate_tape import TapeWriter
from hsm.mover.outcome import RetrySettings
from hsm.mover.recall import Recaller
from hsm.mover.release import finish_releases, release
from hsm.mover.verify import Verifier
from hsm.states import ACTIVE_JOBS, Availability, CopyState, JobKind, JobState, VolumeState
from tests.hsm.engine.support import job_record, submit
from tests.support.studies import small_ct
from tests.support.world import World

TAPE, OTHER, FRESH, DISC, BLANK_DISC = (
    Barcode(barcode) for barcode in ("A00001L8", "B00001L8", "A00002L8", "D00001", "D00002")
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One study on two tapes and a disc, released; another that only lies on disk, sealed, its jobs in the queue."""
    world = World(tmp_path_factory.mktemp("template"))
    world.receive(small_ct("settled"))
    world.settle(4)
    world.close()
    return world.root


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    """The settled archive, for this test alone."""
    shutil.copytree(template, tmp_path / "w")
    world = World(tmp_path / "w")
    world.later(7 * 86400)
    world.engine.renew_lease()
    return world


def context_of(world: World) -> MoverContext:
    return MoverContext(world.catalog, world.pool, world.volume_pools, world.settings.staging, world.clock)


def report_of(world: World) -> JobReport:
    return JobReport(world.catalog, world.clock.now, RetrySettings(), Breaker(), Lock())


def released_pack(world: World) -> int:
    return world.catalog.copies.of_volume(TAPE)[0].pack_id


def new_pack(world: World, name: str = "new") -> int:
    """A sealed pack that is online and on no volume."""
    uid = world.receive(small_ct(name))
    world.later(30)
    world.engine.tick()
    for job in world.catalog.jobs.list(states=tuple(ACTIVE_JOBS)):
        world.catalog.jobs.cancel(job.id, world.clock.now())
    return next(job.pack_id for job in world.catalog.jobs.list() if job.study_instance_uid == uid and job.pack_id)


def state(world: World, job: JobRecord) -> tuple[str, str]:
    found = world.catalog.jobs.get(job.id)
    return found.state, found.message.partition(":")[0]


@contextmanager
def tape(world: World, barcode: Barcode, purpose: str = "write") -> Iterator[TapeSession]:
    with world.library.mount(barcode, 0, purpose) as session:  # type: ignore[arg-type]
        assert isinstance(session, TapeSession)
        yield session


def write_tape(world: World, *jobs: JobRecord, barcode: Barcode = FRESH, reserve_bytes: int | None = None) -> None:
    pool = world.volume_pools["tape_a"]
    pool = pool if reserve_bytes is None else replace(pool, reserve_bytes=reserve_bytes)
    with tape(world, barcode) as session:
        TapeWriter(session, pool, context_of(world), report_of(world)).write(list(jobs))


def write_disc(world: World, *jobs: JobRecord, barcode: Barcode = BLANK_DISC, par2_pct: int = 0) -> None:
    context = replace(context_of(world), par2_redundancy_pct=par2_pct)
    with world.library.mount(barcode, 2, "write") as session:
        assert isinstance(session, DiscSession)
        DiscWriter(session, world.volume_pools["disc"], context, report_of(world)).write(list(jobs))


Write = Callable[..., None]
both = pytest.mark.parametrize(("write", "pool"), [(write_tape, "tape_a"), (write_disc, "disc")])


def copies(world: World, pack_id: int) -> dict[str, CopyState]:
    found = world.catalog.copies.of_pack(pack_id)
    return {copy.pool: copy.state for copy in found if copy.state is not CopyState.PLANNED}


# -- migrations --------------------------------------------------------------------------------------------------


@both
def test_a_bad_job_does_not_keep_a_good_one_from_being_written(world: World, write: Write, pool: str) -> None:
    pack_id = new_pack(world)
    bad, good = submit(world, JobKind.MIGRATE, pool=pool), submit(world, JobKind.MIGRATE, pool=pool, pack_id=pack_id)
    write(world, bad, good)
    assert state(world, bad) == (JobState.FAILED, "PackInconsistent")
    assert state(world, good)[0] == JobState.DONE
    assert copies(world, good.pack_id or 0) == {pool: CopyState.WRITTEN}


@both
def test_a_pack_whose_files_left_the_disk_cannot_be_written(world: World, write: Write, pool: str) -> None:
    job = submit(world, JobKind.MIGRATE, pool=pool, pack_id=released_pack(world))
    write(world, job)
    assert state(world, job) == (JobState.FAILED, "SourceNotOnline")


@both
def test_a_pack_the_catalog_describes_wrongly_is_not_written(world: World, write: Write, pool: str) -> None:
    pack_id = new_pack(world)
    with sqlite3.connect(world.root / "catalog.db") as database:
        database.execute("update packs set digest = ? where id = ?", ("0" * 64, pack_id))
    job = submit(world, JobKind.MIGRATE, pool=pool, pack_id=pack_id)
    write(world, job)
    assert state(world, job) == (JobState.FAILED, "PackInconsistent")
    assert copies(world, pack_id) == {}


@both
def test_a_job_that_was_cancelled_meanwhile_is_left_alone(world: World, write: Write, pool: str) -> None:
    job = submit(world, JobKind.MIGRATE, pool=pool, pack_id=new_pack(world))
    world.catalog.jobs.cancel(job.id, world.clock.now())
    write(world, job)
    assert state(world, job)[0] == JobState.CANCELLED
    assert copies(world, job.pack_id or 0) == {}


def rot(world: World, pack_id: int) -> None:
    """Change one byte of a file of the online pool."""
    path = world.pool.locate(next(iter(world.catalog.packs.files(pack_id).values())))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_a_rotten_source_costs_only_its_own_job_on_a_tape(world: World) -> None:
    packs = [new_pack(world, name) for name in ("first", "rotten", "last")]
    rot(world, packs[1])
    jobs = [submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=pack_id) for pack_id in packs]
    write_tape(world, *jobs)
    assert [copies(world, pack_id) for pack_id in packs] == [
        {"tape_a": CopyState.WRITTEN},
        {},
        {"tape_a": CopyState.WRITTEN},
    ]
    sequences = [copy.sequence for copy in world.catalog.copies.of_volume(FRESH)]
    assert sorted(s for s in sequences if s is not None) == [1, 2]


def test_a_rotten_source_keeps_a_disc_from_being_burnt(world: World) -> None:
    pack_id = new_pack(world)
    rot(world, pack_id)
    job = submit(world, JobKind.MIGRATE, pool="disc", pack_id=pack_id)
    write_disc(world, job)
    assert state(world, job)[0] == JobState.WAITING_RETRY
    assert copies(world, pack_id) == {}
    assert world.catalog.volumes.get(BLANK_DISC).state is VolumeState.BLANK


def test_a_pack_larger_than_an_empty_tape_is_given_up(world: World) -> None:
    job = submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=new_pack(world))
    write_tape(world, job, reserve_bytes=39_999_000)
    assert state(world, job) == (JobState.FAILED, "PackTooLarge")


def test_a_pack_that_does_not_fit_behind_the_others_waits_for_the_next_tape(world: World) -> None:
    packs = [new_pack(world, name) for name in "12"]
    first, second = (submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=pack_id) for pack_id in packs)
    write_tape(world, first, second, reserve_bytes=39_970_000)
    assert (state(world, first)[0], state(world, second)[0]) == (JobState.DONE, JobState.QUEUED)
    assert world.catalog.volumes.get(FRESH).state is VolumeState.FULL


def test_a_tape_that_already_holds_the_pack_takes_no_second_copy(world: World) -> None:
    world.recall(world.catalog.packs.get(released_pack(world)).study_instance_uid)
    job = submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=released_pack(world))
    write_tape(world, job, barcode=TAPE)
    assert state(world, job) == (JobState.FAILED, "CopyRefused")
    assert len(world.catalog.copies.of_volume(TAPE)) == 1


def test_a_drive_that_fails_unwrites_everything_since_the_last_flush(world: World) -> None:
    packs = [new_pack(world, name) for name in "123"]
    jobs = [submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=pack_id) for pack_id in packs]
    world.simulated.faults.add(f"fail write on volume {FRESH} after 3 records")
    with pytest.raises(DeviceError):
        write_tape(world, *jobs)
    assert JobState.DONE not in {state(world, job)[0] for job in jobs}
    assert [copies(world, job.pack_id or 0) for job in jobs] == [{}, {}, {}]


def test_a_tape_that_turns_out_full_is_closed_and_its_jobs_go_to_the_next(world: World) -> None:
    job = submit(world, JobKind.MIGRATE, pool="tape_a", pack_id=new_pack(world))
    world.simulated.faults.add(f"fail flush with end of medium on volume {FRESH} after 1 calls")
    write_tape(world, job)
    assert (state(world, job)[0], copies(world, job.pack_id or 0)) == (JobState.QUEUED, {})
    assert world.catalog.volumes.get(FRESH).state is VolumeState.FULL


def test_a_burn_that_fails_leaves_no_copy(world: World) -> None:
    job = submit(world, JobKind.MIGRATE, pool="disc", pack_id=new_pack(world))
    world.simulated.faults.add("fail burn on drive 2")
    with pytest.raises(DeviceError):
        write_disc(world, job)
    assert (state(world, job), copies(world, job.pack_id or 0)) == ((JobState.WAITING_RETRY, "DeviceError"), {})
    assert list(world.settings.staging.iterdir()) == []


def test_a_pack_larger_than_a_disc_is_given_up_and_the_disc_stays_blank(tmp_path: Path) -> None:
    world = World(tmp_path, disc_bytes=200_000)
    job = submit(world, JobKind.MIGRATE, pool="disc", pack_id=new_pack(world))
    write_disc(world, job, barcode=DISC)
    assert state(world, job) == (JobState.FAILED, "PackTooLarge")
    assert world.catalog.volumes.get(DISC).state is VolumeState.BLANK


def test_a_disc_with_recovery_data_is_read_back_like_any_other(world: World) -> None:
    job = submit(world, JobKind.MIGRATE, pool="disc", pack_id=new_pack(world))
    write_disc(world, job, par2_pct=10)
    assert copies(world, job.pack_id or 0) == {"disc": CopyState.WRITTEN}


def test_the_name_of_a_disc_has_only_letters_iso_9660_allows() -> None:
    assert volume_id("d-00 01") == "D_00_01"
    assert len(volume_id("D" * 40)) == 16


# -- recalls -----------------------------------------------------------------------------------------------------


def recall(world: World, job: JobRecord, barcode: Barcode = TAPE) -> None:
    with world.library.mount(barcode, 2 if barcode == DISC else 0, "read") as session:
        Recaller(session, context_of(world), report_of(world)).recall(job)


@pytest.mark.parametrize("barcode", [TAPE, DISC])
def test_a_recall_brings_only_what_is_wanted(world: World, barcode: Barcode) -> None:
    pack = world.catalog.packs.get(released_pack(world))
    wanted = pack.members[-1].sop_instance_uid
    job = submit(world, JobKind.RECALL, pack_id=pack.id, payload={"sops": [wanted]})
    recall(world, job, barcode)
    assert state(world, job)[0] == JobState.DONE
    assert set(world.online_bytes(pack.study_instance_uid)) == {wanted}


def test_a_recall_of_nothing_is_given_up(world: World) -> None:
    job = submit(world, JobKind.RECALL)
    recall(world, job)
    assert state(world, job) == (JobState.FAILED, "NoCopyHere")


def test_a_volume_without_the_pack_is_not_searched_for_it(world: World) -> None:
    job = submit(world, JobKind.RECALL, pack_id=new_pack(world))
    recall(world, job)
    assert state(world, job) == (JobState.FAILED, "NoCopyHere")


def test_a_cancelled_recall_keeps_what_was_read(world: World) -> None:
    pack = world.catalog.packs.get(released_pack(world))
    job = submit(world, JobKind.RECALL, pack_id=pack.id)

    class Impatient(JobReport):
        """Somebody cancels as soon as the first instance is there."""

        def moved(self, job: JobRecord, done_bytes: int, phase: str) -> None:
            super().moved(job, done_bytes, phase)
            if world.catalog.jobs.get(job.id).state == JobState.RUNNING:
                world.catalog.jobs.cancel(job.id, world.clock.now())

    report = Impatient(world.catalog, world.clock.now, RetrySettings(), Breaker(), Lock())
    with tape(world, TAPE, "read") as session:
        Recaller(session, context_of(world), report).recall(job)
    assert state(world, job)[0] == JobState.CANCELLED
    assert len(world.online_bytes(pack.study_instance_uid)) == 1


def test_a_recall_that_was_cancelled_before_it_began_reads_nothing(world: World) -> None:
    job = submit(world, JobKind.RECALL, pack_id=released_pack(world))
    world.catalog.jobs.cancel(job.id, world.clock.now())
    recall(world, job)
    assert state(world, job)[0] == JobState.CANCELLED


def test_a_block_that_cannot_be_read_makes_the_copy_suspect(world: World) -> None:
    copy = world.catalog.copies.of_volume(TAPE)[0]
    job = submit(world, JobKind.RECALL, pack_id=copy.pack_id)
    world.simulated.faults.add(f"unreadable block {copy.address} on volume {TAPE}")
    with pytest.raises(MediumError):
        recall(world, job)
    assert state(world, job)[0] == JobState.WAITING_RETRY
    assert world.catalog.copies.get(copy.id).state is CopyState.SUSPECT


def test_wrong_bytes_make_the_copy_suspect_and_never_come_online(world: World) -> None:
    copy = world.catalog.copies.of_volume(TAPE)[0]
    member = world.catalog.packs.get(copy.pack_id).members[0]
    world.library.clean_up()
    data = (world.root / "test" / "volumes" / TAPE / "data").read_bytes()
    original = (world.root / "test" / "volumes" / OTHER / "data").read_bytes()
    assert data != original  # two labels, one pack
    world.simulated.hands.damage(TAPE, data.index(b"DICM") + member.size_bytes - 200)
    job = submit(world, JobKind.RECALL, pack_id=copy.pack_id)
    recall(world, job)
    assert state(world, job)[0] == JobState.WAITING_RETRY
    assert world.catalog.copies.get(copy.id).state is CopyState.SUSPECT
    assert member.sop_instance_uid not in world.online_bytes(copy.study_instance_uid)


def test_an_error_of_the_drive_says_nothing_against_the_copy(world: World) -> None:
    copy = world.catalog.copies.of_volume(TAPE)[0]
    job = submit(world, JobKind.RECALL, pack_id=copy.pack_id)
    world.simulated.faults.add(f"fail read on volume {TAPE} after 1 calls")
    with pytest.raises(DeviceError):
        recall(world, job)
    assert world.catalog.copies.get(copy.id).state is CopyState.VERIFIED


def test_a_pool_without_its_disk_takes_no_recall_and_blames_no_copy(world: World) -> None:
    copy = world.catalog.copies.of_volume(TAPE)[0]
    job = submit(world, JobKind.RECALL, pack_id=copy.pack_id)
    (world.root / "online").rename(world.root / "unmounted")
    recall(world, job)
    assert state(world, job)[0] == JobState.WAITING_RETRY
    assert world.catalog.copies.get(copy.id).state is CopyState.VERIFIED


# -- verification ------------------------------------------------------------------------------------------------


def verify(world: World, copy_id: int, drive: int, barcode: Barcode = TAPE) -> JobRecord:
    job = submit(world, JobKind.VERIFY, copy_id=copy_id, payload={"n": os.urandom(4).hex()})
    with world.library.mount(barcode, drive, "read") as session:
        Verifier(session, context_of(world), report_of(world)).verify(job)
    return job


def damage_pack(world: World) -> int:
    """Rot in the tape copy; its number."""
    world.library.clean_up()
    data = (world.root / "test" / "volumes" / TAPE / "data").read_bytes()
    world.simulated.hands.damage(TAPE, data.index(b"DICM") + 300)
    return world.catalog.copies.of_volume(TAPE)[0].id


def test_two_drives_that_find_wrong_bytes_lose_the_copy_and_doubt_the_volume(world: World) -> None:
    copy_id = damage_pack(world)
    assert state(world, verify(world, copy_id, 0))[0] == JobState.DONE
    assert world.catalog.copies.get(copy_id).state is CopyState.SUSPECT
    assert world.catalog.volumes.get(TAPE).state is VolumeState.FILLING
    verify(world, copy_id, 1)
    assert world.catalog.copies.get(copy_id).state is CopyState.LOST
    assert world.catalog.volumes.get(TAPE).state is VolumeState.SUSPECT


def test_one_drive_alone_has_to_fail_three_times(world: World) -> None:
    copy_id, states = damage_pack(world), []
    for _ in range(3):
        verify(world, copy_id, 0)
        states.append(world.catalog.copies.get(copy_id).state)
    assert states == [CopyState.SUSPECT, CopyState.SUSPECT, CopyState.LOST]


def test_a_drive_that_fails_says_nothing_against_the_copy(world: World) -> None:
    copy_id = world.catalog.copies.of_volume(TAPE)[0].id
    world.simulated.faults.add(f"fail read on volume {TAPE} after 1 calls")
    with pytest.raises(DeviceError):
        verify(world, copy_id, 0)
    assert world.catalog.copies.get(copy_id).state is CopyState.VERIFIED


def test_a_disc_is_verified_through_the_drive_and_a_cancelled_job_reads_nothing(world: World) -> None:
    copy_id = world.catalog.copies.of_volume(DISC)[0].id
    assert state(world, verify(world, copy_id, 2, DISC))[0] == JobState.DONE
    job = submit(world, JobKind.VERIFY, copy_id=copy_id)
    world.catalog.jobs.cancel(job.id, world.clock.now())
    with world.library.mount(DISC, 2, "read") as session:
        Verifier(session, context_of(world), report_of(world)).verify(job)
    assert state(world, job)[0] == JobState.CANCELLED


# -- releases ----------------------------------------------------------------------------------------------------


def test_a_release_of_no_study_is_a_fault_of_ours(world: World) -> None:
    with pytest.raises(ValueError, match="names no study"):
        release(context_of(world), job_record(JobKind.RELEASE))


def test_a_release_that_was_interrupted_after_its_proof_is_finished(world: World) -> None:
    uid = world.catalog.packs.get(released_pack(world)).study_instance_uid
    world.recall(uid)
    world.later(30 * 86400)
    world.catalog.release.prove(uid, 2, world.clock.now(), 5, kinds_needed=2)
    assert finish_releases(context_of(world)) == 1
    assert world.availability(uid) is Availability.NEARLINE
    assert finish_releases(context_of(world)) == 0
