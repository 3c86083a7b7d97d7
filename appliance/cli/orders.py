"""`firn orders`: appointments, what is prefetched for them, and the HL7 messages that were not understood."""

from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.session import session
from appliance.cli.words import ago, iso, safe

orders_app = family("Orders: who is examined when, and whether the priors are on disk.")
app.add_typer(orders_app, name="orders", rich_help_panel="Studies")
quarantine_app = family("HL7 messages that were not understood.")
orders_app.add_typer(quarantine_app, name="quarantine")


@orders_app.command("list")
def list_orders(
    context: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Appointments of so many days from today.")] = 2,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the appointments of today and tomorrow."""
    from hsm.states import OPEN_ORDERS, Availability

    current = session(context)
    begin = current.now().replace(hour=0, minute=0, second=0, microsecond=0)
    found = current.catalog.orders.list(begin, begin + timedelta(days=days), () if everything else OPEN_ORDERS)
    arrived = current.catalog.orders.arrived([order.id for order in found])
    priors = {
        order.id: current.catalog.prefetches.priors_of(order.fields.patient_id, order.fields.issuer) for order in found
    }
    if as_json:
        rows = [
            {
                "id": order.id,
                "state": order.state.value,
                "scheduled_at": iso(order.fields.scheduled_at),
                "modality": order.fields.modality,
                "body_part": order.fields.body_part,
                "station_aet": order.fields.station_aet,
                "patient_id": order.fields.patient_id,
                "accession_number": order.fields.accession_number,
                "study_instance_uid": order.fields.study_instance_uid,
                "arrived": order.id in arrived,
                "priors": {uid: availability.value for uid, availability in priors[order.id].items()},
            }
            for order in found
        ]
        current.print_json({"orders": rows})
        return
    table = current.table(">id", "appointment", "what", "patient", "accession", "state", ">priors", ">on disk")
    for order in found:
        fields, known = order.fields, priors[order.id]
        table.add_row(
            str(order.id),
            f"{fields.scheduled_at:%Y-%m-%d %H:%M}Z",
            safe(" ".join(part for part in (fields.modality, fields.body_part) if part)),
            safe(fields.patient_id),
            safe(fields.accession_number),
            order.state.value.replace("_", " ") + (", study arrived" if order.id in arrived else ""),
            str(len(known)),
            str(sum(availability is Availability.ONLINE for availability in known.values())),
        )
    current.out.print(table)
    if not found:
        current.say("No appointment. Orders come by HL7 (docs/ORDERS.md), or place one with `firn orders add`.")


@orders_app.command()
def add(
    context: typer.Context,
    patient: Annotated[str, typer.Argument(help="Patient ID.")],
    modality: Annotated[str, typer.Argument(help="Modality, for example CT.")],
    at: Annotated[datetime, typer.Argument(help="Time of the appointment, UTC.", formats=["%Y-%m-%dT%H:%M"])],
    name: Annotated[str, typer.Option("--name", help="Patient's name, as family^given.")] = "",
    body_part: Annotated[str, typer.Option("--body-part", help="Body part, for example CHEST.")] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number; made up without it.")] = "",
    station: Annotated[str, typer.Option("--station", help="AE title of the modality.")] = "",
) -> None:
    """Place an order."""
    from hsm.orders.model import OrderRefused, made

    current = session(context)
    values = {
        "patient_id": patient,
        "modality": modality.upper(),
        "scheduled_at": at.replace(tzinfo=UTC),
        "patient_name": name,
        "body_part": body_part.upper(),
        "accession_number": accession,
        "station_aet": station,
    }
    try:
        number = current.catalog.orders.place(made(values), getuser(), current.now())
    except OrderRefused as error:
        raise RequestFailed(ExitStatus.USAGE, f"Not placed: {error}") from error
    current.say(f"Order {number} is placed; modalities see it in their worklist.")


@orders_app.command()
def cancel(
    context: typer.Context,
    order: Annotated[int, typer.Argument(help="Number of the order.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.")],
) -> None:
    """Take an order back."""
    current = session(context)
    current.catalog.orders.cancel(order, reason.strip(), getuser(), current.now())
    current.say(f"Order {order} is taken back.")


@orders_app.command()
def prefetch(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--rules", help="Try these rules instead of those in force.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what would be prefetched, when, and why. Changes nothing."""
    from hsm.orders.prefetch import words
    from hsm.orders.prefetching import look

    current = session(context)
    now = current.now()
    decision = look(current.catalog, now, file.read_text(encoding="utf-8") if file else "")
    if as_json:
        asked = {(wish.order_id, wish.study_instance_uid) for wish in decision.ask}
        rows = [
            {
                "order": wish.order_id,
                "study_instance_uid": wish.study_instance_uid,
                "rule": wish.rule,
                "appointment_at": iso(wish.begins_at),
                "ask_from": iso(wish.ask_from),
                "now": (wish.order_id, wish.study_instance_uid) in asked,
                "online": wish.online,
                "volumes": list(wish.volumes),
                "why": wish.why,
            }
            for wish in decision.wanted
        ]
        current.print_json({"priors": rows})
        return
    for wish in decision.wanted:
        current.say(f"{safe(wish.study_instance_uid)}: {safe(words(wish, now))}")
    volumes = {volume for wish in decision.ask if not wish.online for volume in wish.volumes}
    current.say(
        f"{len(decision.wanted)} priors are wanted, {len(decision.ask)} of them are asked for now, "
        f"from {len(volumes)} volumes."
        if decision.wanted
        else "No prior is wanted: no rule in force prefetches, or no appointment has one."
    )


@quarantine_app.command("list")
def list_quarantined(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the messages that nobody has settled."""
    current = session(context)
    found = current.catalog.order_messages.quarantined()
    if as_json:
        rows = [
            {
                "id": message.id,
                "received_at": iso(message.received_at),
                "address": message.address,
                "sender": message.sender,
                "control_id": message.control_id,
                "kind": message.kind,
                "answer": message.answer,
                "why": message.why,
                "tries": message.tries,
            }
            for message in found
        ]
        current.print_json({"messages": rows})
        return
    table = current.table(">id", "received", "from", "kind", "answer", "why", ">times")
    for message in found:
        sender = safe(message.sender or message.address)
        received = ago(message.received_at, current.now())
        kind, why = safe(message.kind), safe(message.why)
        table.add_row(str(message.id), received, sender, kind, message.answer, why, str(message.tries))
    current.out.print(table)
    if not found:
        current.say("No message waits: all were understood.")


@quarantine_app.command("show")
def show_quarantined(
    context: typer.Context, message: Annotated[int, typer.Argument(help="Number of the message.")]
) -> None:
    """Print a message, a segment a line; patients are named in it."""
    current = session(context)
    raw = current.catalog.order_messages.get(message).raw
    for line in raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        current.say(safe(line.decode("utf-8", "backslashreplace")))


@quarantine_app.command("settle")
def settle_quarantined(
    context: typer.Context, message: Annotated[int, typer.Argument(help="Number of the message.")]
) -> None:
    """Note that a message was dealt with; it is kept, and no longer listed."""
    current = session(context)
    current.catalog.order_messages.settle(message, getuser(), current.now())
    current.say(f"Message {message} is settled.")
