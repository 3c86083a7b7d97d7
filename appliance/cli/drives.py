"""`firn drives`: what each tape drive and recorder does and says of itself, and what a person decides about it."""

from typing import Annotated, Any

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import not_found
from appliance.cli.looking import Json
from appliance.cli.session import COMMAND_LINE, Session, session
from appliance.cli.shapes import cleaning_row, drive_row, job_row
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, wait_for_jobs
from appliance.cli.words import ago, safe
from drivers.base import MediumKind
from hsm.catalog.records import DriveRecord
from hsm.facts import JobRecord
from hsm.media.drives import at_work, set_down, set_up
from hsm.media.drives import reserve as keep
from hsm.media.robots import ask_clean
from hsm.states import JobState
from web.words import count, kind_words, said

drives_app = family("Tape drives and disc recorders.")
app.add_typer(drives_app, name="drives", rich_help_panel="Media")

DriveArgument = Annotated[
    str, typer.Argument(metavar="DRIVE", help="LIBRARY/NUMBER or serial number, as `firn drives list` shows them.")
]


def drive(current: Session, name: str) -> DriveRecord:
    """One drive, by LIBRARY/NUMBER or serial number. Raises: RequestFailed."""
    known = current.catalog.drives.list()
    found = [d for d in known if name in (f"{d.library}/{d.index}", d.serial)]
    if not found:
        names = ", ".join(f"{d.library}/{d.index}" for d in known) or "none; the engine looks for them when it starts"
        raise not_found("drive", name, f"Known: {names}.")
    return found[0]


def _at_work(current: Session, entry: DriveRecord) -> JobRecord | None:
    """The running job on the volume that a drive holds, or of the drive itself."""
    return at_work(entry, current.catalog.jobs.list(states=(JobState.RUNNING,), limit=1000))


@drives_app.command("list")
def list_drives(context: typer.Context, as_json: Json = False) -> None:
    """List drives with what they hold and do, their errors and alerts, and the cleaning cartridges."""
    current = session(context)
    drives, cartridges = current.catalog.drives.list(), current.catalog.cleaning.list()
    if as_json:
        current.print_json(
            {"drives": [drive_row(d) for d in drives], "cleaning_cartridges": [cleaning_row(c) for c in cartridges]}
        )
        return
    if not drives:
        current.say("No drive is known. The engine looks for them when it starts.")
        return
    table = current.table("drive", "serial", "kind", "state", "volume", "does", ">mounts", ">errors", "cleaned", "note")
    for entry in drives:
        table.add_row(
            safe(f"{entry.library}/{entry.index}"),
            safe(entry.serial),
            entry.kind.value,
            said(entry.state).word,
            safe(entry.barcode or "-"),
            _activity(_at_work(current, entry)),
            str(entry.mounts),
            str(entry.errors),
            ago(entry.cleaned_at, current.now()) if entry.kind is MediumKind.TAPE else "",
            safe("; ".join(_remarks(entry))),
        )
    current.out.print(table)
    for cartridge in cartridges:
        where = f"in {cartridge.library}" if cartridge.present else "not in a library"
        state = "used up" if cartridge.used_up else f"used {count(cartridge.uses, 'time')} here"
        current.say(f"Cleaning cartridge {safe(cartridge.barcode)}, {safe(where)}: {state}.")


def _activity(job: JobRecord | None) -> str:
    if job is None:
        return "-"
    percent = f" {100 * job.done_bytes // job.size_bytes} %" if job.size_bytes else ""
    return f"{kind_words(job.kind)}{percent}" + (f", {safe(job.phase)}" if job.phase else "")


def _remarks(entry: DriveRecord) -> list[str]:
    remarks = [entry.reason] if entry.reason else []
    remarks += ["kept for recalls"] if entry.recalls_only else []
    remarks += ["asks to be cleaned"] if entry.wants_cleaning else []
    return remarks + [alert.replace("_", " ") for alert in entry.alerts]


@drives_app.command()
def show(context: typer.Context, name: DriveArgument, as_json: Json = False) -> None:
    """Show one drive and what it does."""
    current = session(context)
    entry = drive(current, name)
    job = _at_work(current, entry)
    if as_json:
        document: dict[str, Any] = {"drive": drive_row(entry), "job": None if job is None else job_row(job)}
        current.print_json(document)
        return
    now = current.now()
    current.say(
        f"[bold]{safe(entry.library)}/{entry.index}[/bold] {entry.kind.value} drive {safe(entry.serial)}: "
        f"{said(entry.state).word} since {ago(entry.changed_at, now)}, holds {safe(entry.barcode or 'nothing')}"
    )
    current.say(said(entry.state).meaning)
    current.say(f"Does: {_activity(job)}")
    current.say(
        f"{count(entry.mounts, 'mount')}, {count(entry.errors, 'error')} in a row, cleaned {ago(entry.cleaned_at, now)}"
    )
    for remark in _remarks(entry):
        current.say(f"Note: {safe(remark)}")


@drives_app.command()
def up(context: typer.Context, name: DriveArgument) -> None:
    """Use a drive again that was set aside."""
    current = session(context)
    entry = drive(current, name)
    set_up(current.catalog, entry.library, entry.index, current.now())
    current.say(f"{safe(name)} is used again.")


@drives_app.command()
def down(
    context: typer.Context,
    name: DriveArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; shown with the drive.")],
) -> None:
    """Set a drive aside. What it does now is brought to its end; nothing new is begun."""
    current = session(context)
    entry = drive(current, name)
    set_down(current.catalog, entry.library, entry.index, reason, current.now())
    busy = _at_work(current, entry)
    after = "" if busy is None else f" when job {busy.id} has ended"
    current.say(f"{safe(name)} is set aside{after}.")


@drives_app.command()
def clean(
    context: typer.Context, name: DriveArgument, wait: Wait = False, limit_s: WaitLimit = DEFAULT_LIMIT_S
) -> None:
    """Have a tape drive cleaned with a cleaning cartridge, as soon as it is idle."""
    current = session(context)
    entry = drive(current, name)
    job_id = ask_clean(current.catalog, entry.library, entry.index, COMMAND_LINE, current.now())
    current.say(f"Job {job_id} cleans {safe(name)}.")
    if wait:
        wait_for_jobs(current, [job_id], limit_s)
        current.say(f"{safe(current.catalog.jobs.get(job_id).message)}.")


@drives_app.command()
def reserve(
    context: typer.Context,
    name: DriveArgument,
    off: Annotated[bool, typer.Option("--off", help="Let it do everything again.")] = False,
) -> None:
    """Keep a drive for recalls: nothing else is begun on it."""
    current = session(context)
    entry = drive(current, name)
    keep(current.catalog, entry.library, entry.index, not off, current.now())
    current.say(f"{safe(name)} {'does everything again' if off else 'is kept for recalls'}.")
