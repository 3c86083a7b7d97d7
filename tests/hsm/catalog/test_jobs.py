"""Jobs: each piece of work is wanted once, claimed once and ends once."""

from datetime import timedelta

import pytest

from drivers.base import Barcode
from hsm.catalog import Catalog, JobRefused, JobRequest, NotCatalogued
from hsm.states import IllegalTransition, JobKind, JobState
from tests.hsm.catalog.world import LATER, START, TAPES, World, study_uid


def want(catalog: Catalog, key: str = "k", kind: JobKind = JobKind.MIGRATE, **changes: object) -> int:
    """The id of a job with that key."""
    return catalog.jobs.submit(JobRequest(kind, key, **changes), START)[0]  # type: ignore[arg-type]


def test_equal_work_is_joined_while_it_is_active(world: World) -> None:
    jobs = world.catalog.jobs
    world.receive()
    request = JobRequest(
        JobKind.MIGRATE,
        "migrate:1:lto",
        study_uid(1),
        pool="lto",
        payload={"a": [1]},
        reason="older than a day",
        size_bytes=77,
        requested_by="policy",
    )
    job, created = jobs.submit(request, START)
    assert created
    assert jobs.submit(request, LATER) == (job, False)
    made = jobs.get(job)
    assert (made.kind, made.state, made.study_instance_uid, made.pool) == (
        JobKind.MIGRATE,
        JobState.QUEUED,
        study_uid(1),
        "lto",
    )
    assert (made.payload, made.reason, made.size_bytes, made.created_at) == ({"a": [1]}, "older than a day", 77, START)
    jobs.start(job, START)
    jobs.finish(job, START)
    assert jobs.submit(request, LATER) == (job + 1, True)


def test_the_queue_is_most_urgent_first_then_oldest(catalog: Catalog) -> None:
    made = {kind: want(catalog, kind, kind) for kind in reversed(JobKind)}
    second = want(catalog, "another recall", JobKind.RECALL)
    queue = [job.id for job in catalog.jobs.queue(START)]
    assert queue == [made[JobKind.RECALL], second, *(made[kind] for kind in list(JobKind)[1:])]
    assert [job.id for job in catalog.jobs.queue(START, limit=1)] == queue[:1]
    assert catalog.jobs.pending(START) == len(JobKind) + 1


def test_a_job_is_claimed_once(catalog: Catalog) -> None:
    job = want(catalog)
    assert catalog.jobs.start(job, LATER, TAPES[0])
    assert not catalog.jobs.start(job, LATER)
    running = catalog.jobs.get(job)
    assert (running.state, running.attempts, running.started_at, running.barcode) == (
        JobState.RUNNING,
        1,
        LATER,
        TAPES[0],
    )
    assert catalog.jobs.queue(LATER) == []


def test_progress_is_kept_while_a_job_runs(catalog: Catalog) -> None:
    job = want(catalog, size_bytes=100)
    catalog.jobs.progress(job, 1, "not running yet")
    assert catalog.jobs.get(job).phase == ""
    catalog.jobs.start(job, START)
    catalog.jobs.progress(job, 50, "writing", LATER, TAPES[1])
    catalog.jobs.progress(job, 60, "flushing")
    seen = catalog.jobs.get(job)
    assert (seen.done_bytes, seen.phase, seen.eta_at, seen.barcode) == (60, "flushing", LATER, TAPES[1])
    catalog.jobs.finish(job, LATER, "fine")
    done = catalog.jobs.get(job)
    assert (done.state, done.done_bytes, done.ended_at, done.eta_at, done.message) == (
        JobState.DONE,
        100,
        LATER,
        None,
        "fine",
    )


def test_a_failed_try_waits_until_its_time(catalog: Catalog) -> None:
    job = want(catalog)
    catalog.jobs.start(job, START)
    catalog.jobs.fail(job, "no drive", START, retry_at=LATER)
    assert catalog.jobs.queue(LATER - timedelta(seconds=1)) == []
    assert not catalog.jobs.start(job, LATER - timedelta(seconds=1))
    assert [waiting.id for waiting in catalog.jobs.queue(LATER)] == [job]
    assert catalog.jobs.start(job, LATER)
    again = catalog.jobs.get(job)
    assert (again.attempts, again.message, again.not_before) == (2, "no drive", None)
    catalog.jobs.fail(job, "given up", LATER)
    failed = catalog.jobs.get(job)
    assert (failed.state, failed.message, failed.ended_at) == (JobState.FAILED, "given up", LATER)


def test_a_job_may_begin_by_waiting(catalog: Catalog) -> None:
    want(catalog, not_before=LATER)
    assert catalog.jobs.pending(START) == 0
    assert catalog.jobs.pending(LATER) == 1


def test_a_failed_job_can_be_tried_again_unless_another_does_its_work(catalog: Catalog) -> None:
    first = want(catalog)
    catalog.jobs.start(first, START)
    catalog.jobs.fail(first, "broken", START)
    second = want(catalog)
    with pytest.raises(JobRefused, match=str(second)):
        catalog.jobs.requeue(first, START)
    catalog.jobs.cancel(second, START)
    catalog.jobs.requeue(first, START)
    assert want(catalog) == first


def test_a_job_waits_for_a_volume_and_goes_on_when_it_was_brought(catalog: Catalog) -> None:
    job, other = want(catalog, "a"), want(catalog, "b")
    catalog.jobs.start(job, START)
    catalog.jobs.want_operator(job, TAPES[0], "bring A00001L8 from vault 3", START)
    catalog.jobs.want_operator(other, TAPES[1], "bring A00002L8", START)
    waiting = catalog.jobs.get(job)
    assert (waiting.state, waiting.barcode) == (JobState.WAITING_OPERATOR, TAPES[0])
    assert catalog.jobs.queue(LATER) == []
    assert catalog.jobs.operator_answered(TAPES[0], LATER) == [job]
    assert catalog.jobs.operator_answered(Barcode("other"), LATER) == []
    assert [job.id for job in catalog.jobs.queue(LATER)] == [job]


def test_a_running_job_is_asked_to_stop(catalog: Catalog) -> None:
    job = want(catalog)
    catalog.jobs.start(job, START)
    assert not catalog.jobs.cancel_requested(job)
    assert catalog.jobs.cancel(job, START) is JobState.RUNNING
    assert catalog.jobs.cancel_requested(job)
    catalog.jobs.cancelled(job, LATER)
    stopped = catalog.jobs.get(job)
    assert (stopped.state, stopped.ended_at) == (JobState.CANCELLED, LATER)
    assert want(catalog) != job
    with pytest.raises(IllegalTransition):
        catalog.jobs.cancel(job, LATER)


def test_a_job_that_fails_after_it_was_to_stop_is_not_tried_again(catalog: Catalog) -> None:
    job = want(catalog)
    catalog.jobs.start(job, START)
    catalog.jobs.cancel(job, START)
    catalog.jobs.fail(job, "broken", START, retry_at=LATER)
    assert catalog.jobs.get(job).state == JobState.CANCELLED


def test_a_start_of_the_engine_takes_up_what_was_interrupted(catalog: Catalog) -> None:
    running, stopping, queued = (want(catalog, key) for key in "abc")
    for job in (running, stopping):
        catalog.jobs.start(job, START)
    catalog.jobs.cancel(stopping, START)
    assert catalog.jobs.interrupted(LATER) == [running, stopping]
    states = [catalog.jobs.get(job).state for job in (running, stopping, queued)]
    assert states == [JobState.QUEUED, JobState.CANCELLED, JobState.QUEUED]
    assert catalog.jobs.interrupted(LATER) == []


def test_the_version_grows_with_everything_the_engine_must_look_at(catalog: Catalog) -> None:
    seen = [catalog.jobs.version()]

    def grew() -> bool:
        seen.append(catalog.jobs.version())
        return seen[-1] > seen[-2]

    job = want(catalog)
    assert grew()
    want(catalog)
    assert not grew()
    catalog.jobs.start(job, START)
    assert not grew()
    catalog.jobs.cancel(job, START)
    assert grew()
    catalog.jobs.requeue(job, START)
    assert grew()
    catalog.jobs.want_operator(job, TAPES[0], "", START)
    catalog.jobs.operator_answered(TAPES[0], START)
    assert grew()


def test_estimates_and_reasons_are_for_jobs_that_wait(catalog: Catalog) -> None:
    job, done = want(catalog, "a"), want(catalog, "b")
    catalog.jobs.cancel(done, START)
    catalog.jobs.plan({job: (LATER, "behind 3 others"), done: (LATER, "never")})
    catalog.jobs.plan({})
    waiting, ended = catalog.jobs.get(job), catalog.jobs.get(done)
    assert (waiting.eta_at, waiting.phase) == (LATER, "behind 3 others")
    assert (ended.eta_at, ended.phase) == (None, "")
    catalog.jobs.plan({job: (None, "no drive is up")})
    assert catalog.jobs.get(job).eta_at is None


def test_jobs_are_listed_newest_first_by_what_they_are(world: World) -> None:
    world.receive()
    catalog = world.catalog
    a = want(catalog, "a", JobKind.VERIFY, barcode=TAPES[0])
    b = want(catalog, "b", pool="lto")
    c = want(catalog, "c", study_instance_uid=study_uid(1))
    catalog.jobs.cancel(b, START)
    assert [job.id for job in catalog.jobs.list()] == [c, b, a]
    assert [job.id for job in catalog.jobs.list(limit=1, before=c)] == [b]
    assert [job.id for job in catalog.jobs.list(states=[JobState.CANCELLED])] == [b]
    assert [job.id for job in catalog.jobs.list(kinds=[JobKind.VERIFY])] == [a]
    assert [job.id for job in catalog.jobs.list(study_uid=study_uid(1))] == [c]
    assert [job.id for job in catalog.jobs.list(pool="lto")] == [b]
    assert [job.id for job in catalog.jobs.list(barcode=TAPES[0])] == [a]


def test_old_jobs_are_forgotten_with_the_requests_they_answered(world: World) -> None:
    world.released()
    request = world.catalog.recalls.request(study_uid(1), requested_by="me", now=START)
    active = want(world.catalog, "active")
    [job] = world.catalog.recalls.state(request).jobs
    assert world.catalog.jobs.prune(LATER) == 0
    world.catalog.jobs.start(job.id, START)
    world.catalog.jobs.finish(job.id, START)
    assert world.catalog.jobs.prune(LATER) == 1
    with pytest.raises(NotCatalogued):
        world.catalog.recalls.state(request)
    assert [left.id for left in world.catalog.jobs.list()] == [active]


def test_work_on_an_unknown_study_is_not_wanted(catalog: Catalog) -> None:
    with pytest.raises(NotCatalogued, match=r"study 1\.2\.9"):
        want(catalog, study_instance_uid="1.2.9")
    with pytest.raises(NotCatalogued, match="job 4711"):
        catalog.jobs.start(4711, START)
