"""The rules in force, those before them, and what they would do."""

from flask import Blueprint, abort, render_template

from web import paging
from web.memo import remembered
from web.reads.policy import DryRunImpossible, Horizon, dry_run
from web.reads.studies import labels
from web.services import services

pages = Blueprint("policies", __name__)
SHOWN_VERSIONS = 50


@pages.get("/policies")
def show() -> str:
    """The rules in force and their history."""
    history = services().catalog.policies.history(limit=SHOWN_VERSIONS)
    return render_template("policies.html", current=history[0] if history else None, version=None, history=history)


@pages.get("/policies/<int:number>")
def version(number: int) -> str:
    """One version of the rules."""
    history = services().catalog.policies.history(limit=SHOWN_VERSIONS)
    found = next((version for version in history if version.version == number), None)
    if found is None:
        abort(404, f"There is no version {number} of the rules among the last {SHOWN_VERSIONS}.")
    return render_template("policies.html", current=history[0], version=found, history=history)


@pages.get("/policies/dry-run")
def try_out() -> str:
    """What the rules would do to the real catalog, worked out again when the last answer is old."""
    house = services()
    horizon = paging.choice("when", Horizon) or Horizon.TONIGHT
    current = house.catalog.policies.current()
    question = f"dry-run.{current.version if current else 0}.{horizon.value}"
    now = house.clock.now()
    try:
        kept = remembered(question, house.settings.plan_max_age_s, lambda: dry_run(house, horizon, now), now)
    except DryRunImpossible as error:
        return render_template("dry_run.html", run=None, trouble=str(error), horizon=horizon, horizons=Horizon)
    return render_template(
        "dry_run.html",
        run=kept.value,
        worked_out_at=kept.at,
        labels=labels(house.catalog, [line.study_instance_uid for line in kept.value.lines]),
        horizon=horizon,
        horizons=Horizon,
    )
