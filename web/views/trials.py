"""Tries rules on the real catalog before they are in force: a draft, or an earlier version."""

from typing import Any

from flask import Blueprint, render_template, request, url_for

from hsm.access.roles import Right
from hsm.policy.compare import Part, Verb
from web import paging
from web.access.gate import needs
from web.reads.policy import Horizon, Line, line_of
from web.reads.studies import labels
from web.reads.trial import HORIZONS, Trial, trial_now
from web.services import services
from web.views.drafts import known_draft
from web.views.policies import known_version

pages = Blueprint("trials", __name__, url_prefix="/policies")
PAGE_LINES = 100
WHICH = ("does", "more", "fewer")


@pages.get("/draft/dry-run")
@needs(Right.RULES)
def show() -> str:
    """What my draft would do."""
    return _page(known_draft().text, "The draft", url_for("drafts.show"))


@pages.get("/<int:number>/dry-run")
@needs(Right.RULES)
def of_version(number: int) -> str:
    """What an earlier version would do."""
    version = known_version(number)
    return _page(version.text, f"Version {number}", url_for("policies.version", number=number))


def _page(text: str, title: str, back: str) -> str:
    house = services()
    current = house.catalog.policies.current()
    found = trial_now(text, current)
    about: dict[str, Any] = {"title": title, "back": back, "trials": found, "current": current, "horizons": HORIZONS}
    horizon = paging.choice("when", Horizon)
    verb = paging.choice("what", Verb)
    which = request.args.get("which", "does")
    chosen = next((trial for trial in found.known if trial.horizon is horizon), None)
    if chosen is not None and verb is not None and which in WHICH:
        about |= _listed(chosen, verb, which, max(1, paging.number("page") or 1))
    return render_template("rules/trial.html", **about)


def _listed(trial: Trial, verb: Verb, which: str, page: int) -> dict[str, Any]:
    part: Part = {"does": trial.found.does, "more": trial.found.more, "fewer": trial.found.fewer}[which][verb]
    first = (page - 1) * PAGE_LINES
    lines: list[Line] = [line_of(action) for action in part.actions[first : first + PAGE_LINES]]
    more = first + PAGE_LINES < len(part.actions)
    return {
        "listed": part,
        "verb": verb,
        "which": which,
        "horizon": trial.horizon,
        "lines": lines,
        "first": first + 1,
        "labels": labels(services().catalog, [line.study_instance_uid for line in lines]),
        "previous": paging.here(page=page - 1 if page > 2 else None) if page > 1 else None,
        "following": paging.here(page=page + 1) if more else None,
    }
