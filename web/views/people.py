"""Who may sign in, and as what: for the administrator."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.people import Person, UserRefused
from hsm.access.roles import RIGHTS, Right, Role
from web.access import passwords
from web.access.gate import known_person, needs
from web.services import services

pages = Blueprint("people", __name__)
MEANINGS = {
    Role.VIEWER: "looks and changes nothing",
    Role.STAFF: "has studies brought back",
    Role.ARCHIVIST: "decides what is kept where, and looks after the media",
    Role.ADMINISTRATOR: "may do everything: people, drives, peers, settings",
}


def _page(status: int = 200, faults: dict[str, str] | None = None, once: tuple[str, str] | None = None) -> Response:
    house = services()
    return make_response(
        render_template(
            "people.html",
            people=house.catalog.accounts.list(),
            roles=MEANINGS,
            rights=RIGHTS,
            faults=faults or {},
            typed=request.form if faults else {},
            once=once,
            myself=known_person(),
        ),
        status,
    )


@pages.get("/people")
@needs(Right.ADMINISTER)
def index() -> Response:
    """Everybody who has an account."""
    return _page()


@pages.post("/people")
@needs(Right.ADMINISTER)
def add() -> Response:
    """Make an account with a password that is shown once and must be changed."""
    house = services()
    faults = {}
    try:
        role = Role(request.form.get("role", ""))
    except ValueError:
        role, faults["role"] = Role.VIEWER, "Choose what the person is here for."
    password = passwords.one_time()
    if not faults:
        try:
            made = house.catalog.accounts.add(
                request.form.get("name", ""),
                request.form.get("full_name", "")[:200],
                role,
                passwords.hashed(password),
                True,
                known_person().name,
                house.clock.now(),
            )
            return _page(once=(made.name, password))
        except UserRefused as refused:
            faults["name"] = f"{refused}".capitalize() + "."
    return _page(422, faults)


@pages.post("/people/<name>/role")
@needs(Right.ADMINISTER)
def role(name: str) -> Response:
    """Give a person another role."""
    account = known(name)
    try:
        wanted = Role(request.form.get("role", ""))
    except ValueError:
        abort(400, "There is no such role.")
    return _changed(
        lambda: services().catalog.accounts.set_role(account.name, wanted, known_person().name, services().clock.now()),
        f"{account.name} is {wanted.value} now.",
    )


@pages.post("/people/<name>/mail")
@needs(Right.ADMINISTER)
def mail(name: str) -> Response:
    """Say where a person is told that what was asked for is ready."""
    account, address = known(name), request.form.get("mail", "").strip()
    return _changed(
        lambda: services().catalog.accounts.set_mail(
            account.name, address, known_person().name, services().clock.now()
        ),
        f"{account.name} is told at {address}." if address else f"{account.name} gets no mail.",
    )


@pages.post("/people/<name>/password")
@needs(Right.ADMINISTER)
def password(name: str) -> Response:
    """Give a person a new password that is shown once and must be changed."""
    account, made = known(name), passwords.one_time()
    house = services()
    try:
        house.catalog.accounts.set_password(
            account.name, passwords.hashed(made), True, known_person().name, house.clock.now()
        )
    except UserRefused as refused:
        flash(f"Not changed: {refused}.", "warn")
        return redirect(url_for("people.index"), 303)
    if account.name == known_person().name:
        flash("Your sessions have ended with the old password.", "warn")
    return _page(once=(account.name, made))


@pages.post("/people/<name>/disable")
@needs(Right.ADMINISTER)
def disable(name: str) -> Response:
    """Close an account; its sessions end at once."""
    account = known(name)
    return _changed(
        lambda: services().catalog.accounts.disable(account.name, known_person().name, services().clock.now()),
        f"{account.name} can no longer sign in.",
    )


@pages.post("/people/<name>/enable")
@needs(Right.ADMINISTER)
def enable(name: str) -> Response:
    """Open an account again, also one that wrong passwords had closed."""
    account = known(name)
    return _changed(
        lambda: services().catalog.accounts.enable(account.name, known_person().name, services().clock.now()),
        f"{account.name} can sign in again.",
    )


def _changed(change: Callable[[], None], said: str) -> Response:
    try:
        change()
    except UserRefused as refused:
        flash(f"Not changed: {refused}.", "warn")
    else:
        flash(said, "good")
    return redirect(url_for("people.index"), 303)


def known(name: str) -> Person:
    """The account, or a page that says there is none."""
    account = services().catalog.accounts.find(name)
    if account is None:
        abort(404, "There is no account with this name.")
    return account
