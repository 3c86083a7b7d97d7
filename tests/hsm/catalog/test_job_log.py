"""What is written about a job: steps and phases, bounded, forgotten before the job is."""

from datetime import timedelta

import pytest

from drivers.base import Barcode
from hsm.catalog import job_log
from hsm.catalog.audit import AuditFilter
from hsm.catalog.errors import JobRefused
from hsm.catalog.records import JobRequest
from hsm.states import IllegalTransition, JobKind, JobState
from tests.hsm.catalog.world import LATER, START, World

TAPE = Barcode("A00001L8")


def job(world: World, key: str = "verify:1", by: str = "anna", kind: JobKind = JobKind.VERIFY) -> int:
    return world.catalog.jobs.submit(JobRequest(kind, key, barcode=TAPE, requested_by=by), START)[0]


def told(world: World, job_id: int) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in world.catalog.jobs.lines(job_id)]


def test_a_job_tells_its_life_in_lines(world: World) -> None:
    jobs, number = world.catalog.jobs, job(world)
    jobs.start(number, START, TAPE, "S0", "A00001L8 serves a verify.")
    jobs.progress(number, 10, "reading pack 1", now=START)
    jobs.progress(number, 20, "reading pack 1", now=START)  # nothing new in words
    jobs.progress(number, 30, "reading pack 2", now=START)
    jobs.progress(number, 40, "nobody says when")
    jobs.fail(number, "the drive did not answer", START, retry_at=START)
    jobs.start(number, START, TAPE, "S1")
    jobs.want_operator(number, TAPE, "bring it", START)
    jobs.operator_answered(TAPE, START)
    jobs.start(number, START)
    jobs.finish(number, LATER, "all digests agree")
    assert told(world, number) == [
        ("info", "Begun with A00001L8 in drive S0"),
        ("info", "A00001L8 serves a verify."),
        ("info", "reading pack 1"),
        ("info", "reading pack 2"),
        ("warning", "Did not work; another try is to come: the drive did not answer"),
        ("info", "Begun, try 2 with A00001L8 in drive S1"),
        ("warning", "Waits for a person: bring it"),
        ("info", "Back in the queue"),
        ("info", "Begun, try 3 with A00001L8 in drive S1"),
        ("info", "Done: all digests agree"),
    ]
    assert [line.done_bytes for line in jobs.lines(number, after=2)][:2] == [10, 30]
    assert jobs.get(number).drive == "S1"
    assert [found.id for found in jobs.list(drive="S1")] == [number]


def test_a_job_that_says_much_keeps_its_last_lines_and_counts_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "KEPT_LINES", 3)
    number = job(world)
    for line in range(10):
        world.catalog.jobs.write_line(number, f"line {line}\x00", START, "warning")
    lines = world.catalog.jobs.lines(number)
    assert [(line.number, line.text) for line in lines] == [
        (8, "line 7\ufffd"),
        (9, "line 8\ufffd"),
        (10, "line 9\ufffd"),
    ]


def test_logs_are_forgotten_before_jobs_and_with_them(world: World) -> None:
    jobs = world.catalog.jobs
    ended, active = job(world, "verify:1"), job(world, "verify:2")
    for number in (ended, active):
        jobs.start(number, START)
    jobs.finish(ended, START)
    assert jobs.prune_lines(LATER) == 2
    assert (told(world, ended), len(told(world, active))) == ([], 1)
    assert jobs.get(ended).state == JobState.DONE
    jobs.write_line(ended, "late", START)
    assert jobs.prune(LATER) == 1
    assert told(world, ended) == []


def test_jobs_are_found_by_who_asked_and_when(world: World) -> None:
    mine, theirs = job(world, "verify:1", "anna"), job(world, "verify:2", "bob")
    jobs = world.catalog.jobs
    assert [found.id for found in jobs.list(requested_by="anna")] == [mine]
    hour = timedelta(hours=1)
    assert [found.id for found in jobs.list(since=START, until=START + hour)] == [theirs, mine]
    assert jobs.list(until=START) == []
    assert jobs.list(since=START + hour) == []


def test_what_was_given_up_is_tried_again_and_taking_back_is_noted(world: World) -> None:
    jobs, number = world.catalog.jobs, job(world)
    with pytest.raises(IllegalTransition, match="is queued: only one that was given up"):
        jobs.retry(number, START)
    jobs.start(number, START)
    jobs.fail(number, "broken", START)
    jobs.retry(number, START)
    assert jobs.get(number).state == JobState.QUEUED
    jobs.cancel(number, START)
    names = [event.name for event in world.catalog.events.list(subject=str(number))]
    assert names == ["job_cancelled", "job_requeued"]
    audited = world.catalog.audit.list(AuditFilter(kind="job"))
    assert [entry.action for entry in audited] == names
    failed = job(world)
    jobs.start(failed, START)
    jobs.fail(failed, "broken", START)
    job(world)  # the same work, wanted anew
    with pytest.raises(JobRefused):
        jobs.retry(failed, START)
    running = job(world, "verify:9")
    jobs.start(running, START)
    assert jobs.cancel(running, START) is JobState.RUNNING
    assert world.catalog.events.list(subject=str(running))[0].fields["while"] == "running"


def test_events_are_found_by_person_and_time(world: World) -> None:
    events = world.catalog.events
    for number, by in enumerate(("anna", "bob", "anna")):
        events.record("info", "x", str(number), {"by": by}, START + timedelta(hours=number))
    events.record("info", "x", "3", {}, START)
    assert [event.subject for event in events.list(by="anna")] == ["2", "0"]
    assert [event.subject for event in events.list(until=START + timedelta(hours=1))] == ["3", "0"]
    assert [event.subject for event in events.stream(name="x")] == ["3", "2", "1", "0"]
