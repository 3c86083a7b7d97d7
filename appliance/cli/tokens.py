"""`firn tokens`: what programs show to act for somebody."""

from datetime import datetime, timedelta
from getpass import getuser
from typing import Annotated, Any

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import session
from appliance.cli.words import ago, iso, safe
from hsm.access.people import UserRefused
from hsm.access.roles import Right
from hsm.access.tokens import TokenRecord, TokenRefused
from hsm.catalog.errors import NotCatalogued
from web.access.tokens import new_token

tokens_app = family("Tokens with which programs use the API.")
app.add_typer(tokens_app, name="tokens", rich_help_panel="Set-up")


def token_row(token: TokenRecord, now: datetime) -> dict[str, Any]:
    """One token as a row of --json."""
    return {
        "id": token.id,
        "owner": token.owner.name,
        "name": token.name,
        "ends_in": token.hint,
        "scopes": sorted(right.value for right in token.scopes),
        "state": token.state(now).value,
        "created_at": iso(token.created_at),
        "created_by": token.created_by,
        "expires_at": iso(token.expires_at),
        "used_at": iso(token.used_at),
        "used_from": token.used_from,
        "revoked_at": iso(token.revoked_at),
        "revoked_by": token.revoked_by,
    }


@tokens_app.command("list")
def list_tokens(
    context: typer.Context,
    owner: Annotated[str | None, typer.Option("--owner", help="Only of this account.")] = None,
    as_json: Json = False,
) -> None:
    """List tokens, newest first, with what each may do and when it was last used."""
    current = session(context)
    now = current.now()
    found = current.catalog.tokens.list(owner)
    if as_json:
        current.print_json({"tokens": [token_row(token, now) for token in found]})
        return
    if not found:
        current.say("No token. Make one with `firn tokens add OWNER NAME --scope look`.")
        return
    table = current.table(">id", "owner", "for", "ends in", "may", "state", "expires", "last used")
    for token in found:
        table.add_row(
            str(token.id),
            safe(token.owner.name),
            safe(token.name),
            safe(token.hint),
            ", ".join(sorted(right.value for right in token.scopes)),
            token.state(now).value,
            ago(token.expires_at, now),
            ago(token.used_at, now) + (f" from {safe(token.used_from)}" if token.used_from else ""),
        )
    current.out.print(table)


@tokens_app.command()
def add(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="The account in whose name the program acts.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, in words.")],
    scopes: Annotated[list[Right], typer.Option("--scope", help="What it may do; may be repeated.")],
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="It expires after so many days. Without it: never.")
    ] = None,
) -> None:
    """Make a token; it is printed once and only its digest is kept."""
    current = session(context)
    now, made = current.now(), new_token()
    expires_at = now + timedelta(days=days) if days else None
    try:
        record = current.catalog.tokens.add(owner, name, scopes, made, expires_at, getuser(), now)
    except (TokenRefused, UserRefused) as error:
        raise refused(f"{error}.") from None
    until = f", until {iso(expires_at)}" if expires_at else ""
    current.say(f"Token {record.id} acts for {safe(record.owner.name)}{until}. It is shown once:")
    typer.echo(made)


@tokens_app.command()
def revoke(
    context: typer.Context,
    token: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the token.")],
) -> None:
    """Take a token back: it opens nothing any more."""
    current = session(context)
    try:
        record = current.catalog.tokens.revoke(token, getuser(), current.now())
    except NotCatalogued:
        raise not_found("token", str(token), "`firn tokens list` names them.") from None
    current.say(f"Token {token} ({safe(record.name)}, of {safe(record.owner.name)}) opens nothing any more.")
