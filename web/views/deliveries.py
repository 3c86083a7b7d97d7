"""Studies that are sent to workstations: at once, or as soon as they are back on disk."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.deliveries import DeliveryRecord
from hsm.catalog.errors import DeliveryRefused, NotCatalogued, NotRecallable
from hsm.states import IllegalTransition
from web import paging
from web.access.gate import known_person, may, needs, within
from web.reads.studies import labels
from web.services import services
from web.views.cart import NO_DESTINATION

pages = Blueprint("deliveries", __name__)
EVERYBODY = "all"
NOT_YOURS = "It was asked for by somebody else; only they and an administrator can change it."
NO_DELIVERY = "There is no delivery with this number."


@pages.get("/deliveries")
@needs(Right.LOOK)
def index() -> str:
    """What I have had sent, or everybody, newest first."""
    house, everybody = services(), paging.text("who") == EVERYBODY
    size, before = house.settings.page_size, paging.number("before")
    name = None if everybody else known_person().name
    found = house.catalog.deliveries.list(name, limit=size + 1, before=before)
    shown = found[:size]
    return render_template(
        "deliveries.html",
        everybody=everybody,
        deliveries=shown,
        labels=labels(house.catalog, [one.study_instance_uid for one in shown]),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(found) > size else None,
    )


@pages.post("/studies/<uid>/send")
@needs(Right.RECALL)
def send(uid: str) -> Response:
    """Have a study sent to a node; what is not on disk is brought back first."""
    house, destination = services(), request.form.get("destination", "")
    if house.catalog.studies.get(uid) is None:
        abort(404, "There is no study with this UID in the archive.")
    if destination not in house.destinations():
        flash(NO_DESTINATION, "bad")
        return _back(url_for("studies.show", uid=uid))
    try:
        name = known_person().name
        house.archive.deliver(uid, destination, requested_by=name, request_id=_request_of(uid))
    except NotRecallable:
        flash("Nothing is sent: a part of it has no copy that can be read.", "bad")
    else:
        flash(f"It will be sent to {destination}. You may close this page.", "good")
    return _back(url_for("studies.show", uid=uid))


def _request_of(uid: str) -> int | None:
    """The request a form names, if there is one and it is for this study."""
    number = paging.form_number("request")
    if number is None:
        return None
    try:
        found = services().catalog.requests.get(number)
    except NotCatalogued:
        return None
    return number if found.study_instance_uid == uid and not (found.series or found.instances) else None


@pages.post("/deliveries/<int:number>/cancel")
@needs(Right.RECALL)
def cancel(number: int) -> Response:
    """Take a delivery back; what is being sent stops after the present object."""
    if _may_change(known(number)):
        try:
            services().archive.cancel_delivery(number, by=known_person().name)
            flash("Taken back.", "good")
        except IllegalTransition:
            flash("Not taken back: it is over.", "warn")
    return _back(url_for("deliveries.index"))


@pages.post("/deliveries/<int:number>/again")
@needs(Right.RECALL)
def again(number: int) -> Response:
    """Try a failed delivery again."""
    if _may_change(known(number)):
        try:
            services().archive.deliver_again(number)
            flash("It is tried again.", "good")
        except IllegalTransition:
            flash("Only a delivery that failed is tried again.", "warn")
        except DeliveryRefused:
            flash("The same is on its way already.", "warn")
    return _back(url_for("deliveries.index"))


def known(number: int) -> DeliveryRecord:
    """The delivery, or a page that says there is none."""
    if number > paging.MAX_NUMBER:
        abort(404, NO_DELIVERY)
    try:
        return services().catalog.deliveries.get(number)
    except NotCatalogued:
        abort(404, NO_DELIVERY)


def _may_change(found: DeliveryRecord) -> bool:
    allowed = found.requested_by == known_person().name or may(Right.ADMINISTER)
    if not allowed:
        flash(f"Nothing changed. {NOT_YOURS}", "warn")
    return allowed


def _back(otherwise: str) -> Response:
    return redirect(within(request.form.get("back", "") or otherwise), 303)
