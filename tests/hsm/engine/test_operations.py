"""Robot work beside sessions: begun where nothing is in its way, done again after a crash, failing in words."""

from pathlib import Path

import pytest

from drivers.base import Barcode, ElementKind
from drivers.simulator import Hands, VolumeSpec
from hsm.catalog.records import JobRequest
from hsm.engine.operations import CLEAN_AGAIN_AFTER
from hsm.media.robots import cleaning_request, scan_request
from hsm.states import DriveState, JobKind, JobState, Place
from tests.hsm.engine.support import submit
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World

FIRST, SECOND = Barcode("A00001L8"), Barcode("A00002L8")
CLEANER, SPARE = "CLN001L8", "CLN002L8"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, TAPES_ONLY, discs=())


def place(world: World, barcode: str) -> tuple[ElementKind, int]:
    found = world.simulated.changer.inventory().find(Barcode(barcode))
    assert found is not None
    return found.kind, found.index


def robot(world: World, kind: JobKind, barcode: str | None = None, **payload: object) -> int:
    name = None if barcode is None else Barcode(barcode)
    return submit(world, kind, barcode=name, payload={"library": "test", **payload}).id


def state(world: World, job: int) -> JobState:
    return JobState(world.catalog.jobs.get(job).state)


def cleaners(world: World, *barcodes: str) -> None:
    """Put cleaning cartridges into mail slots and slots."""
    hands = Hands(world.root / "test")
    for barcode in barcodes:
        hands.buy(VolumeSpec(Barcode(barcode), "CLN"))
        hands.insert(Barcode(barcode))
        robot(world, JobKind.IMPORT)
        world.engine.drain()


def use_up(world: World, barcode: str) -> None:
    """As often as the simulator lets a cartridge clean."""
    from drivers.simulator.cartridge import Cartridge
    from drivers.simulator.cleaning import CLEANINGS

    cartridge = Cartridge(world.root / "test" / "volumes" / barcode)
    cartridge.count(cleanings=CLEANINGS)
    cartridge.close()


# -- moving ------------------------------------------------------------------------------------------------------


def test_a_volume_in_an_idle_drive_is_taken_out_for_a_move(world: World) -> None:
    with world.library.mount(FIRST, 0, "read"):
        pass
    job = robot(world, JobKind.MOVE, FIRST, slot=5)
    world.engine.drain()
    assert state(world, job) is JobState.DONE
    assert place(world, FIRST) == (ElementKind.SLOT, 5)
    assert world.catalog.drives.get("test", 0).state is DriveState.EMPTY


def test_a_volume_is_unloaded_to_where_it_came_from_and_one_in_a_slot_stays(world: World) -> None:
    came_from = place(world, FIRST)
    with world.library.mount(FIRST, 0, "read"):
        pass
    jobs = [robot(world, JobKind.MOVE, FIRST, slot=None), robot(world, JobKind.MOVE, SECOND, slot=None)]
    before = place(world, SECOND)
    world.engine.drain()
    assert [state(world, job) for job in jobs] == [JobState.DONE, JobState.DONE]
    assert (place(world, FIRST), place(world, SECOND)) == (came_from, before)


def test_a_move_that_a_crash_interrupted_is_done_again_and_finds_its_work_done(world: World) -> None:
    world.simulated.faults.add("fail robot after move")  # done all the same, as at a crash
    job = robot(world, JobKind.MOVE, FIRST, slot=5)
    world.engine.drain()
    assert state(world, job) is JobState.WAITING_RETRY
    world.later(60)
    world.engine.drain()
    assert state(world, job) is JobState.DONE
    assert place(world, FIRST) == (ElementKind.SLOT, 5)


def test_a_restart_in_the_middle_of_an_export_ends_it(world: World) -> None:
    job = robot(world, JobKind.EXPORT, FIRST, place="vault", location="bank", force=False)
    assert world.catalog.jobs.start(job, world.clock.now())  # and the robot had just done it
    world.library.move(place(world, FIRST)[1], 7)
    again = world.restart()
    again.engine.drain()
    assert state(again, job) is JobState.DONE
    volume = again.catalog.volumes.get(FIRST)
    assert (volume.place, volume.location, volume.leaving) == (Place.VAULT, "bank", True)
    again.close()


def test_a_volume_that_somebody_took_is_not_waited_for(world: World) -> None:
    world.library.move(place(world, FIRST)[1], 7)
    Hands(world.root / "test").remove(FIRST)
    job = robot(world, JobKind.MOVE, FIRST, slot=5)
    world.engine.drain()
    assert state(world, job) is JobState.FAILED
    assert "not in library test" in world.catalog.jobs.get(job).message


def test_a_library_this_engine_does_not_have_is_left_to_another(world: World) -> None:
    job = submit(world, JobKind.MOVE, barcode=FIRST, payload={"library": "elsewhere", "slot": 5}).id
    world.engine.drain()
    assert state(world, job) is JobState.QUEUED


def test_a_job_without_a_volume_and_an_export_of_the_only_copy_are_refused(world: World) -> None:
    uid = world.receive(small_ct())
    world.settle(4)
    world.engine.drain()
    held = sorted(v for v in world.verified_volumes(uid) if v is not None)
    world.catalog.volumes.lose(held[1], "fell", world.clock.now())
    nameless = robot(world, JobKind.EXPORT, None, place="shelf", location="x")
    only = robot(world, JobKind.EXPORT, held[0], place="shelf", location="x")
    world.engine.drain()
    assert "names no volume" in world.catalog.jobs.get(nameless).message
    assert "only verified copy of 1 studies" in world.catalog.jobs.get(only).message
    assert world.catalog.volumes.get(held[0]).place is Place.LIBRARY
    loss = world.catalog.volumes.loss(held[0])
    assert (loss.only_here, loss.offline) == ((uid,), (uid,))
    world.recall(uid)
    assert world.catalog.volumes.loss(held[0]).only_here == ()  # it is on disk, too


def test_what_breaks_in_a_robots_thread_is_put_into_the_queue_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = robot(world, JobKind.MOVE, FIRST, slot=5)
    with monkeypatch.context() as patched:
        patched.setattr(world.library, "turn", None)  # a fault of ours
        world.engine.step()
        world.engine.wait_for_a_drive(30)
    world.engine.drain()
    assert state(world, job) is JobState.DONE


# -- scans -------------------------------------------------------------------------------------------------------


def test_a_scan_beside_a_recall_of_a_wrong_volume_still_says_what_it_is(world: World) -> None:
    uid = world.receive(small_ct())
    world.settle(4)
    held = sorted(v for v in world.verified_volumes(uid) if v is not None)
    world.library.clean_up()
    hands = world.simulated.hands
    for old, new in ((held[0], Barcode("T")), (SECOND, held[0]), (Barcode("T"), SECOND)):
        hands.relabel(old, new)
    world.library.take_inventory()
    job, _ = world.catalog.jobs.submit(scan_request(held[0], "test", "test"), world.clock.now())
    other, _ = world.catalog.jobs.submit(scan_request(SECOND, "test", "test"), world.clock.now())
    world.engine.drain()
    found = world.catalog.jobs.get(job).payload["found"]
    assert (found["kind"], found["agrees"]) == ("blank", False)
    swapped = world.catalog.jobs.get(other).payload["found"]
    assert (swapped["label"], swapped["agrees"]) == (held[0], False)
    assert len(world.catalog.events.list(name="volume_scanned", level="warning")) == 2


# -- cleaning ----------------------------------------------------------------------------------------------------


def test_a_drive_that_asks_for_cleaning_is_cleaned_when_it_is_idle(world: World) -> None:
    cleaners(world, CLEANER)
    world.simulated.faults.add("require cleaning on drive 0 once")
    world.receive(small_ct())
    world.settle(4)
    drive = world.catalog.drives.get("test", 0)
    assert not drive.wants_cleaning
    assert drive.cleaned_at is not None
    (cartridge,) = world.catalog.cleaning.list("test")
    assert (cartridge.barcode, cartridge.uses, cartridge.used_up) == (CLEANER, 1, False)
    assert place(world, CLEANER)[0] is ElementKind.SLOT
    assert [e.fields["cartridge"] for e in world.catalog.events.list(name="drive_cleaned")] == [CLEANER]
    assert world.catalog.events.list(name="drive_alert_raised")[-1].fields["alert"] == "clean_now"


def test_a_used_up_cartridge_is_set_aside_and_another_taken(world: World) -> None:
    cleaners(world, CLEANER, SPARE)
    use_up(world, CLEANER)
    job, _ = world.catalog.jobs.submit(
        cleaning_request(world.catalog.drives.get("test", 1), "test", "test"), world.clock.now()
    )
    world.engine.drain()
    assert state(world, job) is JobState.DONE
    assert {c.barcode: c.used_up for c in world.catalog.cleaning.list()} == {CLEANER: True, SPARE: False}
    assert world.catalog.events.list(name="cleaning_cartridge_used_up")[0].subject == CLEANER


def test_without_a_cartridge_a_person_is_asked_and_bringing_one_answers(world: World) -> None:
    world.simulated.faults.add("require cleaning on drive 0 once")
    world.engine.recover()
    world.engine.drain()
    (job,) = world.catalog.jobs.list(states=(JobState.WAITING_OPERATOR,))
    assert job.kind is JobKind.CLEAN
    assert "no usable cleaning cartridge" in job.message
    assert world.catalog.events.list(name="operator_wanted")
    cleaners(world, CLEANER)
    world.engine.drain()
    assert state(world, job.id) is JobState.DONE
    assert not world.catalog.drives.get("test", 0).wants_cleaning


def test_a_drive_that_is_dirty_again_at_once_is_told_and_not_cleaned_for_ever(world: World) -> None:
    cleaners(world, CLEANER)
    world.simulated.faults.add("require cleaning on drive 0 always")
    world.engine.recover()
    world.engine.drain()
    assert [c.uses for c in world.catalog.cleaning.list()] == [1]
    assert world.catalog.events.list(name="drive_not_clean")
    world.later(CLEAN_AGAIN_AFTER.total_seconds() + 1)
    world.engine.drain()
    assert [c.uses for c in world.catalog.cleaning.list()] == [2]


def test_a_cartridge_that_is_taken_out_is_no_longer_counted_on(world: World) -> None:
    cleaners(world, CLEANER)
    assert world.catalog.cleaning.usable("test") == [CLEANER]
    world.library.move(place(world, CLEANER)[1], 7)
    Hands(world.root / "test").remove(Barcode(CLEANER))
    world.library.take_inventory()
    assert world.catalog.cleaning.usable("test") == []
    assert [c.present for c in world.catalog.cleaning.list()] == [False]


# -- errors over restarts ----------------------------------------------------------------------------------------


def test_what_a_drive_failed_at_outlives_a_restart(world: World) -> None:
    drives = world.catalog.drives
    drives.count_error("test", 0, "write")
    drives.count_error("test", 0, "write")
    again = world.restart()
    with again.library.mount(FIRST, 0, "read"):
        pass
    again.catalog.drives.count_success("test", 0, "read")
    assert again.catalog.drives.get("test", 0).errors == 2
    again.catalog.drives.count_success("test", 0, "write")
    assert again.catalog.drives.get("test", 0).errors == 0
    again.close()


def test_requests_of_the_same_work_are_one(world: World) -> None:
    request = JobRequest(JobKind.CLEAN, "clean:test:0", payload={"library": "test", "drive": 0})
    first, _ = world.catalog.jobs.submit(request, world.clock.now())
    drive = world.catalog.drives.get("test", 0)
    assert world.catalog.jobs.submit(cleaning_request(drive, "x", "y"), world.clock.now()) == (first, False)
