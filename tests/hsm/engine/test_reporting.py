"""Each job ends once, in the catalog, as the mover said."""

from pathlib import Path
from threading import Lock

import pytest

from drivers.errors import DeviceError, WriteProtected
from hsm.engine.reporting import JobReport
from hsm.mover.breaker import Breaker
from hsm.mover.outcome import RetrySettings
from hsm.states import JobKind, JobState
from tests.hsm.engine.support import submit
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, discs=())


def report_of(world: World, breaker: Breaker | None = None) -> JobReport:
    return JobReport(world.catalog, world.clock.now, RetrySettings(first_s=30), breaker or Breaker(), Lock())


def state(world: World, job_id: int) -> str:
    return world.catalog.jobs.get(job_id).state


def test_a_job_is_claimed_once(world: World) -> None:
    job = submit(world, JobKind.VERIFY, copy_id=None)
    first, second = report_of(world), report_of(world)
    assert first.started(job)
    assert not second.started(job)
    assert (first.is_open(job), second.is_open(job)) == (True, False)


def test_a_finished_job_is_done_with_its_message(world: World) -> None:
    job, report = submit(world, JobKind.VERIFY), report_of(world)
    report.started(job)
    report.finished(job, "read back")
    assert (state(world, job.id), world.catalog.jobs.get(job.id).message) == (JobState.DONE, "read back")
    assert not report.is_open(job)


def test_a_failure_that_may_pass_is_tried_again_later(world: World) -> None:
    job, report = submit(world, JobKind.VERIFY), report_of(world)
    report.started(job)
    report.failed(job, DeviceError("servo"))
    failed = world.catalog.jobs.get(job.id)
    assert (failed.state, failed.message) == (JobState.WAITING_RETRY, "DeviceError: servo")
    assert failed.not_before == world.clock.now() + world.seconds(30)


def test_a_failure_that_cannot_pass_ends_the_job(world: World) -> None:
    job, report = submit(world, JobKind.VERIFY), report_of(world)
    report.started(job)
    report.failed(job, WriteProtected("tab"))
    assert state(world, job.id) == JobState.FAILED


def test_a_job_that_fails_before_it_began_is_claimed_first(world: World) -> None:
    job, report = submit(world, JobKind.VERIFY), report_of(world)
    report.failed(job, DeviceError("x"))
    assert (state(world, job.id), world.catalog.jobs.get(job.id).attempts) == (JobState.WAITING_RETRY, 1)


def test_a_job_somebody_cancelled_before_it_failed_stays_cancelled(world: World) -> None:
    job, breaker = submit(world, JobKind.VERIFY), Breaker()
    world.catalog.jobs.cancel(job.id, world.clock.now())
    report_of(world, breaker).failed(job, DeviceError("x"))
    assert state(world, job.id) == JobState.CANCELLED
    assert breaker.counts(JobKind.VERIFY) == (0, 0)


def test_a_running_job_is_cancelled_when_the_mover_looks(world: World) -> None:
    job, report = submit(world, JobKind.RECALL), report_of(world)
    report.started(job)
    assert not report.cancelled(job)
    world.catalog.jobs.cancel(job.id, world.clock.now())
    assert report.cancelled(job)
    assert (state(world, job.id), report.is_open(job)) == (JobState.CANCELLED, False)


def test_a_postponed_job_is_in_the_queue_again_and_no_error(world: World) -> None:
    begun, waiting, breaker = submit(world, JobKind.MIGRATE, pool="a"), submit(world, JobKind.MIGRATE), Breaker()
    report = report_of(world, breaker)
    report.started(begun)
    for job in (begun, waiting):
        report.postponed(job, "full")
        assert (state(world, job.id), report.is_open(job)) == (JobState.QUEUED, False)
    assert breaker.counts(JobKind.MIGRATE) == (0, 0)


def test_a_new_phase_is_told_at_once_and_a_number_only_now_and_then(world: World) -> None:
    job, report = submit(world, JobKind.RECALL, size_bytes=9), report_of(world)
    report.started(job)
    for done_bytes, phase in ((1, "reading"), (2, "reading"), (3, "storing")):
        report.moved(job, done_bytes, phase)
        told = world.catalog.jobs.get(job.id)
        assert (told.done_bytes, told.phase) == ({1: 1, 2: 1, 3: 3}[done_bytes], phase)


def test_a_run_that_mostly_fails_is_noted_once(world: World) -> None:
    report = report_of(world, Breaker(error_pct=50, after_items=2))
    for number in range(4):
        report.failed(submit(world, JobKind.VERIFY, payload={"n": number}), DeviceError("x"))
    stopped = [event for event in world.catalog.events.list() if event.name == "run_stopped"]
    assert [event.subject for event in stopped] == ["verify"]
