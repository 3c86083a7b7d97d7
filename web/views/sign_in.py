"""Coming in, going out, and a password of one's own."""

import secrets

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, session, url_for
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from web.access import passwords
from web.access.gate import TOKEN, known_person, needs, person, public, within
from web.services import services
from web.words import relative

pages = Blueprint("sign_in", __name__)
TRIES = parse("30/minute")  # of one address, whatever the names
_limiter = MovingWindowRateLimiter(MemoryStorage())
WRONG = "Name or password is wrong."
CLOSED = "This account is closed for a while after too many wrong passwords. Try again {when}, or ask an administrator."
TOO_MANY = "Too many tries from this address. Wait a minute."


def _form(status: int = 200, fault: str = "", name: str = "") -> Response:
    following, notice = within(request.values.get("next", "/")), services().settings.notice
    return make_response(
        render_template("sign_in.html", fault=fault, name=name, following=following, notice=notice), status
    )


@pages.get("/sign-in")
@public
def show() -> Response:
    """The form; who is signed in already goes on."""
    if person() is not None:
        return redirect(within(request.values.get("next", "/")), 303)
    return _form()


@pages.post("/sign-in")
@public
def enter() -> Response:
    """Open a session, or say that name or password is wrong, and not which."""
    house = services()
    accounts, now = house.catalog.accounts, house.clock.now()
    name, password = request.form.get("name", "")[:64], request.form.get("password", "")
    address = request.remote_addr or ""
    if not _limiter.hit(TRIES, address):
        return _form(429, TOO_MANY, name)
    account = accounts.find(name)
    if account is not None and account.locked_at(now) and account.locked_until is not None:
        return _form(429, CLOSED.format(when=relative(account.locked_until, now)), name)
    right = passwords.fits(account.password_hash if account else None, password)
    if account is None or not right or account.disabled:
        accounts.failed(name, address, now)
        return _form(422, WRONG, name)
    token = secrets.token_urlsafe(32)
    accounts.forget_old(now, house.settings.session_idle_s, house.settings.session_longest_s)
    accounts.sign_in(account.name, token, address, now)
    following = within(request.form.get("next", "/"))
    session.clear()  # nothing that was set before the sign-in is believed after it
    session[TOKEN] = token
    return redirect(following, 303)


@pages.post("/sign-out")
@needs(Right.LOOK)
def leave() -> Response:
    """End this session."""
    house, name = services(), known_person().name
    house.catalog.accounts.sign_out(str(session.get(TOKEN, "")))
    house.catalog.events.record("info", "signed_out", name, {}, house.clock.now())
    session.clear()
    g.person = None
    return redirect(url_for("sign_in.show"), 303)


@pages.get("/password")
@needs(Right.LOOK)
def password() -> str:
    """The form for another password."""
    return render_template("password.html", faults={}, account=known_person())


@pages.post("/password")
@needs(Right.LOOK)
def change() -> Response:
    """Set another password, which ends every other session of the account."""
    house, account = services(), known_person()
    now = house.clock.now()
    old, new, again = (request.form.get(key, "") for key in ("old", "new", "again"))
    faults: dict[str, str] = {}
    if not passwords.fits(account.password_hash, old):
        house.catalog.accounts.failed(account.name, request.remote_addr or "", now)
        faults["old"] = "This is not your present password."
    elif new == old:
        faults["new"] = "This is the present one; choose another."
    elif wrong := passwords.what_is_wrong(new, account.name):
        faults["new"] = wrong
    elif new != again:
        faults["again"] = "This is not the same as above."
    if faults:
        return make_response(render_template("password.html", faults=faults, account=account), 422)
    house.catalog.accounts.set_password(account.name, passwords.hashed(new), False, account.name, now)
    token = secrets.token_urlsafe(32)
    house.catalog.accounts.sign_in(account.name, token, request.remote_addr or "", now)
    session[TOKEN] = token
    flash("Your password is changed. Every other browser you were signed in with is signed out.", "good")
    return redirect(url_for("dashboard.show"), 303)
