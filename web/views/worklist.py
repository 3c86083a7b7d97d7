"""The worklist for staff: who is examined today and in the coming days, and whether the priors are on disk."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.orders.model import FIELD_NAMES, OrderRecord, OrderRefused, changed, made
from hsm.states import OPEN_ORDERS, Availability, IllegalTransition, OrderState
from hsm.values import date_of
from web import paging
from web.access.gate import known_person, needs
from web.reads.studies import labels
from web.services import services

pages = Blueprint("worklist", __name__, url_prefix="/worklist")
COMING_DAYS = 3
FORM = (
    *("patient_id", "patient_name", "birth_date", "sex", "modality", "body_part", "procedure"),
    *("accession_number", "station_aet", "location", "referring_physician"),
)
MAX_REASON = 200


class Show(StrEnum):
    """Which orders are listed."""

    OPEN = "open"
    ALL = "all"


@pages.get("")
@needs(Right.LOOK)
def index() -> Response:
    """Today's and the coming appointments, or those of one day, and a form for another."""
    return _index()


@pages.post("")
@needs(Right.RECALL)
def place() -> Response:
    """Place an order."""
    house, faults = services(), dict[str, str]()
    values = _typed(faults)
    if not faults:
        try:
            number = house.catalog.orders.place(made(values), known_person().name, house.clock.now())
        except OrderRefused as refused:
            faults = refused.faults
        else:
            flash("The order is placed: modalities see it, and its priors come to disk by the rules.", "good")
            return redirect(url_for("worklist.show", number=number), 303)
    return _index(422, faults)


@pages.get("/<int:number>")
@needs(Right.LOOK)
def show(number: int) -> Response:
    """One order: its priors, what modalities reported, and what can be done with it."""
    return _page(known(number))


@pages.post("/<int:number>")
@needs(Right.RECALL)
def change(number: int) -> Response:
    """Give an order other values."""
    order, faults, house = known(number), dict[str, str](), services()
    values = _typed(faults)
    if faults:
        return _page(order, 422, faults)
    seen = paging.form_number("seen") or 0
    try:
        fields = changed(order.fields, values)
        house.catalog.orders.change(number, fields, seen, known_person().name, house.clock.now())
    except OrderRefused as refused:
        stale = "" in refused.faults
        if stale:
            refused.faults[""] += " Nothing was overwritten; below is how it is now."
        return _page(known(number), 409 if stale else 422, refused.faults)
    except IllegalTransition:
        return _page(known(number), 409, {"": "The order is over: it cannot be changed any more."})
    flash("The order is changed.", "good")
    return redirect(url_for("worklist.show", number=number), 303)


@pages.post("/<int:number>/cancel")
@needs(Right.RECALL)
def cancel(number: int) -> Response:
    """Take an order back, for a reason."""
    order, house = known(number), services()
    reason = " ".join(request.form.get("reason", "").replace("\0", "").split())[:MAX_REASON]
    if not reason:
        return _page(order, 422, {"reason": "Say why, in a sentence."})
    try:
        house.catalog.orders.cancel(number, reason, known_person().name, house.clock.now())
    except IllegalTransition:
        return _page(known(number), 409, {"": "The order was completed meanwhile: it cannot be taken back."})
    flash("The order is taken back.", "good")
    return redirect(url_for("worklist.show", number=number), 303)


def known(number: int) -> OrderRecord:
    """An order, or a page that says there is none."""
    try:
        return services().catalog.orders.get(number)
    except NotCatalogued:
        abort(404, f"There is no order {number}.")


def _typed(faults: dict[str, str]) -> dict[str, Any]:
    """What was typed into the form, as values of an order."""
    zone = services().settings.zone
    values: dict[str, Any] = {name: request.form.get(name, "").replace("\0", "").strip() for name in FORM}
    values["modality"], values["body_part"] = values["modality"].upper(), values["body_part"].upper()
    born = values["birth_date"]
    values["birth_date"] = date_of(born)
    if born and values["birth_date"] is None:
        faults["birth_date"] = "Write a day as 1970-03-31, or leave it empty."
    try:
        values["scheduled_at"] = datetime.fromisoformat(request.form.get("at", "")).replace(tzinfo=zone)
    except ValueError:
        faults["at"] = "Write a time as 2027-03-31T14:30."
    minutes = paging.form_number("minutes")
    if minutes is None or not 1 <= minutes <= 1440:
        faults["minutes"] = "An appointment takes 1 to 1440 minutes."
    values["duration_s"] = (minutes or 0) * 60
    return values


def form_of(order: OrderRecord) -> dict[str, str]:
    """An order as the form has it."""
    zone, fields = services().settings.zone, order.fields
    said = {name: getattr(fields, name) for name in FORM}
    said["birth_date"] = fields.birth_date.isoformat() if fields.birth_date else ""
    said["at"] = fields.scheduled_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
    said["minutes"] = str(max(1, fields.duration_s // 60))
    return said


def _index(status: int = 200, faults: dict[str, str] | None = None) -> Response:
    house, now = services(), services().clock.now()
    zone, size = house.settings.zone, house.settings.page_size
    begin, end = paging.day("day", zone), paging.day("day", zone, behind=True)
    if begin is None or end is None:
        begin = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)
        end = begin + timedelta(days=COMING_DAYS)
    shown = paging.choice("show", Show) or Show.OPEN
    states = OPEN_ORDERS if shown is Show.OPEN else ()
    found = house.catalog.orders.list(begin, end, states)
    page = max(1, paging.number("page") or 1)
    rows = found[(page - 1) * size : page * size]
    answer = render_template(
        "worklist.html",
        orders=rows,
        total=len(found),
        day=paging.text("day") if paging.day("day", zone) else "",
        days=COMING_DAYS,
        show=shown,
        choices=Show,
        arrived=house.catalog.orders.arrived([order.id for order in rows]),
        priors={order.id: _priors(order) for order in rows},
        Availability=Availability,
        quarantined=house.catalog.order_messages.quarantined_count(),
        faults=faults or {},
        typed=request.form if faults else {"minutes": "30"},
        previous=paging.here(page=page - 1 if page > 2 else None) if page > 1 else None,
        following=paging.here(page=page + 1) if page * size < len(found) else None,
    )
    return make_response(answer, status)


def _priors(order: OrderRecord) -> dict[str, Availability]:
    """The patient's studies but the one that the order makes."""
    found = services().catalog.prefetches.priors_of(order.fields.patient_id, order.fields.issuer)
    found.pop(order.fields.study_instance_uid, None)
    return found


def _page(order: OrderRecord, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    catalog = services().catalog
    priors = _priors(order)
    answer = render_template(
        "order.html",
        order=order,
        fields={name: getattr(order.fields, name) for name in FIELD_NAMES},
        priors=priors,
        prefetched={prior.study_instance_uid: prior for prior in catalog.prefetches.of_orders([order.id])[order.id]},
        performed=catalog.performed.of_order(order.id),
        study=catalog.orders.arrived([order.id]).get(order.id),
        labels=labels(catalog, list(priors)),
        is_open=order.state in OPEN_ORDERS,
        OrderState=OrderState,
        faults=faults or {},
        typed=request.form if faults and "" not in faults and "at" in request.form else form_of(order),
    )
    return make_response(answer, status)
