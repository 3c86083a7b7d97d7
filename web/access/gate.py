"""The gate before every page: a route says which right it needs, and one that says nothing is a defect.

A session is a random token in the signed cookie; the catalog keeps its digest, so that it can be ended from outside.
Programs may show an API token instead, at the addresses that are made for them; it never counts beyond its scopes, nor
beyond what its owner may do at that moment.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, abort, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from hsm.access.actor import Actor, Via, begin, end
from hsm.access.people import Person
from hsm.access.roles import Right
from hsm.access.tokens import TokenRecord
from hsm.catalog.audit import AuditOutcome, ObjectKind
from web.access import tokens
from web.problems import METRICS, for_programs
from web.services import services

TOKEN = "sign_in"
_NEEDED = "__firn_needs__"
PUBLIC: tuple[Right, ...] = ()
OF_NEW_PASSWORD = frozenset({"sign_in.password", "sign_in.change", "sign_in.leave"})
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
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
        g.person, g.token = None, None  # also when the catalog does not answer: the page that says so asks again
        offered = tokens.offered() if for_programs() else None
        if offered is not None:
            g.token = tokens.shown(offered)
            g.person = g.token.owner
        else:
            g.person = _of_session()
    return cast(Person | None, g.person)


def _of_session() -> Person | None:
    house, token = services(), session.get(TOKEN)
    settings = house.settings
    return (
        house.catalog.accounts.signed_in(
            str(token), house.clock.now(), settings.session_idle_s, settings.session_longest_s
        )
        if token
        else None
    )


def token_shown() -> TokenRecord | None:
    """The API token by which who asks was recognised; None when a session did that."""
    person()
    return cast(TokenRecord | None, g.token)


def known_person() -> Person:
    """Who asks, on a page that only somebody signed in can reach."""
    found = person()
    if found is None:
        abort(401)
    return found


def may(right: Right) -> bool:
    """Whether who asks has a right; for templates, which then leave a button out or say why it is off."""
    found, token = person(), token_shown()
    return found is not None and (found if token is None else token).may(right)


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
            return None if person() else _stranger()  # what does not exist looks like what may not be seen
        rights = needed(app, request.endpoint)
        if rights is PUBLIC:
            _acts("")
            return None
        if request.path == METRICS and _from_this_machine():
            _acts("")
            return None
        found = person()
        if found is None:
            return _stranger()
        if found.must_change and token_shown() is None and request.endpoint not in OF_NEW_PASSWORD:
            return _password_first()
        _acts(found.name)
        if not all(may(right) for right in rights):
            _note_refusal(found, request.endpoint)
            abort(403, _why_not(found, rights))
        return None

    @app.teardown_request
    def acts_no_more(_error: BaseException | None) -> None:
        token = g.pop("acts", None)
        if token is not None:
            end(token)

    app.jinja_env.globals.update(person_now=person, may=may, Right=Right)


def actor(name: str) -> Actor:
    """Who asks, and how and from where, for the audit trail."""
    return Actor(name, Via.API if for_programs() else Via.WEB, request.remote_addr or "")


def _acts(name: str) -> None:
    """Whatever is noted while this request is answered was done by this person, from there."""
    g.acts = begin(actor(name))


def _note_refusal(found: Person, endpoint: str) -> None:
    house = services()
    house.catalog.audit.record(
        actor(found.name), "access_refused", ObjectKind.PAGE, endpoint, house.clock.now(), AuditOutcome.REFUSED
    )


def _why_not(found: Person, rights: tuple[Right, ...]) -> str:
    token = token_shown()
    if token is not None and all(found.may(right) for right in rights):
        wanted = ", ".join(right.value for right in rights if right not in token.scopes)
        return f"This token ({token.name}) was not given the scope {wanted}."
    return f"Your account ({found.name}, {found.role.value}) has no right to this. Ask an administrator."


def _from_this_machine() -> bool:
    """Whether the house lets this machine in without a token, and it is this machine that asks.

    Behind a reverse proxy everybody seems to; one that says for whom it asks is not believed to be this machine.
    """
    if not services().settings.metrics_from_loopback or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _stranger() -> Response:
    if for_programs():
        abort(401, "Sign in, or show an API token: Authorization: Bearer firn_...")
    return _to_sign_in()


def _password_first() -> Response:
    if for_programs():
        abort(403, "The password of this account was given by somebody else: change it on the page /password first.")
    return _go(url_for("sign_in.password"))


def _to_sign_in() -> Response:
    goes_on = request.full_path if request.method == "GET" and request.query_string else request.path
    return _go(url_for("sign_in.show", next=goes_on if request.method == "GET" and goes_on != "/" else None))


def _go(address: str) -> Response:
    if "HX-Request" in request.headers:  # a refreshing part must not show a sign-in page inside the page
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)
