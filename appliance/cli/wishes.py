"""`firn requests`, `firn send` and `firn deliveries`: who wants what back, and what is sent where."""

from collections.abc import Sequence
from getpass import getuser
from typing import Annotated, Any

import typer
from rich.table import Table

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, refused
from appliance.cli.looking import Json, Limit
from appliance.cli.moving import MOVING, StudyArgument, known_study
from appliance.cli.session import Session, session
from appliance.cli.words import ago, iso, safe
from hsm.catalog.deliveries import DeliveryRecord
from hsm.catalog.records import RequestRecord
from hsm.states import ACTIVE_DELIVERIES, IllegalTransition, RequestState
from web.words import said

requests_app = family("Recall requests: who wants what back, and what became of it.")
app.add_typer(requests_app, name="requests", rich_help_panel=MOVING)
deliveries_app = family("Deliveries: what is sent to which node, at once or after its recall.")
app.add_typer(deliveries_app, name="deliveries", rich_help_panel=MOVING)

Everything = Annotated[bool, typer.Option("--all", help="Also those that are over.")]
By = Annotated[str | None, typer.Option("--by", help="Only those of this account, or of this AE title.")]
RequestNumber = Annotated[int, typer.Argument(metavar="REQUEST", help="Number of the request.")]
DeliveryNumber = Annotated[int, typer.Argument(metavar="DELIVERY", help="Number of the delivery.")]


@requests_app.command("list")
def list_requests(
    context: typer.Context, everything: Everything = False, by: By = None, limit: Limit = 100, as_json: Json = False
) -> None:
    """List recall requests, newest first."""
    current = session(context)
    states = () if everything else (RequestState.WAITING,)
    found = current.catalog.requests.list(by, states, limit=limit)
    if as_json:
        current.print_json({"requests": [request_row(one) for one in found]})
        return
    table = current.table(">id", "state", "study", "wanted by", "asked", "why")
    for one in found:
        state, asked = said(one.state).word, ago(one.created_at, current.now())
        who = safe(one.requested_by)
        table.add_row(str(one.id), state, safe(one.study_instance_uid), who, asked, safe(one.why))
    _show(current, table, found, "No request is waiting. Ask for a study with `firn recall STUDY`.")


@requests_app.command("cancel")
def cancel_request(context: typer.Context, request: RequestNumber) -> None:
    """Take one wish back; the work goes on when somebody else waits for it."""
    current = session(context)
    try:
        ended = current.archive.cancel_recall(request, by=getuser())
    except IllegalTransition:
        raise refused(f"Request {request} is over.") from None
    current.say(f"Request {request} is taken back" + ("." if ended else "; the work goes on, somebody else waits."))


def request_row(one: RequestRecord) -> dict[str, Any]:
    """One request, for --json."""
    return {
        "id": one.id,
        "study_instance_uid": one.study_instance_uid,
        "state": str(one.state),
        "requested_by": one.requested_by,
        "created_at": iso(one.created_at),
        "ended_at": iso(one.ended_at),
        "why": one.why,
        "series": one.series,
        "instances": one.instances,
    }


@app.command(rich_help_panel=MOVING)
def send(
    context: typer.Context,
    study: StudyArgument,
    to: Annotated[str, typer.Option("--to", help="AE title of a configured peer.")],
    series: Annotated[list[str] | None, typer.Option("--series", help="Only this series; may be repeated.")] = None,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", help="Only this SOP instance; may be repeated.")
    ] = None,
) -> None:
    """Send a study to a node; what is not on disk is brought back first. The DICOM node does it."""
    from appliance.peers import destinations

    current = session(context)
    uid = known_study(current, study)
    if to not in destinations(current.config, current.catalog):
        raise RequestFailed(ExitStatus.NOT_FOUND, f"There is no peer {to} that takes studies: add it as a peer first.")
    number = current.archive.deliver(uid, to, tuple(series or ()), tuple(instance or ()), requested_by="command line")
    state = said(current.catalog.deliveries.get(number).state).word
    current.say(f"Delivery {number} to {safe(to)}: {state}. See `firn deliveries list`.")


@deliveries_app.command("list")
def list_deliveries(
    context: typer.Context, everything: Everything = False, by: By = None, limit: Limit = 100, as_json: Json = False
) -> None:
    """List deliveries, newest first."""
    current = session(context)
    states = () if everything else tuple(ACTIVE_DELIVERIES)
    found = current.catalog.deliveries.list(by, states, limit=limit)
    if as_json:
        current.print_json({"deliveries": [delivery_row(one) for one in found]})
        return
    now = current.now()
    table = current.table(">id", "state", "to", "study", "arrived", "next try", "what went wrong")
    for one in found:
        arrived = f"{one.sent} of {one.total}" if one.total else "-"
        again, study = ago(one.not_before, now, "-"), safe(one.study_instance_uid)
        table.add_row(
            str(one.id), said(one.state).word, safe(one.destination), study, arrived, again, safe(one.message)
        )
    _show(current, table, found, "Nothing is to be sent. Ask for it with `firn send STUDY --to AE`.")


@deliveries_app.command("cancel")
def cancel_delivery(context: typer.Context, delivery: DeliveryNumber) -> None:
    """Take a delivery back; a recall that was made for it alone is taken back, too."""
    current = session(context)
    try:
        current.archive.cancel_delivery(delivery, by=getuser())
    except IllegalTransition:
        raise refused(f"Delivery {delivery} is over.") from None
    current.say(f"Delivery {delivery} is taken back.")


@deliveries_app.command("again")
def deliver_again(context: typer.Context, delivery: DeliveryNumber) -> None:
    """Try a delivery again that failed."""
    current = session(context)
    try:
        current.archive.deliver_again(delivery)
    except IllegalTransition:
        raise refused(f"Delivery {delivery} did not fail.") from None
    current.say(f"Delivery {delivery} is tried again.")


def delivery_row(one: DeliveryRecord) -> dict[str, Any]:
    """One delivery, for --json."""
    return {
        "id": one.id,
        "study_instance_uid": one.study_instance_uid,
        "series": list(one.series_uids),
        "instances": list(one.sop_uids),
        "destination": one.destination,
        "state": str(one.state),
        "requested_by": one.requested_by,
        "created_at": iso(one.created_at),
        "deadline": iso(one.deadline),
        "not_before": iso(one.not_before),
        "ended_at": iso(one.ended_at),
        "tries": one.tries,
        "message": one.message,
        "request": one.request_id,
        "total": one.total,
        "sent": one.sent,
    }


def _show(current: Session, table: Table, found: Sequence[object], nothing: str) -> None:
    if found:
        current.out.print(table)
    else:
        current.say(nothing)
