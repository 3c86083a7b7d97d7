"""`firn notify`: who is told of which events."""

from getpass import getuser
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import session
from appliance.cli.words import iso, safe
from hsm.catalog.errors import NotCatalogued
from hsm.notices.model import Calendar, NoticeRefused, NotTold, TargetKind, checked_rule, checked_target

notify_app = family("Who is told of which events.")
app.add_typer(notify_app, name="notify", rich_help_panel="Set-up")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the target.")]


@notify_app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List targets, rules and what was told lately."""
    current = session(context)
    notices = current.catalog.notices
    targets, rules, outbox = notices.targets(), notices.rules(), notices.outbox(20)
    if as_json:
        current.print_json(
            {
                "targets": [{"name": one.name, "kind": one.kind.value, "address": one.address} for one in targets],
                "rules": [{**rule.__dict__, "calendar": rule.calendar.value} for rule in rules],
                "outbox": [
                    {
                        "event": one.note.name,
                        "subject": one.note.subject,
                        "to": one.address,
                        "state": one.state,
                        "tries": one.tries,
                        "queued_at": iso(one.queued_at),
                        "told_at": iso(one.told_at),
                        "answer": one.answer,
                    }
                    for one in outbox
                ],
            }
        )
        return
    table = current.table("target", "by", "address")
    for one in targets:
        table.add_row(safe(one.name), one.kind.value, safe(one.address))
    current.out.print(table)
    told = current.table("rule", "target", "severity", "events", "about", "when")
    for rule in rules:
        told.add_row(str(rule.id), safe(rule.target), rule.level, rule.events, safe(rule.subject), rule.calendar.value)
    current.out.print(told)


@notify_app.command()
def target(
    context: typer.Context,
    name: NameArgument,
    kind: Annotated[TargetKind, typer.Argument(help="mail or webhook.")],
    address: Annotated[str, typer.Argument(help="Of mail, or an http(s) address.")],
) -> None:
    """Add somebody or something that can be told."""
    current = session(context)
    try:
        made = checked_target(name, kind.value, address)
        current.catalog.notices.add_target(made, getuser(), current.now())
    except NoticeRefused as error:
        raise refused(str(error)) from None
    current.say(f"{safe(made.name)} can be told now; try it with `firn notify test`.")


@notify_app.command()
def rule(
    context: typer.Context,
    name: NameArgument,
    level: Annotated[str, typer.Option("--level", help="At least this severe: info, warning or error.")] = "warning",
    events: Annotated[str, typer.Option("--events", help="Patterns of event names, with blanks between.")] = "*",
    subject: Annotated[str, typer.Option("--subject", help="Pattern of what the event is about.")] = "*",
    when: Annotated[Calendar, typer.Option("--when", help="When the rule holds.")] = Calendar.ALWAYS,
) -> None:
    """Tell a target of further events."""
    current = session(context)
    known = [one.name for one in current.catalog.notices.targets()]
    try:
        made = checked_rule(name, level, events, subject, when.value, known)
        number = current.catalog.notices.add_rule(made, getuser(), current.now())
    except NoticeRefused as error:
        raise refused(str(error)) from None
    current.say(f"Rule {number} holds from now on.")


@notify_app.command()
def test(context: typer.Context, name: NameArgument) -> None:
    """Send a test to a target now and print the answer; status 1 when it did not go."""
    from appliance.build import send_settings
    from hsm.notices.dispatch import send_test

    current = session(context)
    found = next((one for one in current.catalog.notices.targets() if one.name == name), None)
    if found is None:
        raise not_found("target", name, "`firn notify list` names them.")
    try:
        answer = send_test(send_settings(current.config), found, getuser(), current.now())
    except NotTold as error:
        raise RequestFailed(ExitStatus.FAILED, f"The test did not go: {safe(str(error))}.") from None
    current.say(f"Sent: {safe(answer)}.")


@notify_app.command("remove")
def remove_target(context: typer.Context, name: NameArgument) -> None:
    """Forget a target, its rules, and what it was still to be told."""
    current = session(context)
    try:
        current.catalog.notices.remove_target(name, getuser(), current.now())
    except NotCatalogued:
        raise not_found("target", name, "`firn notify list` names them.") from None
    current.say(f"{safe(name)} is told nothing any more.")


@notify_app.command()
def remove_rule(context: typer.Context, number: Annotated[int, typer.Argument(help="Number of the rule.")]) -> None:
    """Take a rule away."""
    current = session(context)
    try:
        current.catalog.notices.remove_rule(number, getuser(), current.now())
    except NotCatalogued:
        raise not_found("rule", str(number), "`firn notify list` shows their numbers.") from None
    current.say("The rule is gone.")
