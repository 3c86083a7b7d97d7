"""Rules being written: rule by rule in a form, or as text; one draft for each account, kept until it is published."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import DraftChanged
from hsm.catalog.records import DraftRecord
from hsm.policy.form import SAMES, SUBJECTS, TESTS, RuleForm, Shape
from hsm.policy.model import Codec, Period, Weekday
from hsm.policy.notes import rule_text
from hsm.policy.pieces import Piece, Pieces, lead_of, split
from hsm.policy.reading import Faults, comment_in, read_form
from hsm.policy.words import SIZE_UNITS
from hsm.states import Availability
from web.access.gate import known_person, needs
from web.reads.drafts import Difference, difference, form_at, names_besides, others, shown, version_of
from web.rules.posted import rule_in
from web.rules.steps import NEW_ACTIONS, NEW_SCHEDULES, SAVE, TIMES, UNITS, stepped
from web.services import services

pages = Blueprint("drafts", __name__, url_prefix="/policies")
MAX_RULES_CHARACTERS = 50_000
TOO_LONG = f"More than {MAX_RULES_CHARACTERS} characters; no rules are that long."
ELSEWHERE = "This draft was changed on another page since you opened this one. Nothing was overwritten."
COPY_IT = f"{ELSEWHERE} What you wrote stands below: copy it, and open the draft again."
COMPARE_IT = (
    f"{ELSEWHERE} Below is how your text differs from the draft as it is now; keeping it again puts yours there."
)


@pages.get("/draft")
@needs(Right.RULES)
def show() -> str:
    """My draft, rule by rule."""
    house, draft = services(), mine()
    about: dict[str, Any] = {"draft": draft, "others": others(house, known_person().name)}
    about |= {"current": house.catalog.policies.current()}
    if draft is not None:
        about |= {"shown": shown(house, draft.text), "base": version_of(house, draft.base)}
    return render_template("rules/draft.html", **about)


@pages.post("/draft")
@needs(Right.RULES)
def begin() -> Response:
    """Begin a draft as a change of the rules in force; one that is there goes on."""
    house = services()
    current = house.catalog.policies.current()
    text, base = (current.text, current.version) if current else ("", 0)
    house.catalog.drafts.begin(known_person().name, text, base, house.clock.now())
    return redirect(url_for("drafts.show"), 303)


@pages.post("/draft/discard")
@needs(Right.RULES)
def discard() -> Response:
    """Throw my draft away."""
    services().catalog.drafts.discard(known_person().name)
    flash("The draft is thrown away. The rules in force are as they were.", "good")
    return redirect(url_for("policies.show"), 303)


@pages.post("/draft/step")
@needs(Right.RULES)
def step() -> Response:
    """Move, double or remove a whole rule."""
    draft = known_draft()
    verb, _, number = request.form.get("step", "").partition(":")
    pieces = split(draft.text)
    at = int(number) if number.isdecimal() else -1
    if not 0 <= at < len(pieces.rules):
        abort(400, "There is no such rule in the draft.")
    match verb:
        case "up" if at > 0:
            changed, anchor = pieces.moved(at, at - 1), at - 1
        case "down" if at < len(pieces.rules) - 1:
            changed, anchor = pieces.moved(at, at + 1), at + 1
        case "double":
            changed, anchor = pieces.put(at + 1, _doubled(pieces, at)), at + 1
        case "remove":
            changed, anchor = pieces.put(at, instead=1), max(at - 1, 0)
        case _:
            abort(400, "There is no such button.")
    try:
        save(draft, changed.text())
    except DraftChanged:
        flash(ELSEWHERE, "warn")
    return redirect(url_for("drafts.show", _anchor=f"rule-{anchor}"), 303)


def _doubled(pieces: Pieces, at: int) -> Piece:
    """A rule once more, under a name of its own; as it stands when it cannot be read."""
    piece = pieces.rules[at]
    form = form_at(pieces, at)
    if form is None:
        return piece
    taken, number = names_besides(pieces, -1), 2
    while f"{form.name} {number}" in taken:
        number += 1
    renamed, _ = read_form(replace(form, name=f"{form.name} {number}"))
    return Piece(piece.lead, rule_text(renamed))


@pages.get("/draft/text")
@needs(Right.RULES)
def as_text() -> Response:
    """My draft as text."""
    draft = known_draft()
    return _text_page(draft, draft.text)


@pages.post("/draft/text")
@needs(Right.RULES)
def save_text() -> Response:
    """Keep the text as the draft, also one that has faults; they are said beside their lines."""
    draft = known_draft()
    text = request.form.get("text", "").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    if len(text) > MAX_RULES_CHARACTERS:
        return _text_page(draft, text, TOO_LONG, 422)
    if text and not text.endswith("\n"):
        text += "\n"
    try:
        saved = save(draft, text)
    except DraftChanged:
        return _text_page(known_draft(), text, COMPARE_IT, 409, difference(known_draft().text, text))
    if shown(services(), text).valid and request.form.get("go") == "form":
        return redirect(url_for("drafts.show"), 303)
    return _text_page(saved, text)


def _text_page(
    draft: DraftRecord, text: str, trouble: str = "", status: int = 200, unlike: Difference | None = None
) -> Response:
    said = shown(services(), text)
    findings = sorted(
        (*said.findings, *(finding for rule in said.rules for finding in rule.findings)),
        key=lambda finding: (not finding.is_fault, finding.line, finding.column),
    )
    page = render_template(
        "rules/text.html",
        draft=draft,
        text=text,
        lines=text.split("\n"),
        findings=findings,
        valid=said.valid,
        trouble=trouble,
        unlike=unlike,
    )
    return make_response(page, status)


@pages.get("/draft/new")
@needs(Right.RULES)
def new() -> Response:
    """A form for another rule."""
    draft = known_draft()
    return _form_page(draft, RuleForm(), None, {}, "")


@pages.post("/draft/new")
@needs(Right.RULES)
def add() -> Response:
    """A button of that form."""
    return _pressed(None)


@pages.get("/draft/rules/<int:number>")
@needs(Right.RULES)
def edit(number: int) -> Response:
    """A form for one rule; they are counted from 0."""
    draft = known_draft()
    form = form_at(split(draft.text), number)
    if form is None:
        flash("This rule cannot be read yet, so a form cannot show it. Repair it in the text.", "warn")
        return redirect(url_for("drafts.as_text"), 303)
    return _form_page(draft, form, number, {}, "")


@pages.post("/draft/rules/<int:number>")
@needs(Right.RULES)
def change(number: int) -> Response:
    """A button of that form."""
    return _pressed(number)


def _pressed(number: int | None) -> Response:
    house, draft = services(), known_draft()
    form, pressed = rule_in(request.form), request.form.get("step", SAVE)
    if pressed != SAVE:
        form, focus = stepped(form, pressed)
        return _form_page(draft, form, number, {}, focus)
    pieces = split(draft.text)
    at = len(pieces.rules) if number is None else number
    noted, faults = read_form(form, house.volume_pools, names_besides(pieces, at))
    if faults:
        return _form_page(draft, form, number, faults, min(faults), 422)
    if number is not None and at >= len(pieces.rules):
        return _form_page(draft, form, number, {"": COPY_IT}, "", 409)
    before = pieces.rules[at] if number is not None else Piece("\n" if pieces.rules else "", "")
    unchanged = number is not None and form == form_at(pieces, at)
    body = before.body if unchanged else rule_text(noted)
    piece = Piece(lead_of(comment_in(form), before.lead), body)
    text = draft.text if unchanged else pieces.put(at, piece, instead=number is not None).text()
    try:
        save(draft, text)
    except DraftChanged:
        return _form_page(draft, form, number, {"": COPY_IT}, "", 409)
    return redirect(url_for("drafts.show", _anchor=f"rule-{at}"), 303)


def _form_page(
    draft: DraftRecord, form: RuleForm, number: int | None, faults: Faults, focus: str, status: int = 200
) -> Response:
    noted, wrong = read_form(form, services().volume_pools)
    page = render_template(
        "rules/form.html",
        revision=request.form.get("revision", draft.revision),
        form=form,
        number=number,
        faults=faults,
        focus=focus,
        sentence="" if wrong else rule_text(noted),
        pools=services().volume_pools,
        subjects=SUBJECTS,
        tests=TESTS,
        units=UNITS,
        times=TIMES,
        sames=SAMES,
        sizes=tuple(SIZE_UNITS),
        shapes=Shape,
        availabilities=tuple(Availability),
        weekdays=tuple(Weekday),
        periods=tuple(Period),
        new_actions=NEW_ACTIONS,
        codecs=[codec.value for codec in Codec],
        new_schedules=NEW_SCHEDULES,
    )
    return make_response(page, status)


@pages.get("/drafts/<name>")
@needs(Right.RULES)
def of(name: str) -> str:
    """Somebody else's draft, and how it differs from the rules in force."""
    house = services()
    draft = house.catalog.drafts.get(name)
    if draft is None:
        abort(404, "Nobody of this name is writing rules; the draft was published or thrown away.")
    current = house.catalog.policies.current()
    unlike = difference(current.text if current else "", draft.text)
    return render_template("rules/of.html", draft=draft, current=current, unlike=unlike)


def mine() -> DraftRecord | None:
    """The draft of who asks."""
    return services().catalog.drafts.get(known_person().name)


def known_draft() -> DraftRecord:
    """The draft of who asks, or a page that says there is none."""
    draft = mine()
    if draft is None:
        abort(404, "You have no draft of the rules; begin one on the page Policies.")
    return draft


def save(draft: DraftRecord, text: str) -> DraftRecord:
    """Keep a text as the draft, over the revision that the form was made from. Raises: DraftChanged."""
    house = services()
    seen = request.form.get("revision", "")
    number = int(seen) if seen.isdecimal() and len(seen) < 10 else 0
    return house.catalog.drafts.save(draft.account, text, number, house.clock.now())
