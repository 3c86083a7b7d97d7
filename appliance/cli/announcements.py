"""`firn announcements`: which peers were told how soon a study can be had."""

from typing import Annotated, Any

import typer

from appliance.cli.application import app
from appliance.cli.looking import Json
from appliance.cli.session import session
from appliance.cli.words import ago, iso, safe
from hsm.catalog.announcements import Announcement


def announcement_row(one: Announcement) -> dict[str, Any]:
    """One notification as a row of --json."""
    return {
        "id": one.id,
        "peer": one.peer_aet,
        "study_instance_uid": one.study_instance_uid,
        "availability": one.availability.value,
        "state": one.state,
        "tries": one.tries,
        "queued_at": iso(one.queued_at),
        "not_before": iso(one.not_before),
        "told_at": iso(one.told_at),
        "message": one.message,
    }


@app.command(rich_help_panel="Looking")
def announcements(
    context: typer.Context,
    pending: Annotated[bool, typer.Option("--pending", help="Only those that no peer has taken yet.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List notifications of availability to peers, newest first: what was told, or what it waits for."""
    current = session(context)
    found = current.catalog.announcements.list(pending, limit)
    if as_json:
        current.print_json({"announcements": [announcement_row(one) for one in found]})
        return
    table = current.table(">id", "peer", "study", "availability", "state", "queued", "told", "last trouble")
    for one in found:
        told = "-" if one.told_at is None else ago(one.told_at, current.now())
        table.add_row(
            str(one.id),
            safe(one.peer_aet),
            one.study_instance_uid,
            one.availability.value,
            one.state,
            ago(one.queued_at, current.now()),
            told,
            safe(one.message) or "-",
        )
    current.out.print(table)
    if not found:
        current.say("No peer was told anything. Set `announce = true` for a [[peer]] that wants to know.")
