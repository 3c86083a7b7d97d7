"""`firn volumes`: what there is, and what a person decides about it."""

from collections.abc import Callable
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import not_found, refused
from appliance.cli.looking import Json
from appliance.cli.repacks_shown import lines, row_of
from appliance.cli.session import Session, session
from appliance.cli.shapes import copy_row, volume_row
from appliance.cli.words import ago, bar, safe, used_pct
from drivers.base import Barcode
from hsm.facts import VolumeRecord
from hsm.media.places import set_location as note_location
from hsm.policy.risk import WORTH_A_REPACK, Risk, risk
from hsm.states import VOLUME_TABLE, Place, VolumeState
from web.words import count, said, size

volumes_app = family("Cartridges and discs.")
app.add_typer(volumes_app, name="volumes", rich_help_panel="Media")

BarcodeArgument = Annotated[str, typer.Argument(metavar="BARCODE", help="As printed on the volume.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in words; kept with the volume.")]
Location = Annotated[str, typer.Option("--location", help="Where it lies, in words.")]
Vault = Annotated[
    bool, typer.Option("--vault", help="On another site: fetched only when there is no nearer copy. Else: a shelf.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the barcode to be typed again.")]


def volume(current: Session, barcode: str) -> VolumeRecord:
    """One catalogued volume.

    Raises: RequestFailed when the catalog does not know it.
    """
    found = current.catalog.volumes.find(Barcode(barcode))
    if found is None:
        raise not_found(
            "volume", barcode, "`firn volumes list` names them; a new one is known once its library was looked at."
        )
    return found


@volumes_app.command("list")
def list_volumes(
    context: typer.Context,
    pool: Annotated[str | None, typer.Option("--pool", help="Only of this volume pool.")] = None,
    state: Annotated[VolumeState | None, typer.Option("--state", help="Only in this state.")] = None,
    as_json: Json = False,
) -> None:
    """List volumes by pool and barcode."""
    current = session(context)
    found = current.catalog.volumes.list(pool=pool, state=state)
    found = sorted(found, key=lambda entry: (entry.pool or "~", entry.barcode))
    if as_json:
        current.print_json({"volumes": [volume_row(entry) for entry in found]})
        return
    if not found:
        current.say("No volume is known. The engine looks into the libraries when it starts.")
        return
    table = current.table("barcode", "pool", "medium", "state", "where", ">used", "", ">of", "verified", "note")
    for entry in found:
        table.add_row(
            safe(entry.barcode),
            safe(entry.pool or "-"),
            safe(entry.generation or entry.kind),
            said(entry.state).word,
            _where(entry),
            size(entry.used_bytes),
            bar(used_pct(entry.used_bytes, entry.capacity_bytes), 10),
            size(entry.capacity_bytes) if entry.capacity_bytes else "?",
            ago(entry.verified_at, current.now()),
            safe(entry.reason),
        )
    current.out.print(table)


def _where(entry: VolumeRecord) -> str:
    detail = entry.library if entry.place is Place.LIBRARY else entry.location
    if entry.leaving:
        detail = f"{detail} (still in a mail slot of {entry.library})"
    return f"{said(entry.place).word} {safe(detail or '')}".strip()


@volumes_app.command()
def show(context: typer.Context, barcode: BarcodeArgument, as_json: Json = False) -> None:
    """Show one volume and what lies on it."""
    current = session(context)
    entry = volume(current, barcode)
    copies = current.catalog.copies.of_volume(entry.barcode)
    repack = current.catalog.repacks.last(entry.barcode)
    if as_json:
        found = judged(current, entry)
        rows = {"copies": [copy_row(copy) for copy in copies], "repack": row_of(current, repack)}
        rows["risk"] = {"score": found.score, "reasons": list(found.reasons)}
        current.print_json({"volume": volume_row(entry), **rows})
        return
    now = current.now()
    current.say(
        f"[bold]{safe(entry.barcode)}[/bold] {safe(entry.generation or entry.kind)} of pool {safe(entry.pool or '-')}: "
        f"{said(entry.state).word}, {_where(entry)}"
    )
    current.say(said(entry.state).meaning + (f" {safe(entry.reason)}" if entry.reason else ""))
    current.say(
        f"{size(entry.used_bytes)} of {size(entry.capacity_bytes)} used, "
        f"{count(entry.mounts, 'mount')}, {count(entry.errors, 'error')}, "
        f"labelled {ago(entry.labelled_at, now)}, verified {ago(entry.verified_at, now)}\n"
    )
    current.say(_feared(current, entry))
    for line in lines(current, repack):
        current.say(line + "\n")
    table = current.table(">nr", "study", "pack", ">size", "state", "verified")
    for copy in copies:
        table.add_row(
            str(copy.sequence or "-"),
            safe(copy.study_instance_uid),
            copy.pack_digest[:12],
            size(copy.size_bytes),
            said(copy.state).word,
            ago(copy.verified_at, now),
        )
    current.out.print(table if copies else "Nothing lies on it.")


def _feared(current: Session, entry: VolumeRecord) -> str:
    """How much a volume is to be feared for."""
    found = judged(current, entry)
    advice = " Think of emptying it: firn volumes repack." if found.score >= WORTH_A_REPACK else ""
    return f"risk {found.score} of 100" + (f": {'; '.join(found.reasons)}." if found.reasons else ".") + advice + "\n"


def judged(current: Session, entry: VolumeRecord) -> Risk:
    """The risk of one volume."""
    bad = current.catalog.volumes.bad_writers(entry.barcode)
    return risk(entry, bad.get(entry.barcode, ()), current.now())


VERBS = {  # what a decision is called, and which event of the volume table it is
    "close": "closed",
    "doubt": "set aside",
    "clear": "trusted again",
    "lose": "declared lost",
    "retire": "retired",
    "repack": "repacked",
}


def check_state(entry: VolumeRecord, event: str) -> None:
    """Refuse a decision that the present state of a volume does not allow, saying which states do.

    Raises: RequestFailed.
    """
    allowed = [state for state in VolumeState if (state, event) in VOLUME_TABLE]
    if event == "lose":  # it is doubted on the way
        allowed += [state for state in VolumeState if (state, "doubt") in VOLUME_TABLE and state not in allowed]
    if entry.state in allowed:
        return
    words = ", ".join(said(state).word for state in allowed)
    because = f" ({entry.reason})" if entry.reason else ""
    raise refused(
        f"{entry.barcode} is {said(entry.state).word}{because}: {said(entry.state).meaning} "
        f"What can be {VERBS[event]} is {words}. Nothing was changed."
    )


def _decide(
    context: typer.Context,
    barcode: str,
    sure: bool,
    event: str,
    change: Callable[[Session, Barcode], None],
    done: str,
) -> None:
    """Change what is thought of a volume, after the barcode was typed twice."""
    current = session(context)
    entry = volume(current, barcode)
    check_state(entry, event)
    if not sure and typer.prompt(f"Type the barcode again to go on ({barcode})") != barcode:
        raise refused("The barcodes differ; nothing was changed.")
    change(current, entry.barcode)
    current.say(f"{safe(barcode)} {done}")


@volumes_app.command()
def close(context: typer.Context, barcode: BarcodeArgument) -> None:
    """Write nothing more on a volume; it stays readable."""
    _decide(context, barcode, True, "close", lambda s, b: s.catalog.volumes.close(b, s.now()), "is closed.")


@volumes_app.command()
def doubt(context: typer.Context, barcode: BarcodeArgument, reason: Reason) -> None:
    """Set a volume aside: it is read if it must be, and never written."""

    def change(current: Session, code: Barcode) -> None:
        current.catalog.volumes.doubt(code, reason, current.now())

    _decide(context, barcode, True, "doubt", change, "is set aside.")


@volumes_app.command()
def clear(context: typer.Context, barcode: BarcodeArgument) -> None:
    """Trust a volume again for reading that was set aside."""

    def change(current: Session, code: Barcode) -> None:
        current.catalog.volumes.clear(code, current.now())

    _decide(context, barcode, True, "clear", change, "is trusted again, for reading.")


@volumes_app.command()
def lost(context: typer.Context, barcode: BarcodeArgument, reason: Reason, yes: Yes = False) -> None:
    """Declare a volume lost, and all copies on it: the policy will make new ones."""

    def change(current: Session, code: Barcode) -> None:
        current.catalog.volumes.lose(code, reason, current.now())

    _decide(context, barcode, yes, "lose", change, "is lost; so are its copies.")


@volumes_app.command()
def retire(context: typer.Context, barcode: BarcodeArgument, reason: Reason, yes: Yes = False) -> None:
    """Take a volume that holds nothing wanted out of use for good."""

    def change(current: Session, code: Barcode) -> None:
        current.catalog.volumes.retire(code, reason, current.now())

    _decide(context, barcode, yes, "retire", change, "is out of use.")


@volumes_app.command("set-location")
def set_location(
    context: typer.Context,
    barcode: BarcodeArgument,
    location: Location,
    vault: Vault = False,
) -> None:
    """Note where a volume lies that a person took out of its library, or carried elsewhere."""
    current = session(context)
    entry = volume(current, barcode)
    note_location(current.catalog, entry.barcode, outside(vault), location, current.now())
    current.say(f"{safe(barcode)} lies {'in the vault' if vault else 'at'} {safe(location)}.")


def outside(vault: bool) -> Place:
    """The place of a volume that was carried out."""
    return Place.VAULT if vault else Place.SHELF
