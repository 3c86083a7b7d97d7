"""`firn users`: who may sign in to the pages, and as what."""

from getpass import getuser
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.words import ago, iso, safe
from hsm.access.people import Person, UserRefused
from hsm.access.roles import Role
from web.access import passwords

users_app = family("People who may sign in to the pages.")
app.add_typer(users_app, name="users", rich_help_panel="Set-up")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]


def _state(person: Person, current: Session) -> str:
    if person.disabled:
        return "closed"
    if person.locked_at(current.now()):
        return "locked"
    return "must change the password" if person.must_change else "open"


def _known(current: Session, name: str) -> Person:
    found = current.catalog.accounts.find(name)
    if found is None:
        raise not_found("account", name, "`firn users list` names them.")
    return found


@users_app.command("list")
def list_users(context: typer.Context, as_json: Json = False) -> None:
    """List accounts by name."""
    current = session(context)
    people = current.catalog.accounts.list()
    if as_json:
        rows = [
            {
                "name": person.name,
                "full_name": person.full_name,
                "role": person.role.value,
                "realm": person.realm.value,
                "state": _state(person, current),
                "created_at": iso(person.created_at),
                "signed_in_at": iso(person.signed_in_at),
            }
            for person in people
        ]
        current.print_json({"users": rows})
        return
    if not people:
        current.say("Nobody can sign in yet; the first start of the pages makes an administrator.")
        return
    table = current.table("name", "full name", "role", "state", "last sign-in", "signs in by")
    for person in people:
        table.add_row(
            safe(person.name),
            safe(person.full_name),
            person.role.value,
            _state(person, current),
            ago(person.signed_in_at, current.now()),
            "password here" if person.is_local else person.realm.value.upper(),
        )
    current.out.print(table)


@users_app.command()
def add(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[Role, typer.Option("--role", help="What the person is here for.")],
    full_name: Annotated[str, typer.Option("--full-name", help="As the person is called.")] = "",
) -> None:
    """Make an account; its password is printed once and has to be changed at the first sign-in."""
    current = session(context)
    password = passwords.one_time()
    try:
        made = current.catalog.accounts.add(
            name, full_name, role, passwords.hashed(password), True, getuser(), current.now()
        )
    except UserRefused as error:
        raise refused(f"{error}.") from None
    current.say(f"{safe(made.name)} is {made.role.value} and signs in with {password}")


@users_app.command()
def password(context: typer.Context, name: NameArgument) -> None:
    """Give an account a new password, printed once; its sessions end. Also opens one that wrong passwords closed."""
    current = session(context)
    found, made = _known(current, name), passwords.one_time()
    try:
        current.catalog.accounts.set_password(found.name, passwords.hashed(made), True, getuser(), current.now())
    except UserRefused as error:
        raise refused(f"{error}.") from None
    current.say(f"{safe(found.name)} signs in with {made}")


@users_app.command("role")
def set_role(context: typer.Context, name: NameArgument, role: Annotated[Role, typer.Argument()]) -> None:
    """Give an account another role."""
    current = session(context)
    found = _known(current, name)
    try:
        current.catalog.accounts.set_role(found.name, role, getuser(), current.now())
    except UserRefused as error:
        raise refused(f"{error}.") from None
    current.say(f"{safe(found.name)} is {role.value} now.")


@users_app.command()
def mail(
    context: typer.Context, name: NameArgument, address: Annotated[str, typer.Argument(help="'' for none.")]
) -> None:
    """Say where an account is told that a study it asked for is ready."""
    current = session(context)
    found = _known(current, name)
    try:
        current.catalog.accounts.set_mail(found.name, address.strip(), getuser(), current.now())
    except UserRefused as error:
        raise refused(f"{error}.") from None
    current.say(f"{safe(found.name)} is told at {safe(address)}." if address else f"{safe(found.name)} gets no mail.")


@users_app.command()
def close(context: typer.Context, name: NameArgument) -> None:
    """Close an account; its sessions end at once."""
    current = session(context)
    found = _known(current, name)
    try:
        current.catalog.accounts.disable(found.name, getuser(), current.now())
    except UserRefused as error:
        raise refused(f"{error}.") from None
    current.say(f"{safe(found.name)} can no longer sign in.")


@users_app.command("open")
def open_again(context: typer.Context, name: NameArgument) -> None:
    """Open a closed account again."""
    current = session(context)
    found = _known(current, name)
    current.catalog.accounts.enable(found.name, getuser(), current.now())
    current.say(f"{safe(found.name)} can sign in again.")
