"""`firn commitments`: who wants to forget objects, and what was promised."""

from datetime import datetime
from typing import Annotated, Any

import typer

from appliance.cli.application import app
from appliance.cli.looking import Json
from appliance.cli.session import session
from appliance.cli.words import ago, iso, safe
from hsm.catalog.commitments import CommitmentRecord


def commitment_row(request: CommitmentRecord) -> dict[str, Any]:
    """One request as a row of --json."""
    return {
        "id": request.id,
        "peer": request.peer_aet,
        "transaction_uid": request.transaction_uid,
        "level": request.level.value,
        "objects": len(request.references),
        "state": request.state.value,
        "asked_at": iso(request.asked_at),
        "answered_at": iso(request.answered_at),
        "committed": request.committed,
        "refused": request.refused,
        "tries": request.tries,
        "look_at": iso(request.look_at),
        "message": request.message,
    }


@app.command(rich_help_panel="Looking")
def commitments(
    context: typer.Context,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those without an answer.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List requests for storage commitment, newest first, with what was promised or what they wait for."""
    current = session(context)
    found = current.catalog.commitments.list(waiting, limit)
    if as_json:
        current.print_json({"commitments": [commitment_row(request) for request in found]})
        return
    table = current.table(">id", "peer", "level", ">objects", "state", "asked", "answer", "last trouble")
    for request in found:
        table.add_row(
            str(request.id),
            safe(request.peer_aet),
            request.level.value,
            str(len(request.references)),
            request.state.value,
            ago(request.asked_at, current.now()),
            answer(request, current.now()),
            safe(request.message) or "-",
        )
    current.out.print(table)
    if not found:
        current.say("No peer has asked for storage commitment.")


def answer(request: CommitmentRecord, now: datetime) -> str:
    """What a peer was told, or when it is looked at again."""
    if request.answered_at is not None:
        return f"{request.committed} promised, {request.refused} not, {ago(request.answered_at, now)}"
    return f"looked at again {iso(request.look_at)}" if request.tries else "when its objects are safe enough"
