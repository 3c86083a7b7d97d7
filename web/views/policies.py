"""The rules in force, those before them, and what they would do."""

from typing import Any, cast

from flask import Blueprint, abort, current_app, render_template

from hsm.access.roles import Right
from web import paging
from web.access.gate import needs
from web.memo import Aside, Working
from web.reads.policy import DryRun, DryRunImpossible, Horizon, dry_run
from web.reads.studies import labels
from web.services import services

pages = Blueprint("policies", __name__)
SHOWN_VERSIONS = 50


@pages.get("/policies")
@needs(Right.LOOK)
def show() -> str:
    """The rules in force and their history."""
    history = services().catalog.policies.history(limit=SHOWN_VERSIONS)
    return render_template("policies.html", current=history[0] if history else None, version=None, history=history)


@pages.get("/policies/<int:number>")
@needs(Right.LOOK)
def version(number: int) -> str:
    """One version of the rules."""
    history = services().catalog.policies.history(limit=SHOWN_VERSIONS)
    found = next((version for version in history if version.version == number), None)
    if found is None:
        abort(404, f"There is no version {number} of the rules among the last {SHOWN_VERSIONS}.")
    return render_template("policies.html", current=history[0], version=found, history=history)


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
