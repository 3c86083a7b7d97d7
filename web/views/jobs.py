"""What is being done, what waits and what went wrong."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.facts import JobRecord
from hsm.states import ACTIVE_JOBS, IllegalTransition, JobKind, JobState
from web import paging
from web.access.gate import may, needs
from web.reads.studies import labels
from web.reads.work import places, requests_of
from web.services import services

pages = Blueprint("jobs", __name__)
ACTIVE = "active"  # stands for every state in which a job still has something to do
CANCELLABLE = frozenset({JobState.QUEUED, JobState.WAITING_OPERATOR, JobState.WAITING_RETRY})


@pages.get("/jobs")
@needs(Right.LOOK)
def index() -> str:
    """Jobs, newest first, confined by state, kind, study, pool and volume."""
    house = services()
    state, kind = paging.choice("state", JobState), paging.choice("kind", JobKind)
    study, pool, barcode = paging.text("study"), paging.text("pool"), paging.text("barcode")
    active = paging.text("state") == ACTIVE
    size = house.settings.page_size
    before = paging.number("before")
    states: tuple[JobState, ...] = (state,) if state else tuple(sorted(ACTIVE_JOBS)) if active else ()
    jobs = house.catalog.jobs.list(
        states=states,
        kinds=(kind,) if kind else (),
        study_uid=study or None,
        pool=pool or None,
        barcode=barcode or None,
        limit=size + 1,
        before=before,
    )
    shown = jobs[:size]
    return render_template(
        "jobs.html",
        jobs=shown,
        labels=labels(house.catalog, [job.study_instance_uid for job in shown]),
        state=ACTIVE if active else state,
        kind=kind,
        study=study,
        pool=pool,
        barcode=barcode,
        state_choices=JobState,
        kind_choices=JobKind,
        filtered=bool(states or kind or study or pool or barcode),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(jobs) > size else None,
    )


@pages.get("/jobs/<int:job_id>")
@needs(Right.LOOK)
def show(job_id: int) -> str:
    """One job: what it does, why, how far it is and what went wrong."""
    house = services()
    job = known(job_id)
    place = places(house.catalog.jobs.queue(house.clock.now())).get(job.id) if job.kind is JobKind.RECALL else None
    return render_template(
        "job.html",
        job=job,
        labels=labels(house.catalog, [job.study_instance_uid]),
        place=place,
        requests=requests_of(house.catalog, job.id),
        refused=why_not_cancel(job) if may(Right.RECALL) else "Your account may look at jobs, not cancel them.",
    )


@pages.post("/jobs/<int:job_id>/cancel")
@needs(Right.RECALL)
def cancel(job_id: int) -> Response:
    """Take back a recall that has not begun."""
    house = services()
    job = known(job_id)
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


def known(job_id: int) -> JobRecord:
    """The job, or a page that says there is none."""
    if job_id > paging.MAX_NUMBER:
        abort(404, "There is no job with this number.")
    try:
        return services().catalog.jobs.get(job_id)
    except NotCatalogued:
        abort(404, "There is no job with this number. Jobs that ended long ago are forgotten.")


def why_not_cancel(job: JobRecord) -> str:
    """Why the button to cancel a job is off; "" when it is on. Pure."""
    if job.state not in ACTIVE_JOBS:
        return "It has ended."
    if job.kind is not JobKind.RECALL:
        return "The policy asked for it and would ask again; only recalls are cancelled here."
    if job.state not in CANCELLABLE:
        return "It is running; stopping it now would cost more time than letting it end."
    return ""
