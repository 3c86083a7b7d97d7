"""Find a study, see where it is and why, and have it brought back: for clinical staff."""

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.actor import Actor, Via
from hsm.access.roles import Right
from hsm.catalog.audit import ObjectKind
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.catalog.records import StudyRecord
from hsm.states import Availability, JobKind, RequestState
from web import paging
from web.access.gate import known_person, may, needs
from web.reads.policy import why_here
from web.reads.studies import Show, search, series
from web.reads.wishes import Progress, Way, progress
from web.services import services
from web.views.cards import card_of, with_key

pages = Blueprint("studies", __name__)
PAST_RECALLS = 5
NOT_READABLE = "It cannot be brought back now: a part of it has no copy that can be read. See its copies below."
ONLY_LOOKS = "Your account may look at studies, not ask for them."
UNKNOWN_STUDY = (
    "There is no study with this UID in the archive. Search for the patient, the date or the accession number."
)


@pages.get("/studies")
@needs(Right.LOOK)
def index() -> str:
    """The list of studies, confined by a search and by how soon they can be had."""
    house = services()
    show = paging.choice("show", Show) or Show.ALL
    page_number = max(1, paging.number("page") or 1)
    size = house.settings.page_size
    text = paging.text("q")
    pictures = paging.text("pictures") == "yes"
    offset = (page_number - 1) * size
    page = search(house.catalog, text, show, house.settings.safe_copies, size, min(offset, paging.MAX_NUMBER))
    uids = [row.study.study_instance_uid for row in page.rows]
    return render_template(
        "studies.html",
        text=text,
        show=show,
        choices=Show,
        page=page,
        in_cart=in_cart(uids),
        pictures=pictures,
        pictured=with_key(uids) if pictures else frozenset(),
        may_picture=house.cards is not None,
        first=offset + 1,
        last=offset + len(page.rows),
        previous=paging.here(page=page_number - 1 if page_number > 2 else None) if page_number > 1 else None,
        following=paging.here(page=page_number + 1) if offset + len(page.rows) < page.total else None,
        house_is_empty=not page.total and not text and show is Show.ALL,
    )


@pages.get("/studies/<uid>")
@needs(Right.LOOK)
def show(uid: str) -> str:
    """One study: its series, its copies, why it is where it is, and its way back."""
    house = services()
    catalog, now = house.catalog, house.clock.now()
    study = known(uid)
    looked_at(uid)
    requests = catalog.requests.list(study_uid=uid, limit=50)
    waiting = progress(catalog, [one for one in requests if one.state is RequestState.WAITING], now)
    availability = catalog.studies.availability(uid)
    card, card_is_made = card_of(study, availability)
    return render_template(
        "study.html",
        study=study,
        availability=availability,
        series=series(catalog, uid),
        series_availability=catalog.studies.series_availabilities(uid),
        copies=catalog.copies.of_study(uid),
        holds=catalog.holds.list(study_uid=uid, in_force_at=now),
        why=why_here(house, uid, now),
        appointments=catalog.prefetches.of_study(uid, limit=5),
        ways=each_once(waiting),
        waiting=waiting,
        past=[one for one in requests if one.state is not RequestState.WAITING][:PAST_RECALLS],
        refused=why_no_recall(availability, is_mine(waiting)) if may(Right.RECALL) else ONLY_LOOKS,
        in_cart=in_cart([uid]),
        card=card,
        other_viewer=other_viewer(uid),
        card_is_made=card_is_made,
        destinations=house.destinations(),
        deliveries=catalog.deliveries.list(study_uid=uid, limit=5),
        compression=catalog.packs.compression(uid),
        volumes=catalog.studies.volumes_of([uid]).get(uid, ()),
        jobs=[job for job in catalog.jobs.list(study_uid=uid, limit=20) if job.kind is not JobKind.RECALL],
    )


@pages.post("/studies/<uid>/recall")
@needs(Right.RECALL)
def recall(uid: str) -> Response:
    """Ask for a study to be brought back; equal wishes share their jobs."""
    house = services()
    study = known(uid)
    try:
        number = house.archive.request_recall(study.study_instance_uid, requested_by=known_person().name)
    except NotRecallable:
        flash(NOT_READABLE, "bad")
    except NotCatalogued:
        abort(404, "This study is no longer in the archive.")
    else:
        flash("Asked for. You may close this page: the study comes back by itself.", "good")
        return redirect(url_for("requests.show", number=number), 303)
    return redirect(url_for("studies.show", uid=uid, _anchor="recall"), 303)


def looked_at(uid: str) -> None:
    """Write down who looks at a study, where the house wants that; a part that refreshes itself is no new look."""
    house = services()
    if house.settings.audit_looking and "HX-Request" not in request.headers:
        actor = Actor(known_person().name, Via.WEB, request.remote_addr or "")
        house.catalog.audit.record(actor, "study_looked_at", ObjectKind.STUDY, uid, house.clock.now())


def known(uid: str) -> StudyRecord:
    """The study, or a page that says there is none."""
    study = services().catalog.studies.get(uid)
    if study is None:
        abort(404, UNKNOWN_STUDY)
    return study


def other_viewer(uid: str) -> str:
    """The address at which a study opens in the viewer of somebody else; "" where there is none."""
    port = services().settings.viewer_port
    host = urlsplit(f"//{request.host}").hostname or ""
    name = f"[{host}]" if ":" in host else host
    return "" if port is None else f"{request.scheme}://{name}:{port}/viewer?StudyInstanceUIDs={uid}"


def in_cart(uids: Collection[str]) -> frozenset[str]:
    """Which of some studies are in my cart."""
    return services().catalog.carts.holds(known_person().id, uids) if may(Right.RECALL) else frozenset()


def is_mine(waiting: Collection[Progress]) -> bool:
    """Whether one of the requests that wait is mine."""
    return any(one.request.requested_by == known_person().name for one in waiting)


def each_once(waiting: Collection[Progress]) -> list[Way]:
    """The jobs that several requests wait for, each once. Pure."""
    return list({way.job.id: way for one in waiting for way in one.ways}.values())


def why_no_recall(availability: Availability, asked_already: bool) -> str:
    """Why the button to bring a study back is off; "" when it is on. Pure."""
    if asked_already:
        return "You have asked for it already."
    if availability is Availability.ONLINE:
        return "It is on disk already: open it at the workstation."
    if availability is Availability.UNAVAILABLE:
        return "No copy of a part of it can be read at present; the administrator must look at its volumes first."
    return ""
