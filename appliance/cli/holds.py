"""`firn hold`: reasons why a study must stay on disk and may not be destroyed."""

from datetime import UTC, datetime, timedelta
from getpass import getuser
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, not_found
from appliance.cli.session import session
from appliance.cli.words import ago, iso, safe

hold_app = family("Holds: while one is in force, a study is neither released nor destroyed.")
app.add_typer(hold_app, name="hold", rich_help_panel="Rules")


@hold_app.command()
def place(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.")],
    days: Annotated[int | None, typer.Option("--days", min=1, help="It lifts itself after so many days.")] = None,
) -> None:
    """Place a hold on a study."""
    current = session(context)
    if current.catalog.studies.get(study) is None:
        raise not_found("study", study, "`firn studies` lists them.")
    until = current.now() + timedelta(days=days) if days else None
    number = current.catalog.holds.place(study, reason, getuser(), current.now(), until)
    current.say(f"Hold {number} is in force on {safe(study)}" + (f" until {iso(until)}." if until else "."))


@hold_app.command()
def change(
    context: typer.Context,
    hold: Annotated[int, typer.Argument(help="Number of the hold.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Another reason, in words.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="It lifts itself after so many days.")] = None,
    no_end: Annotated[bool, typer.Option("--no-end", help="It holds until somebody lifts it.")] = False,
) -> None:
    """Give a hold another reason or another end."""
    from hsm.catalog.errors import HoldRefused

    current = session(context)
    if days is not None and no_end:
        raise RequestFailed(ExitStatus.USAGE, "Give --days or --no-end, not both.")
    standing = current.catalog.holds.get(hold)
    until = None if no_end else current.now() + timedelta(days=days) if days else standing.until
    seen = (standing.reason, standing.until)
    try:
        current.catalog.holds.change(hold, reason or standing.reason, until, getuser(), current.now(), seen)
    except HoldRefused as error:
        raise RequestFailed(ExitStatus.REFUSED, f"Not changed: {error}.") from error
    current.say(f"Hold {hold} is in force" + (f" until {iso(until)}." if until else " until it is lifted."))


@hold_app.command()
def lift(
    context: typer.Context,
    hold: Annotated[int, typer.Argument(help="Number of the hold.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is no longer needed.")] = "",
) -> None:
    """Lift a hold."""
    current = session(context)
    current.catalog.holds.lift(hold, current.now(), getuser(), reason.strip())
    current.say(f"Hold {hold} is lifted.")


@hold_app.command("list")
def list_holds(
    context: typer.Context,
    study: Annotated[str | None, typer.Argument(help="Only of this study.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List holds."""
    current = session(context)
    now = datetime.now(UTC)
    held = current.catalog.holds.list(study, None if everything else now)
    if as_json:
        rows = [
            {
                "id": hold.id,
                "study_instance_uid": hold.study_instance_uid,
                "reason": hold.reason,
                "placed_by": hold.placed_by,
                "placed_at": iso(hold.placed_at),
                "until": iso(hold.until),
                "lifted_at": iso(hold.lifted_at),
                "lifted_by": hold.lifted_by,
                "lift_reason": hold.lift_reason,
            }
            for hold in held
        ]
        current.print_json({"holds": rows})
        return
    table = current.table(">id", "study", "reason", "placed by", "placed", "until", "lifted")
    for hold in held:
        table.add_row(
            str(hold.id),
            safe(hold.study_instance_uid),
            safe(hold.reason),
            safe(hold.placed_by),
            ago(hold.placed_at, now),
            ago(hold.until, now, "lifted by hand"),
            ago(hold.lifted_at, now, "-"),
        )
    current.out.print(table)
    if not held:
        current.say("No hold. Place one with `firn hold place STUDY --reason ...`.")
