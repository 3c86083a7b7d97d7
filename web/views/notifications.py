"""Who is told of what: targets, rules, what was told lately, and a test for each target."""

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.notices.dispatch import send_test
from hsm.notices.model import LEVELS, Calendar, NoticeRefused, NotTold, TargetKind, checked_rule, checked_target
from hsm.notices.sending import as_fields
from web.access.gate import known_person, needs
from web.services import services

pages = Blueprint("notifications", __name__)
CALENDARS = (
    (Calendar.ALWAYS.value, "always"),
    (Calendar.WORKING_HOURS.value, "in working hours: Monday to Friday, 7 to 18"),
    (Calendar.NIGHT.value, "at night: 22 to 6"),
    (Calendar.WEEKEND.value, "at the weekend"),
)
LEVEL_WORDS = (("error", "errors only"), ("warning", "warnings and errors"), ("info", "everything"))
KINDS = ((TargetKind.MAIL.value, "mail"), (TargetKind.WEBHOOK.value, "webhook"))
NOT_SENT = "Notifications are sent by an appliance that runs; this one was started without that part."


def _page(status: int = 200, faults: dict[str, str] | None = None, form: str = "") -> Response:
    house = services()
    return make_response(
        render_template(
            "notifications.html",
            targets=house.catalog.notices.targets(),
            rules=house.catalog.notices.rules(),
            outbox=house.catalog.notices.outbox(),
            calendars=CALENDARS,
            levels=LEVEL_WORDS,
            kinds=KINDS,
            ways=as_fields(house.send) if house.send else {},
            not_sent="" if house.send else NOT_SENT,
            target_faults=faults if faults and form == "target" else {},
            rule_faults=faults if faults and form == "rule" else {},
            target_typed=request.form if form == "target" else {},
            rule_typed=request.form if form == "rule" else {},
        ),
        status,
    )


@pages.get("/notifications")
@needs(Right.ADMINISTER)
def index() -> Response:
    """All of it."""
    return _page()


@pages.post("/notifications/targets")
@needs(Right.ADMINISTER)
def add_target() -> Response:
    """Add somebody or something that can be told."""
    house, form = services(), request.form
    try:
        target = checked_target(form.get("name", ""), form.get("kind", ""), form.get("address", ""))
        house.catalog.notices.add_target(target, known_person().name, house.clock.now())
    except NoticeRefused as refused:
        return _page(422, refused.faults, "target")
    flash(f"{target.name} can be told now. Send a test, and add a rule.", "good")
    return redirect(url_for("notifications.index"), 303)


@pages.post("/notifications/targets/<name>/test")
@needs(Right.ADMINISTER)
def test(name: str) -> Response:
    """Send a test now and show the answer."""
    house = services()
    target = next((one for one in house.catalog.notices.targets() if one.name == name), None)
    if target is None:
        abort(404, "There is no target with this name.")
    if house.send is None:
        abort(409, NOT_SENT)
    try:
        answer = send_test(house.send, target, known_person().name, house.clock.now())
    except NotTold as error:
        flash(f"The test to {name} did not go: {error}.", "warn")
    else:
        flash(f"The test to {name} is sent: {answer}.", "good")
    return redirect(url_for("notifications.index"), 303)


@pages.post("/notifications/targets/<name>/remove")
@needs(Right.ADMINISTER)
def remove_target(name: str) -> Response:
    """Forget a target with its rules, and what it was still to be told; its name was typed to be sure."""
    house = services()
    if request.form.get("typed", "").strip() != name:
        flash(f"Not removed: type {name} into the field beside the button.", "warn")
        return redirect(url_for("notifications.index"), 303)
    try:
        house.catalog.notices.remove_target(name, known_person().name, house.clock.now())
    except NotCatalogued:
        abort(404, "There is no target with this name.")
    flash(f"{name} is told nothing any more.", "good")
    return redirect(url_for("notifications.index"), 303)


@pages.post("/notifications/rules")
@needs(Right.ADMINISTER)
def add_rule() -> Response:
    """Route further events to a target."""
    house, form = services(), request.form
    known = [target.name for target in house.catalog.notices.targets()]
    level = form.get("level", "") if form.get("level", "") in LEVELS else ""
    try:
        rule = checked_rule(
            form.get("target", ""),
            level,
            form.get("events", ""),
            form.get("subject", ""),
            form.get("calendar", ""),
            known,
        )
        house.catalog.notices.add_rule(rule, known_person().name, house.clock.now())
    except NoticeRefused as refused:
        return _page(422, refused.faults, "rule")
    flash(f"{rule.target} is told of further events from now on.", "good")
    return redirect(url_for("notifications.index"), 303)


@pages.post("/notifications/rules/<int:rule_id>/remove")
@needs(Right.ADMINISTER)
def remove_rule(rule_id: int) -> Response:
    """Route these events no more."""
    house = services()
    try:
        house.catalog.notices.remove_rule(min(rule_id, 2**53), known_person().name, house.clock.now())
    except NotCatalogued:
        abort(404, "There is no such rule; somebody may have removed it before you.")
    flash("The rule is gone.", "good")
    return redirect(url_for("notifications.index"), 303)
