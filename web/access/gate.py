"""The gate before every page: a route says which right it needs, and one that says nothing is a defect.

A session is a random token in the signed cookie; the catalog keeps its digest, so that it can be ended from outside.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, abort, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from hsm.access.actor import Actor, Via, begin, end
from hsm.access.people import Person
from hsm.access.roles import Right
from hsm.catalog.audit import AuditOutcome, ObjectKind
from web.services import services

TOKEN = "sign_in"
_NEEDED = "__firn_needs__"
PUBLIC: tuple[Right, ...] = ()
View = TypeVar("View", bound=Callable[..., Any])


class RouteUnguarded(Exception):
    """A route was added without saying who may use it; write @needs(...) or @public above its function."""


def needs(right: Right) -> Callable[[View], View]:
    """Above a view: only who has this right may use it."""

    def mark(view: View) -> View:
        setattr(view, _NEEDED, (right,))
        return view

    return mark


def public(view: View) -> View:
    """Above a view: anybody may use it, also without a sign-in."""
    setattr(view, _NEEDED, PUBLIC)
    return view


def needed(app: Flask, endpoint: str) -> tuple[Right, ...]:
    """What a route needs; empty when anybody may use it. Raises: RouteUnguarded."""
    if endpoint == "static":
        return PUBLIC
    found = getattr(app.view_functions[endpoint], _NEEDED, None)
    if found is None:
        raise RouteUnguarded(f"the route {endpoint} does not say who may use it: write @needs(...) or @public above it")
    return cast(tuple[Right, ...], found)


def person() -> Person | None:
    """Who asks, None when nobody is signed in."""
    if "person" not in g:
        g.person = None  # also when the catalog does not answer: the page that says so asks again
        house, token = services(), session.get(TOKEN)
        settings = house.settings
        g.person = (
            house.catalog.accounts.signed_in(
                str(token), house.clock.now(), settings.session_idle_s, settings.session_longest_s
            )
            if token
            else None
        )
    return cast(Person | None, g.person)


def known_person() -> Person:
    """Who asks, on a page that only somebody signed in can reach."""
    found = person()
    if found is None:
        abort(401)
    return found


def may(right: Right) -> bool:
    """Whether who asks has a right; for templates, which then leave a button out or say why it is off."""
    found = person()
    return found is not None and found.may(right)


def within(address: str) -> str:
    """An address to go on to, if it is one of ours; else the first page. Nobody is sent to another site from here."""
    parts = urlsplit(address)
    if not address.startswith("/") or address.startswith(("//", "/\\")) or parts.netloc or parts.scheme:
        return "/"
    return "/" if any(ord(character) < 32 for character in address) else address


def guard(app: Flask) -> None:
    """Stand before every route of an application that has all its routes. Raises: RouteUnguarded."""
    for rule in app.url_map.iter_rules():
        needed(app, rule.endpoint)

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return None if person() else _to_sign_in()  # what does not exist looks like what may not be seen
        rights = needed(app, request.endpoint)
        if rights is PUBLIC:
            _acts("")
            return None
        found = person()
        if found is None:
            return _to_sign_in()
        if found.must_change and request.endpoint not in ("sign_in.password", "sign_in.change", "sign_in.leave"):
            return _go(url_for("sign_in.password"))
        _acts(found.name)
        if not all(found.may(right) for right in rights):
            _note_refusal(found, request.endpoint)
            abort(403, f"Your account ({found.name}, {found.role.value}) has no right to this. Ask an administrator.")
        return None

    @app.teardown_request
    def acts_no_more(_error: BaseException | None) -> None:
        token = g.pop("acts", None)
        if token is not None:
            end(token)

    app.jinja_env.globals.update(person_now=person, may=may, Right=Right)


def _acts(name: str) -> None:
    """Whatever is noted while this request is answered was done by this person, from there."""
    g.acts = begin(Actor(name, Via.WEB, request.remote_addr or ""))


def _note_refusal(found: Person, endpoint: str) -> None:
    house, actor = services(), Actor(found.name, Via.WEB, request.remote_addr or "")
    house.catalog.audit.record(
        actor, "access_refused", ObjectKind.PAGE, endpoint, house.clock.now(), AuditOutcome.REFUSED
    )


def _to_sign_in() -> Response:
    goes_on = request.full_path if request.method == "GET" and request.query_string else request.path
    return _go(url_for("sign_in.show", next=goes_on if request.method == "GET" and goes_on != "/" else None))


def _go(address: str) -> Response:
    if "HX-Request" in request.headers:  # a refreshing part must not show a sign-in page inside the page
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)
