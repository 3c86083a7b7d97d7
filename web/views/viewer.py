"""A light viewer for everybody: one image after the other, windowed and zoomed, over frames that the server draws."""

import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import islice

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hsm.access.roles import Right
from hsm.archive import NotOnline
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.facts import StoredInstance
from hsm.format.text import is_uid
from hsm.pool import PoolFileMissing
from hsm.rendering import NotRendered, Rendered, RenderersBusy, Window, Wish
from hsm.rendering.wish import Form, to_json
from hsm.states import OnlineState, RequestState
from web import paging
from web.access.gate import known_person, may, needs
from web.access.sightings import saw
from web.dicomweb.rendering import draw
from web.reads.images import slices
from web.reads.studies import SeriesRow, series
from web.reads.wishes import progress
from web.services import services
from web.views.cards import card_of
from web.views.studies import NOT_READABLE, ONLY_LOOKS, each_once, is_mine, known, why_no_recall

pages = Blueprint("viewer", __name__)
# Kept by the browser of this person, and asked about before each use: who signed out sees none of them again.
CACHING = "private, no-cache"
BUSY = "Many pictures are wanted at once: try again in a moment."
GONE = "This image is not on disk just now."
QUALITY = 90
MOST_FRAMES = 50_000  # of a series that can be scrolled through: an object may claim any number
# centre and width in Hounsfield units, as radiologists use them
PRESETS: Mapping[str, Sequence[tuple[str, str]]] = {
    "CT": (
        ("Soft tissue", "40,400"),
        ("Lung", "-600,1500"),
        ("Bone", "480,2500"),
        ("Brain", "40,80"),
        ("Liver", "60,160"),
        ("Mediastinum", "50,350"),
    )
}


@pages.get("/studies/<uid>/view")
@needs(Right.LOOK)
def show(uid: str) -> AnyResponse:
    """The images of one series, and the way to the others; what was kept of a study that is away, and its way back."""
    house = services()
    catalog, now = house.catalog, house.clock.now()
    study = known(uid)
    rows = series(catalog, uid)
    chosen = _chosen(rows, paging.text("series"))
    found = slices(catalog, uid, chosen.series_instance_uid)
    numbered = ((one.sop_instance_uid, number) for one in found for number in range(1, one.frames + 1))
    frames = list(islice(numbered, MOST_FRAMES))
    here = bool(frames) and all(one.online for one in found)
    if here and "HX-Request" in request.headers:  # what this page waited for is there
        return Response(status=204, headers={"HX-Refresh": "true"})
    if here:
        _viewed(uid, chosen.series_instance_uid)
    at = min(max(1, paging.number("n") or (len(frames) + 1) // 2), max(1, len(frames)))
    availability = catalog.studies.availability(uid)
    waiting = progress(catalog, catalog.requests.list(study_uid=uid, states=(RequestState.WAITING,), limit=50), now)
    card, _ = card_of(study, availability)
    window = _window(request.args.get("window", ""))
    return make_response(
        render_template(
            "viewer.html",
            study=study,
            rows=rows,
            series=chosen,
            open=here,
            empty_series=not frames,
            at=at,
            total=len(frames),
            frame=frames[at - 1] if frames else None,
            window="" if window is None else f"{window.centre:g},{window.width:g}",
            presets=PRESETS.get(chosen.modality, ()),
            availability=availability,
            volumes=catalog.studies.volumes_of([uid]).get(uid, ()),
            ways=each_once(waiting),
            refused=why_no_recall(availability, is_mine(waiting)) if may(Right.RECALL) else ONLY_LOOKS,
            pictured=frozenset(card.pictures) if card else frozenset(),
            key=card is not None and "key" in card.pictures,
        )
    )


@pages.post("/studies/<uid>/view/recall")
@needs(Right.RECALL)
def recall(uid: str) -> AnyResponse:
    """Ask for the study, and stay on the page that shows it when it is there."""
    try:
        services().archive.request_recall(known(uid).study_instance_uid, requested_by=known_person().name)
    except NotRecallable:
        flash(NOT_READABLE, "bad")
    except NotCatalogued:
        abort(404, "This study is no longer in the archive.")
    wanted = request.form.get("series", "")
    return redirect(url_for("viewer.show", uid=uid, series=wanted if is_uid(wanted) else None), 303)


@pages.get("/studies/<uid>/view/series/<series>.json")
@needs(Right.LOOK)
def list_frames(uid: str, series: str) -> Response:
    """The images of a series in their order: SOP Instance UID and number of frames of each."""
    found = slices(services().catalog, known(uid).study_instance_uid, series)
    listed, left = [], MOST_FRAMES
    for one in found:
        listed.append([one.sop_instance_uid, min(one.frames, left)])
        if (left := left - one.frames) <= 0:
            break
    body = json.dumps({"frames": listed}, separators=(",", ":"))
    return Response(body, content_type="application/json")


@pages.get("/studies/<uid>/view/<sop>/<int:number>.jpg")
@needs(Right.LOOK)
def picture(uid: str, sop: str, number: int) -> Response:
    """One frame as a JPEG, from 1; `window`: centre and width with a comma between."""
    wish = Wish(Form.JPEG, number, _window(request.args.get("window", "")), quality=QUALITY)
    return _drawn(_instance(uid, sop), wish)


@pages.get("/studies/<uid>/view/<sop>/<int:number>.values")
@needs(Right.LOOK)
def values(uid: str, sop: str, number: int) -> Response:
    """The values of one grey frame, 16 bits each; the header Firn-Values says what they mean."""
    return _drawn(_instance(uid, sop), Wish(Form.VALUES, number))


def _drawn(instance: StoredInstance, wish: Wish) -> Response:
    if instance.online_state is not OnlineState.ONLINE:
        abort(503, GONE)
    tag = sha256(f"{instance.sha256} {json.dumps(to_json(wish))}".encode()).hexdigest()[:32]
    saw(instance.study_instance_uid)  # also of who asks for pictures without the page around them
    response = Response(content_type=wish.form.value)
    response.headers["Cache-Control"] = CACHING
    response.set_etag(tag)
    if tag in request.if_none_match:
        response.status_code = 304
        return response
    made = _draw(instance, wish)
    response.set_data(made.data)
    if wish.form is Form.VALUES:
        about = {name: value for name, value in made.about.items() if name != "size_bytes"}
        response.headers["Firn-Values"] = json.dumps(about)
        response.headers["Content-Encoding"] = "deflate"
    return response


def _draw(instance: StoredInstance, wish: Wish) -> Rendered:
    try:
        return draw(instance, wish)
    except NotRendered as error:
        abort(404 if error.missing else 406, f"This image cannot be shown: {error}.")
    except RenderersBusy:
        abort(503, BUSY)
    except (NotOnline, PoolFileMissing):
        abort(503, GONE)


def _instance(uid: str, sop: str) -> StoredInstance:
    found = services().catalog.studies.instances(uid, (), [sop]) if is_uid(sop) else []
    if not found:
        abort(404, "There is no such image in this study.")
    return found[0]


def _chosen(rows: Sequence[SeriesRow], wanted: str) -> SeriesRow:
    """The series that was asked for, or the one that shows most."""
    if wanted:
        for row in rows:
            if row.series_instance_uid == wanted:
                return row
        abort(404, "There is no such series in this study.")
    return max(rows, key=lambda row: (row.online_instances, row.instance_count))


def _window(text: str) -> Window | None:
    """Of an address; what makes no sense counts as none."""
    try:
        centre, width = (float(part) for part in text.split(","))
    except ValueError:
        return None
    sane = math.isfinite(centre) and math.isfinite(width) and abs(centre) < 1e9 and 1 <= width < 1e9
    return Window(centre, width) if sane else None


def _viewed(uid: str, series_uid: str) -> None:
    """Write down who opened images: always, as they are the patient's; and note for the policies that it was used."""
    saw(uid, series_uid, anew=True)
    services().archive.touch(uid)
