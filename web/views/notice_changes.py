"""One target or one rule of notifications in a form of its own, to change it."""

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.notices.model import NoticeChanged, NoticeRefused, Rule, Target, checked_rule, checked_target, version_of
from web.access.gate import known_person, needs
from web.services import services
from web.views.notifications import CALENDARS, KINDS, LEVEL_WORDS

pages = Blueprint("notice_changes", __name__)
NO_TARGET = "There is no target with this name; somebody may have removed it."
NO_RULE = "There is no such rule; somebody may have removed it."
STALE = "Not changed: somebody changed it in the meantime. What is in force now is in the form; yours is gone."


def _form(kept: Target | Rule, faults: dict[str, str] | None = None, stale: bool = False) -> Response:
    house = services()
    typed = request.form if faults else {}
    return make_response(
        render_template(
            "notice_change.html",
            target=kept if isinstance(kept, Target) else None,
            rule=kept if isinstance(kept, Rule) else None,
            value=lambda name: typed.get(name) or getattr(kept, name),
            seen=request.form.get("seen", "") if faults else version_of(kept),
            faults=faults or {},
            stale=STALE if stale else "",
            targets=house.catalog.notices.targets(),
            calendars=CALENDARS,
            levels=LEVEL_WORDS,
            kinds=KINDS,
        ),
        422 if faults else 409 if stale else 200,
    )


def _target(name: str) -> Target:
    found = next((one for one in services().catalog.notices.targets() if one.name == name), None)
    return found or abort(404, NO_TARGET)


def _rule(rule_id: int) -> Rule:
    found = next((one for one in services().catalog.notices.rules() if one.id == rule_id), None)
    return found or abort(404, NO_RULE)


@pages.get("/notifications/targets/<name>")
@needs(Right.ADMINISTER)
def target(name: str) -> Response:
    """The form of a target."""
    return _form(_target(name))


@pages.post("/notifications/targets/<name>")
@needs(Right.ADMINISTER)
def change_target(name: str) -> Response:
    """Give a target another way or address; its rules stay."""
    house, kept, form = services(), _target(name), request.form
    try:
        wanted = checked_target(kept.name, form.get("kind", ""), form.get("address", ""))
        house.catalog.notices.change_target(wanted, form.get("seen", ""), known_person().name, house.clock.now())
    except NoticeRefused as refused:
        return _form(kept, refused.faults)
    except NoticeChanged:
        return _form(_target(name), stale=True)
    except NotCatalogued:
        abort(404, NO_TARGET)
    flash(f"{name} is told at {wanted.address} from now on. Send a test.", "good")
    return redirect(url_for("notifications.index"), 303)


@pages.get("/notifications/rules/<int:rule_id>")
@needs(Right.ADMINISTER)
def rule(rule_id: int) -> Response:
    """The form of a rule."""
    return _form(_rule(rule_id))


@pages.post("/notifications/rules/<int:rule_id>")
@needs(Right.ADMINISTER)
def change_rule(rule_id: int) -> Response:
    """Let a rule say something else."""
    house, kept, form = services(), _rule(rule_id), request.form
    known = [one.name for one in house.catalog.notices.targets()]
    try:
        checked = checked_rule(
            form.get("target", ""),
            form.get("level", ""),
            form.get("events", ""),
            form.get("subject", ""),
            form.get("calendar", ""),
            known,
        )
        wanted = Rule(rule_id, checked.target, checked.level, checked.events, checked.subject, checked.calendar)
        house.catalog.notices.change_rule(wanted, form.get("seen", ""), known_person().name, house.clock.now())
    except NoticeRefused as refused:
        return _form(kept, refused.faults)
    except NoticeChanged:
        return _form(_rule(rule_id), stale=True)
    except NotCatalogued:
        abort(404, NO_RULE)
    flash("The rule is changed.", "good")
    return redirect(url_for("notifications.index"), 303)
