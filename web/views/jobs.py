"""What is being done, what waits and what went wrong; each job with its log."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from hsm.access.roles import Right
from hsm.catalog.errors import JobRefused, NotCatalogued
from hsm.facts import JobRecord
from hsm.media.wishes import TO_CANCEL, right_for, why_not_cancel, why_not_retry
from hsm.states import ACTIVE_JOBS, IllegalTransition, JobKind, JobState
from web import csv, paging
from web.access.gate import known_person, may, needs
from web.reads.studies import labels
from web.reads.work import places
from web.services import services

pages = Blueprint("jobs", __name__)
ACTIVE = "active"  # stands for every state in which a job still has something to do
READ_AT_ONCE = 1000
ONLY_LOOKS = "Your account may look at this job, not change it."
NOT_FOR_ALL = "It would end for everybody who waits for it; that is for archivists and administrators."
COLUMNS = (
    *("job", "kind", "state", "study", "pool", "volume", "drive", "requested_by", "reason", "size_bytes", "done_bytes"),
    *("phase", "message", "attempts", "created_at", "started_at", "ended_at", "not_before", "eta_at"),
)


def confined() -> dict[str, Any]:
    """What the address asks for, as the catalog is asked."""
    state, kind = paging.choice("state", JobState), paging.choice("kind", JobKind)
    active = paging.text("state") == ACTIVE
    zone = services().settings.zone
    return {
        "states": (state,) if state else tuple(sorted(ACTIVE_JOBS)) if active else (),
        "kinds": (kind,) if kind else (),
        "study_uid": paging.text("study") or None,
        "pool": paging.text("pool") or None,
        "barcode": paging.text("barcode") or None,
        "drive": paging.text("drive") or None,
        "requested_by": paging.text("by") or None,
        "since": paging.day("from", zone),
        "until": paging.day("to", zone, behind=True),
    }


@pages.get("/jobs")
@needs(Right.LOOK)
def index() -> str:
    """Jobs, newest first, confined by what they do, to what, where, for whom and when."""
    house = services()
    size, before, asked = house.settings.page_size, paging.number("before"), confined()
    jobs = house.catalog.jobs.list(limit=size + 1, before=before, **asked)
    shown = jobs[:size]
    return render_template(
        "jobs.html",
        jobs=shown,
        labels=labels(house.catalog, [job.study_instance_uid for job in shown]),
        asked=asked,
        state=paging.text("state"),
        kind=paging.choice("kind", JobKind),
        day_from=paging.text("from"),
        day_to=paging.text("to"),
        drives=house.catalog.drives.list(),
        state_choices=JobState,
        kind_choices=JobKind,
        filtered=any(asked.values()),
        csv=paging.query("jobs.as_csv"),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(jobs) > size else None,
    )


@pages.get("/jobs.csv")
@needs(Right.LOOK)
def as_csv() -> Response:
    """The jobs that fit, all of them, newest first."""
    jobs, asked = services().catalog.jobs, confined()

    def rows() -> Iterator[list[csv.Cell]]:
        before: int | None = None
        while part := jobs.list(limit=READ_AT_ONCE, before=before, **asked):
            for job in part:
                yield [
                    *(job.id, job.kind.value, job.state, job.study_instance_uid, job.pool, job.barcode, job.drive),
                    *(job.requested_by, job.reason, job.size_bytes, job.done_bytes, job.phase, job.message),
                    *(job.attempts, job.created_at, job.started_at, job.ended_at, job.not_before, job.eta_at),
                ]
            before = part[-1].id

    return csv.download("firn-jobs", COLUMNS, rows())


@pages.get("/jobs/<int:job_id>")
@needs(Right.LOOK)
def show(job_id: int) -> str:
    """One job: what it does, why, how far it is, what went wrong, and what was written about it."""
    house = services()
    job = known(job_id)
    place = places(house.catalog.jobs.queue(house.clock.now())).get(job.id) if job.kind is JobKind.RECALL else None
    off = "" if may(right_for(job)) else ONLY_LOOKS
    waiting = house.catalog.requests.waiting_for(job.id) if job.kind is JobKind.RECALL else []
    lines = house.catalog.jobs.lines(job.id)
    return render_template(
        "job.html",
        job=job,
        lines=list(reversed(lines)),
        left_out=lines[0].number - 1 if lines else 0,
        drive=next((d for d in house.catalog.drives.list() if d.serial == job.drive), None),
        labels=labels(house.catalog, [job.study_instance_uid]),
        place=place,
        waiting=waiting,
        my_wishes=[one for one in waiting if one.requested_by == known_person().name] if may(Right.RECALL) else [],
        refused=why_not_cancel(job) or ("" if may(TO_CANCEL) else NOT_FOR_ALL),
        no_retry=off or why_not_retry(job),
    )


@pages.post("/jobs/<int:job_id>/cancel")
@needs(TO_CANCEL)
def cancel(job_id: int) -> AnyResponse:
    """Take back, for everybody, what people asked for and has not begun."""
    house, job = services(), known(job_id)
    if reason := why_not_cancel(job):
        flash(f"Not cancelled. {reason}", "warn")
        return redirect(url_for("jobs.show", job_id=job_id), 303)
    try:
        house.catalog.jobs.cancel(job_id, house.clock.now())
    except IllegalTransition:
        flash("Not cancelled: it has ended in the meantime.", "warn")
    else:
        flash("Cancelled.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


@pages.post("/jobs/<int:job_id>/retry")
@needs(Right.RECALL)
def retry(job_id: int) -> AnyResponse:
    """Have what was given up tried once more."""
    house = services()
    _mine_to_change(job_id)
    try:
        house.catalog.jobs.retry(job_id, house.clock.now())
    except (IllegalTransition, JobRefused) as error:
        flash(f"Nothing was changed: {error}.", "warn")
    else:
        flash("It is in the queue again.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


def _mine_to_change(job_id: int) -> JobRecord:
    job = known(job_id)
    if not may(right_for(job)):
        abort(403, ONLY_LOOKS)
    return job


def known(job_id: int) -> JobRecord:
    """The job, or a page that says there is none."""
    if job_id > paging.MAX_NUMBER:
        abort(404, "There is no job with this number.")
    try:
        return services().catalog.jobs.get(job_id)
    except NotCatalogued:
        abort(404, "There is no job with this number. Jobs that ended long ago are forgotten.")
