"""The rules in force, those before them, and what they would do."""

from typing import Any, cast

from flask import Blueprint, abort, current_app, render_template

from hsm.access.roles import Right
from hsm.catalog.records import PolicyVersion
from web import paging
from web.access.gate import known_person, may, needs
from web.memo import Aside, Working
from web.reads.drafts import difference, version_of
from web.reads.policy import NO_POLICY, DryRun, DryRunImpossible, Horizon, dry_run
from web.reads.studies import labels
from web.services import services

pages = Blueprint("policies", __name__)
SHOWN_VERSIONS = 50


@pages.get("/policies")
@needs(Right.LOOK)
def show() -> str:
    """The rules in force and their history."""
    return _page(None)


@pages.get("/policies/<int:number>")
@needs(Right.LOOK)
def version(number: int) -> str:
    """One version of the rules."""
    return _page(known_version(number))


@pages.get("/policies/compare")
@needs(Right.LOOK)
def compare() -> str:
    """How two versions differ; without a choice the two newest."""
    newest = services().catalog.policies.history(limit=2)
    numbers = [paging.number(name) for name in ("old", "new")]
    if not newest:
        abort(404, NO_POLICY)
    old = known_version(numbers[0] or newest[-1].version)
    new = known_version(numbers[1] or newest[0].version)
    return render_template("rules/compare.html", old=old, new=new, unlike=difference(old.text, new.text))


def _page(chosen: PolicyVersion | None) -> str:
    house = services()
    before = paging.number("before")
    history = house.catalog.policies.history(SHOWN_VERSIONS + 1, before)
    drafts = house.catalog.drafts.list() if may(Right.RULES) else []
    name = known_person().name
    return render_template(
        "policies.html",
        current=house.catalog.policies.current(),
        version=chosen,
        history=history[:SHOWN_VERSIONS],
        older=history[SHOWN_VERSIONS - 1].version if len(history) > SHOWN_VERSIONS else None,
        draft=next((draft for draft in drafts if draft.account == name), None),
        others=[draft for draft in drafts if draft.account != name],
    )


def known_version(number: int) -> PolicyVersion:
    """One version of the rules, or a page that says there is none."""
    found = version_of(services(), number)
    if found is None:
        abort(404, f"There is no version {number} of the rules.")
    return found


@pages.get("/policies/dry-run")
@needs(Right.LOOK)
def try_out() -> str:
    """What the rules would do to the real catalog; of a large one the page says that it is being worked out."""
    house = services()
    horizon = paging.choice("when", Horizon) or Horizon.TONIGHT
    current = house.catalog.policies.current()
    question = f"{current.version if current else 0}.{horizon.value}"
    now = house.clock.now()
    about: dict[str, Any] = {"horizon": horizon, "horizons": Horizon, "run": None, "working": None, "trouble": ""}
    try:
        found = _dry_runs().get(question, lambda: dry_run(house, horizon, now), house.settings.patience_s)
    except DryRunImpossible as error:
        return render_template("dry_run.html", **about | {"trouble": str(error)})
    if isinstance(found, Working):
        return render_template("dry_run.html", **about | {"working": found})
    uids = [line.study_instance_uid for line in found.value.lines]
    about |= {"run": found.value, "worked_out_at": found.at, "labels": labels(house.catalog, uids)}
    return render_template("dry_run.html", **about)


def _dry_runs() -> Aside[DryRun]:
    """The dry runs of this application."""
    house = services()
    fresh = Aside[DryRun](house.settings.plan_max_age_s, house.clock.now)
    return cast("Aside[DryRun]", current_app.extensions.setdefault("firn.dry-runs", fresh))
