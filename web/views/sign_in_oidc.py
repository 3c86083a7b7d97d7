"""Coming in by way of an identity provider."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, redirect, request, session, url_for
from werkzeug.wrappers import Response

from hsm.access.people import UserRefused
from hsm.access.visitors import NoRole, Realm, RealmFailed, VisitorRefused
from web.access.gate import person, public, within
from web.access.oidc import Provider, Try
from web.services import services
from web.views.sign_in import TOO_MANY, form, open_session, too_many

pages = Blueprint("sign_in_oidc", __name__)
BEGUN = "oidc"
FAILED = "Signing in by {name} did not work: begin again. An administrator finds the reason among the events."


def _provider() -> Provider:
    found = services().oidc
    if found is None:
        abort(404, "This archive has no identity provider; sign in with name and password.")
    return found


def _address(provider: Provider, endpoint: str) -> str:
    """An address of ours as browsers know it."""
    return (provider.settings.pages or request.host_url).rstrip("/") + url_for(endpoint)


@pages.get("/sign-in/oidc")
@public
def begin() -> Response:
    """Go to the provider; who is signed in already goes on."""
    provider, following = _provider(), within(request.args.get("next", "/"))
    if person() is not None:
        return redirect(following, 303)
    if too_many():
        return form(429, TOO_MANY)
    now = services().clock.now()
    try:
        address, begun = provider.begin(_address(provider, "sign_in_oidc.back"), following, now)
    except RealmFailed as failed:
        return _failed(provider, failed)
    session[BEGUN] = {**asdict(begun), "began_at": begun.began_at.isoformat()}
    return redirect(address, 303)


@pages.get("/sign-in/oidc/back")
@public
def back() -> Response:
    """Come back from the provider; what it says is checked, and decides."""
    provider, house = _provider(), services()
    accounts, now, address = house.catalog.accounts, house.clock.now(), request.remote_addr or ""
    begun = _begun(session.pop(BEGUN, None))
    if begun is None and person() is not None:  # a second tab was faster
        return redirect("/", 303)
    if too_many():
        return form(429, TOO_MANY)
    try:
        visitor = provider.finish(begun, request.args.to_dict(), _address(provider, "sign_in_oidc.back"), now)
        account = accounts.admit(visitor, now)
    except NoRole as refused:
        accounts.no_role(Realm.OIDC, refused, address, now)
        return form(403, str(refused))
    except (VisitorRefused, UserRefused) as refused:
        accounts.turned_away(Realm.OIDC, "", str(refused), address, now)
        return form(403, f"{refused}"[:1].upper() + f"{refused}"[1:])
    except RealmFailed as failed:
        return _failed(provider, failed)
    return open_session(account.name, begun.following if begun else "/")


@pages.get("/sign-in/oidc/leave")
@public
def leave() -> Response:
    """Sign out of the provider, too: other pages of the house are then closed on this machine as well."""
    provider = _provider()
    if too_many():
        return form(429, TOO_MANY)
    try:
        address = provider.leave(_address(provider, "sign_in.show"), services().clock.now())
    except RealmFailed as failed:
        return _failed(provider, failed)
    return redirect(address or url_for("sign_in.show"), 303)


def _failed(provider: Provider, failed: RealmFailed) -> Response:
    house = services()
    house.catalog.accounts.turned_away(Realm.OIDC, "", str(failed), request.remote_addr or "", house.clock.now())
    return form(503, FAILED.format(name=provider.settings.name))


def _begun(kept: Any) -> Try | None:
    return None if kept is None else Try(**{**kept, "began_at": datetime.fromisoformat(kept["began_at"])})
