"""Coming in, going out, and a password of one's own."""

import secrets

from flask import Blueprint, abort, flash, g, make_response, redirect, render_template, request, session, url_for
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response

from hsm.access.people import UserRefused
from hsm.access.roles import Right
from hsm.access.visitors import NoRole, Realm, RealmFailed, VisitorRefused
from web.access import ldap, passwords
from web.access.gate import TOKEN, known_person, needs, person, public, within
from web.services import services
from web.words import relative

pages = Blueprint("sign_in", __name__)
TRIES = parse("30/minute")  # of one address, whatever the names
TRIES_OF_NAME = parse("5/5 minutes")  # of a name that has no account here yet; one that has is locked
limiter = MovingWindowRateLimiter(MemoryStorage())
WRONG = "Name or password is wrong."
CLOSED = "This account is closed for a while after too many wrong passwords. Try again {when}, or ask an administrator."
TOO_MANY = "Too many tries from this address. Wait a minute."
TOO_MANY_OF_NAME = "Too many tries with this name. Wait five minutes."
SILENT = "{realm} does not answer as it should, so only local accounts of this archive can sign in at the moment."


def form(status: int = 200, fault: str = "", name: str = "") -> Response:
    """The page with the form, and what is wrong."""
    house = services()
    return make_response(
        render_template(
            "sign_in.html",
            fault=fault,
            name=name,
            following=within(request.values.get("next", "/")),
            notice=house.settings.notice,
            directory=house.ldap.name if house.ldap else "",
            provider=house.oidc.settings.name if house.oidc else "",
            left=request.args.get("left") == Realm.OIDC.value,
        ),
        status,
    )


def too_many() -> bool:
    """Whether this address tried too often; counts this time."""
    return not limiter.hit(TRIES, request.remote_addr or "")


def open_session(name: str, following: str) -> Response:
    """Somebody proved who they are: open a session and lead on."""
    house, token = services(), secrets.token_urlsafe(32)
    accounts, now = house.catalog.accounts, house.clock.now()
    accounts.forget_old(now, house.settings.session_idle_s, house.settings.session_longest_s)
    accounts.sign_in(name, token, request.remote_addr or "", now)
    session.clear()  # nothing that was set before the sign-in is believed after it
    session[TOKEN] = token
    return redirect(within(following), 303)


@pages.get("/sign-in")
@public
def show() -> Response:
    """The form; who is signed in already goes on."""
    if person() is not None:
        return redirect(within(request.values.get("next", "/")), 303)
    return form()


@pages.post("/sign-in")
@public
def enter() -> Response:
    """Open a session, or say that name or password is wrong, and not which."""
    house = services()
    accounts, now = house.catalog.accounts, house.clock.now()
    name, password = request.form.get("name", "")[:64], request.form.get("password", "")
    address = request.remote_addr or ""
    if too_many():
        return form(429, TOO_MANY, name)
    account = accounts.find(name)
    if account is not None and account.locked_at(now) and account.locked_until is not None:
        return form(429, CLOSED.format(when=relative(account.locked_until, now)), name)
    if house.ldap is not None and (account is None or account.realm is Realm.LDAP):
        if account is None and not limiter.test(TRIES_OF_NAME, "name", name.strip().lower()):
            return form(429, TOO_MANY_OF_NAME, name)
        return _by_directory(house.ldap, name, password)
    right = passwords.fits(account.password_hash if account else None, password)
    if account is None or not right or account.disabled or not account.is_local:
        accounts.failed(name, address, now)
        return form(422, WRONG, name)
    return open_session(account.name, request.form.get("next", "/"))


def _by_directory(settings: ldap.LdapSettings, name: str, password: str) -> Response:
    """Ask the directory, and let in who has a role."""
    house, address = services(), request.remote_addr or ""
    accounts, now = house.catalog.accounts, house.clock.now()
    try:
        account = accounts.admit(ldap.prove(settings, name, password), now)
    except ldap.NotProved:
        limiter.hit(TRIES_OF_NAME, "name", name.strip().lower())
        accounts.failed(name, address, now)
        return form(422, WRONG, name)
    except NoRole as refused:
        accounts.no_role(Realm.LDAP, refused, address, now)
        return form(403, str(refused), name)
    except (VisitorRefused, UserRefused) as refused:
        accounts.turned_away(Realm.LDAP, name, str(refused), address, now)
        return form(403, str(refused), name)
    except RealmFailed as failed:
        accounts.turned_away(Realm.LDAP, "", str(failed), address, now)
        return form(503, SILENT.format(realm=f"{settings.name[:1].upper()}{settings.name[1:]}"), name)
    return open_session(account.name, request.form.get("next", "/"))


@pages.post("/sign-out")
@needs(Right.LOOK)
def leave() -> Response:
    """End this session."""
    house, account = services(), known_person()
    house.catalog.accounts.sign_out(str(session.get(TOKEN, "")))
    house.catalog.events.record("info", "signed_out", account.name, {}, house.clock.now())
    session.clear()
    g.person = None
    elsewhere = Realm.OIDC.value if account.realm is Realm.OIDC and house.oidc else None
    return redirect(url_for("sign_in.show", left=elsewhere), 303)


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
    if not account.is_local:
        abort(409, "Your password is not kept here: change it where you sign in.")
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
