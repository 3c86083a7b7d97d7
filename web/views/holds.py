"""Reasons why studies may not go: placed, changed and lifted, each with a reason and who did it."""

import hashlib
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import HoldRefused, NotCatalogued
from hsm.catalog.records import HoldRecord, StudySummary
from web import paging
from web.access.gate import known_person, needs
from web.reads.studies import Show as Studies
from web.reads.studies import labels, search
from web.services import services

pages = Blueprint("holds", __name__, url_prefix="/holds")
MAX_REASON = 500
OFFERED = 20  # studies that a search offers to choose from
WHY = "Say why, in a sentence."
TOO_LONG = f"At most {MAX_REASON} characters."


class Show(StrEnum):
    """Which holds are listed."""

    BINDING = "binding"
    OVER = "over"
    ALL = "all"


@pages.get("")
@needs(Right.LOOK)
def index() -> Response:
    """The holds, and a form for another."""
    return _index()


@pages.post("")
@needs(Right.RULES)
def place() -> Response:
    """Place a hold on a study; words instead of a UID are searched for."""
    house, now = services(), services().clock.now()
    wanted, faults = request.form.get("study", "").strip().replace("\0", ""), dict[str, str]()
    reason, until = _reason(faults), _until(faults, None)
    study = house.catalog.studies.get(wanted)
    if study is None:
        found = search(house.catalog, wanted, Studies.ALL, house.settings.safe_copies, OFFERED, 0) if wanted else None
        offered: tuple[StudySummary, ...] = found.rows if found else ()
        faults["study"] = _which(wanted, len(offered), found.total if found else 0)
        return _index(422, faults, offered)
    if faults:
        return _index(422, faults)
    house.catalog.holds.place(study.study_instance_uid, reason, known_person().name, now, until)
    flash("The hold is in force: the study is neither released nor destroyed.", "good")
    if request.form.get("back") == "study":
        return redirect(url_for("studies.show", uid=study.study_instance_uid, _anchor="holds"), 303)
    return redirect(url_for("holds.index"), 303)


def _which(wanted: str, offered: int, total: int) -> str:
    if not wanted:
        return "Name the study: its UID, or words to search for."
    if not total:
        return "No study fits. Search by name, patient ID, accession number or date, or give its UID."
    return f"{total} fit" + (f"; the first {offered} are below" if total > offered else "") + ". Choose one."


@pages.get("/<int:number>")
@needs(Right.LOOK)
def show(number: int) -> Response:
    """One hold, and what can be done with it."""
    return _page(known(number))


@pages.post("/<int:number>")
@needs(Right.RULES)
def change(number: int) -> Response:
    """Give a hold another reason or end."""
    hold, faults = known(number), dict[str, str]()
    house = services()
    reason, until = _reason(faults), _until(faults, hold.until)
    if request.form.get("seen", "") != _stamp(hold):
        faults[""] = "Somebody else changed this hold meanwhile. Nothing was overwritten; below is how it is now."
        return _page(hold, 409, faults)
    if faults:
        return _page(hold, 422, faults)
    try:
        seen = (hold.reason, hold.until)
        house.catalog.holds.change(number, reason, until, known_person().name, house.clock.now(), seen)
    except HoldRefused as refused:
        return _page(known(number), 409, {"": f"{refused}".capitalize() + "."})
    flash("The hold is changed.", "good")
    return redirect(url_for("holds.show", number=number), 303)


@pages.post("/<int:number>/lift")
@needs(Right.RULES)
def lift(number: int) -> Response:
    """End a hold, for a reason."""
    hold, faults = known(number), dict[str, str]()
    reason = _reason(faults, "lift_reason")
    if faults:
        return _page(hold, 422, faults)
    house = services()
    house.catalog.holds.lift(number, house.clock.now(), known_person().name, reason)
    flash("The hold is lifted: the rules decide about the study again.", "good")
    return redirect(url_for("holds.show", number=number), 303)


def known(number: int) -> HoldRecord:
    """A hold, or a page that says there is none."""
    try:
        return services().catalog.holds.get(number)
    except NotCatalogued:
        abort(404, f"There is no hold {number}.")


def _reason(faults: dict[str, str], field: str = "reason") -> str:
    reason = " ".join(request.form.get(field, "").replace("\0", "").split())
    if not reason:
        faults[field] = WHY
    elif len(reason) > MAX_REASON:
        faults[field] = TOO_LONG
    return reason


def _until(faults: dict[str, str], before: datetime | None) -> datetime | None:
    """The end of the day that was typed; None without one. A day that is as it was keeps its hour."""
    text = request.form.get("until", "").strip()
    if not text:
        return None
    zone, now = services().settings.zone, services().clock.now()
    if before is not None and text == last_day(before):
        return before
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), tzinfo=zone)
    except (ValueError, OverflowError):
        faults["until"] = "Write a day as 2027-03-31, or leave it empty."
        return None
    if end <= now:
        faults["until"] = "This day is over already."
    return end.astimezone(now.tzinfo)


def last_day(until: datetime) -> str:
    """The last day on which a hold binds, as a date field wants it."""
    return (until - timedelta(microseconds=1)).astimezone(services().settings.zone).date().isoformat()


def _stamp(hold: HoldRecord) -> str:
    """What tells whether a hold is still as it was shown."""
    return hashlib.sha256(f"{hold.until}\n{hold.lifted_at}\n{hold.reason}".encode()).hexdigest()[:16]


def binds(hold: HoldRecord, now: datetime) -> bool:
    """Whether a hold is in force. Pure."""
    return hold.lifted_at is None and (hold.until is None or hold.until > now)


def _index(status: int = 200, faults: dict[str, str] | None = None, offered: tuple[StudySummary, ...] = ()) -> Response:
    house, now = services(), services().clock.now()
    show = paging.choice("show", Show) or Show.BINDING
    holds = house.catalog.holds.list(in_force_at=now if show is Show.BINDING else None)
    chosen = [hold for hold in holds if show is not Show.OVER or not binds(hold, now)]
    size, page = house.settings.page_size, max(1, paging.number("page") or 1)
    rows = list(reversed(chosen))[(page - 1) * size : page * size]
    answer = render_template(
        "holds.html",
        holds=rows,
        total=len(chosen),
        show=show,
        choices=Show,
        binds=lambda hold: binds(hold, now),
        labels=labels(house.catalog, [hold.study_instance_uid for hold in rows]),
        faults=faults or {},
        typed=request.form if faults else request.args,
        offered=offered,
        previous=paging.here(page=page - 1 if page > 2 else None) if page > 1 else None,
        following=paging.here(page=page + 1) if page * size < len(chosen) else None,
    )
    return make_response(answer, status)


def _page(hold: HoldRecord, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    house, now = services(), services().clock.now()
    answer = render_template(
        "hold.html",
        hold=hold,
        binds=binds(hold, now),
        labels=labels(house.catalog, [hold.study_instance_uid]),
        faults=faults or {},
        typed=request.form if faults and "" not in faults else {},
        last_day=last_day(hold.until) if hold.until else "",
        stamp=_stamp(hold),
    )
    return make_response(answer, status)
