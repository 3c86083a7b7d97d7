"""Puts rules in force: a draft, or an earlier version once more; through one door, with the difference and a reason."""

from dataclasses import dataclass

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import DraftChanged, PolicyOutdated
from hsm.catalog.records import DraftRecord, PolicyVersion
from hsm.policy import PolicyInvalid
from hsm.publishing import judge, publish
from web.access.gate import known_person, needs
from web.reads.drafts import difference, version_of
from web.reads.trial import Trials, trial_now
from web.services import services
from web.views.drafts import ELSEWHERE, known_draft

pages = Blueprint("publishing", __name__, url_prefix="/policies")
MAX_REASON = 500
WHY = "Say why, in a sentence: whoever looks at the history will want to know."
NOT_KNOWN_YET = "What these rules would do is still being worked out. Nothing was published; it appears below."
OUTDATED = "Somebody put other rules in force meanwhile. Nothing was overwritten: look at the difference again."


@dataclass(frozen=True)
class Wish:
    """Rules that somebody wants in force."""

    text: str
    base: int  # the version in force that its author saw
    draft: DraftRecord | None = None
    restores: PolicyVersion | None = None


@pages.get("/draft/publish")
@needs(Right.RULES)
def ask() -> Response:
    """What publishing my draft would change, and the question why."""
    return _page(_of_draft())


@pages.post("/draft/publish")
@needs(Right.RULES)
def do() -> Response:
    """Publish my draft."""
    wish = _of_draft()
    if wish.draft is not None and request.form.get("revision") != str(wish.draft.revision):
        return _page(wish, {"": ELSEWHERE}, 409)
    return _published(wish)


@pages.post("/draft/rebase")
@needs(Right.RULES)
def rebase() -> Response:
    """Go on from the version in force by now, whose difference was read; the text of the draft stays."""
    house, draft = services(), known_draft()
    current = house.catalog.policies.current()
    if current is None or request.form.get("seen") != str(current.version):
        return _page(_of_draft(), {"": OUTDATED}, 409)
    try:
        house.catalog.drafts.save(draft.account, draft.text, draft.revision, house.clock.now(), current.version)
    except DraftChanged:
        flash(ELSEWHERE, "warn")
    return redirect(url_for("publishing.ask"), 303)


@pages.get("/<int:number>/restore")
@needs(Right.RULES)
def ask_again(number: int) -> Response:
    """What going back to an earlier version would change."""
    return _page(_of_version(number))


@pages.post("/<int:number>/restore")
@needs(Right.RULES)
def restore(number: int) -> Response:
    """Put an earlier version in force again, as a new version."""
    wish, seen = _of_version(number), request.form.get("seen", "")
    if seen != str(wish.base):
        return _page(wish, {"": OUTDATED}, 409)
    return _published(wish)


def _of_draft() -> Wish:
    draft = known_draft()
    return Wish(draft.text, draft.base, draft=draft)


def _of_version(number: int) -> Wish:
    version, current = version_of(services(), number), services().catalog.policies.current()
    if version is None or current is None:
        abort(404, f"There is no version {number} of the rules.")
    return Wish(version.text, current.version, restores=version)


def _number(wish: Wish) -> int:
    return wish.restores.version if wish.restores else 0


def _published(wish: Wish) -> Response:
    house, reason = services(), " ".join(request.form.get("reason", "").split())
    faults = {}
    if not reason:
        faults["reason"] = WHY
    elif len(reason) > MAX_REASON:
        faults["reason"] = f"At most {MAX_REASON} characters."
    current = house.catalog.policies.current()
    if judge(wish.text, house.volume_pools).valid and (current is None or current.version == wish.base):
        found = trial_now(wish.text, current)
        if found.pending:
            return _page(wish, {"": NOT_KNOWN_YET}, 409)
        if not _confirmed(found):
            faults["confirm"] = f"Type the number {found.releases_more} to go on."
    if faults:
        return _page(wish, faults, 422)
    try:
        number = publish(
            house.catalog, wish.text, house.volume_pools, known_person().name, house.clock.now(), wish.base, reason
        )
    except PolicyOutdated:
        return _page(wish, {"": OUTDATED}, 409)
    except PolicyInvalid:
        return _page(wish, {"": "These rules have faults and cannot be put in force."}, 422)
    if wish.draft is not None:
        house.catalog.drafts.discard(wish.draft.account)
    flash(f"Version {number} is in force; the next reading of the rules follows it.", "good")
    return redirect(url_for("policies.show"), 303)


def _asks_for_number(found: Trials) -> bool:
    return (found.releases_more or 0) >= services().settings.confirm_releases


def _confirmed(found: Trials) -> bool:
    """Whether the number of releases was typed as it was shown, and did not grow since."""
    if not _asks_for_number(found):
        return True
    typed, shown = request.form.get("confirm", "").strip(), request.form.get("shown", "")
    digits = typed.isascii() and typed.isdecimal() and len(typed) < 16
    return digits and typed == shown and int(typed) >= (found.releases_more or 0)


def _page(wish: Wish, faults: dict[str, str] | None = None, status: int = 200) -> Response:
    house = services()
    current = house.catalog.policies.current()
    base = version_of(house, wish.base)
    outdated = current is not None and current.version != wish.base
    judged = judge(wish.text, house.volume_pools)
    unlike = difference(current.text if current else "", wish.text)
    tried = trial_now(wish.text, current) if judged.valid and unlike.lines and not outdated else Trials()
    page = render_template(
        "rules/publish.html",
        wish=wish,
        current=current,
        base=base,
        meanwhile=difference(base.text if base else "", current.text) if outdated and current else None,
        unlike=unlike,
        trials=tried,
        asks_for_number=_asks_for_number(tried),
        lists=url_for("trials.show") if wish.draft else url_for("trials.of_version", number=_number(wish)),
        judged=judged,
        faults=faults or {},
        reason=request.form.get("reason", f"Back to version {wish.restores.version}: " if wish.restores else ""),
    )
    return make_response(page, status)
