"""Recall requests: how far they are, what became of them, taking one back, and the news of those that ended."""

from collections.abc import Iterable

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.deliveries import DeliveryRecord
from hsm.catalog.errors import CatalogUnavailable, NotCatalogued
from hsm.catalog.records import RequestRecord
from hsm.facts import StudyUid
from hsm.states import IllegalTransition, RequestState
from web import paging
from web.access.gate import known_person, may, needs, person, within
from web.reads.studies import labels
from web.reads.wishes import NEWS_FOR, progress
from web.services import services

pages = Blueprint("requests", __name__)
EVERYBODY = "all"
NOT_YOURS = "It was asked for by somebody else; only they and an administrator can take it back."
OVER = "It is over."
NO_REQUEST = "There is no request with this number. Requests that ended long ago are forgotten."


@pages.get("/requests")
@needs(Right.LOOK)
def index() -> str:
    """What I asked for: what is on its way first, then what is past; or what everybody asked for."""
    house, me = services(), known_person()
    everybody = paging.text("who") == EVERYBODY
    size, before, now = house.settings.page_size, paging.number("before"), house.clock.now()
    name = None if everybody else me.name
    catalog = house.catalog
    waiting = catalog.requests.list(name, (RequestState.WAITING,), limit=size) if before is None else []
    over = catalog.requests.list(name, tuple(set(RequestState) - {RequestState.WAITING}), limit=size + 1, before=before)
    shown = over[:size]
    news, news_count = catalog.requests.news(me.name, now - NEWS_FOR)
    sent, sent_count = catalog.deliveries.news(me.name, now - NEWS_FOR)
    return render_template(
        "requests.html",
        everybody=everybody,
        waiting=progress(catalog, waiting, now),
        over=shown,
        news=news,
        sent=sent,
        news_count=news_count + sent_count,
        labels=labels(catalog, _studies(waiting, shown, news, sent)),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(over) > size else None,
    )


def _studies(*lists: Iterable[RequestRecord] | Iterable[DeliveryRecord]) -> list[StudyUid]:
    return [one.study_instance_uid for found in lists for one in found]


@pages.get("/requests/<int:number>")
@needs(Right.LOOK)
def show(number: int) -> str:
    """One request: place in the queue, volume, phase, when it should be ready, who else waits."""
    house = services()
    catalog, found = house.catalog, known(number)
    (how,) = progress(catalog, [found], house.clock.now())
    uid = found.study_instance_uid
    return render_template(
        "request.html",
        request=found,
        how=how,
        study=catalog.studies.get(uid),
        availability=catalog.studies.availability(uid),
        volumes=catalog.studies.volumes_of([uid]).get(uid, ()),
        is_mine=found.requested_by == known_person().name,
        refused=why_not_cancel(found),
        destinations=house.destinations(),
        deliveries=catalog.deliveries.list(study_uid=uid, limit=5),
    )


@pages.post("/requests/<int:number>/cancel")
@needs(Right.RECALL)
def cancel(number: int) -> Response:
    """Take one's own wish back; the work goes on when others wait for it."""
    found = known(number)
    if reason := why_not_cancel(found):
        flash(f"Not taken back. {reason}", "warn")
        return redirect(url_for("requests.show", number=number), 303)
    try:
        ended = services().archive.cancel_recall(number, by=known_person().name)
    except IllegalTransition:
        flash("Not taken back: it has ended in the meantime.", "warn")
    else:
        flash("Taken back." if ended else "Taken back. The work goes on: somebody else waits for it.", "good")
    return redirect(url_for("requests.show", number=number), 303)


@pages.post("/requests/seen")
@needs(Right.RECALL)
def seen() -> Response:
    """Put the news of one request away, or all news."""
    catalog, name, now = services().catalog, known_person().name, services().clock.now()
    if request.form.get("request") == EVERYBODY:
        catalog.requests.put_away(name, now)
        catalog.deliveries.put_away(name, now)
    elif (number := paging.form_number("request")) is not None:
        catalog.requests.put_away(name, now, number)
    elif (number := paging.form_number("delivery")) is not None:
        catalog.deliveries.put_away(name, now, number)
    return redirect(within(request.form.get("back", "") or url_for("requests.index")), 303)


@pages.get("/news")
@needs(Right.LOOK)
def news() -> str:
    """The part of every page's head that says what is in my cart and what became ready."""
    return render_template("parts/mine.html")


def mine() -> tuple[int, int]:
    """How many studies are in my cart, and how many of my requests ended without my having put that away.

    Nothing while the catalog is away: the page that says so shows this, too.
    """
    if "mine" not in g:
        g.mine = (0, 0)
        me, house = person(), services()
        if me is not None and may(Right.RECALL):
            try:
                since = house.clock.now() - NEWS_FOR
                _, ended = house.catalog.requests.news(me.name, since, limit=1)
                _, sent = house.catalog.deliveries.news(me.name, since, limit=1)
                g.mine = (house.catalog.carts.count(me.id), ended + sent)
            except CatalogUnavailable:
                return (0, 0)
    found: tuple[int, int] = g.mine
    return found


def known(number: int) -> RequestRecord:
    """The request, or a page that says there is none."""
    if number > paging.MAX_NUMBER:
        abort(404, NO_REQUEST)
    try:
        return services().catalog.requests.get(number)
    except NotCatalogued:
        abort(404, NO_REQUEST)


def why_not_cancel(found: RequestRecord) -> str:
    """Why the button to take it back is off; "" when it is on."""
    if found.state is not RequestState.WAITING:
        return OVER
    if not may(Right.RECALL):
        return "Your account may look at requests, not take them back."
    if found.requested_by != known_person().name and not may(Right.ADMINISTER):
        return NOT_YOURS
    return ""
