"""API tokens: one's own, and for the administrator everybody's."""

from datetime import timedelta

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.access.tokens import TokenRefused
from hsm.catalog.errors import NotCatalogued
from web import paging
from web.access.gate import known_person, may, needs
from web.access.tokens import new_token
from web.services import services

pages = Blueprint("tokens", __name__)
SCOPES = {
    Right.METRICS: "read figures about the house: /metrics",
    Right.LOOK: "see studies, volumes, jobs, rules, events",
    Right.RECALL: "have studies brought back",
    Right.STORE: "send studies in",
    Right.RULES: "publish rules, place and lift holds",
    Right.MEDIA: "label, import, export, move, retire, verify volumes",
    Right.ADMINISTER: "people, drives, peers, settings",
}
LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until it is taken back"))


def _page(status: int = 200, faults: dict[str, str] | None = None, once: tuple[str, str] | None = None) -> Response:
    house, me = services(), known_person()
    everybody = may(Right.ADMINISTER)
    return make_response(
        render_template(
            "tokens.html",
            tokens=house.catalog.tokens.list(None if everybody else me.name),
            everybody=everybody,
            scopes={right: words for right, words in SCOPES.items() if me.may(right)},
            lifetimes=LIFETIMES,
            faults=faults or {},
            typed=request.form if faults else {},
            once=once,
        ),
        status,
    )


@pages.get("/tokens")
@needs(Right.LOOK)
def index() -> Response:
    """The tokens that programs use in one's name."""
    return _page()


@pages.post("/tokens")
@needs(Right.LOOK)
def add() -> Response:
    """Make a token of one's own, which is shown once."""
    house, me = services(), known_person()
    now = house.clock.now()
    faults: dict[str, str] = {}
    wanted = frozenset(right for right in Right if right.value in request.form.getlist("scope"))
    days = request.form.get("days", "")
    if days not in {value for value, _ in LIFETIMES}:
        faults["days"] = "Choose how long it lives."
    if not wanted:
        faults["scope"] = "Choose at least one thing that the token may do."
    if not faults:
        made, expires_at = new_token(), now + timedelta(days=int(days)) if days else None
        try:
            record = house.catalog.tokens.add(
                me.name, request.form.get("name", ""), wanted, made, expires_at, me.name, now
            )
        except TokenRefused as refused:
            faults["name"] = f"{str(refused)[:1].upper()}{str(refused)[1:]}."
        else:
            return _page(once=(record.name, made))
    return _page(422, faults)


@pages.post("/tokens/<int:token_id>/revoke")
@needs(Right.LOOK)
def revoke(token_id: int) -> Response:
    """Take a token back: one's own, or as administrator anybody's."""
    house, me = services(), known_person()
    owner = None if may(Right.ADMINISTER) else me.name
    try:
        if token_id > paging.MAX_NUMBER:
            raise NotCatalogued
        record = house.catalog.tokens.revoke(token_id, me.name, house.clock.now(), owner)
    except NotCatalogued:
        abort(404, "There is no token with this number among yours.")
    flash(f"{record.name} (...{record.hint}) opens nothing any more.", "good")
    return redirect(url_for("tokens.index"), 303)
