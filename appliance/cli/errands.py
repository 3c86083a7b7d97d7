"""`firn volumes scan | import | export | move`: what people ask of robots and of the media in them.

Each asks for jobs; the engine carries them out, or this command does with --wait where none runs.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from appliance.cli.failures import ExitStatus, refused
from appliance.cli.libraries import chosen_libraries
from appliance.cli.looking import Json
from appliance.cli.session import COMMAND_LINE, Session, session
from appliance.cli.shapes import job_row
from appliance.cli.volumes import Location, Vault, outside, volume, volumes_app
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, ended_jobs, judge
from appliance.cli.words import safe
from drivers.base import ElementKind
from hsm.facts import JobRecord
from hsm.media.robots import ask_export, ask_import, ask_move, ask_scan, check_may_leave
from web.words import count

Barcodes = Annotated[list[str], typer.Argument(metavar="BARCODE...", help="As printed on the volumes.")]
Force = Annotated[bool, typer.Option("--force", help="Even if a study has its only verified copy on it.")]


@volumes_app.command()
def scan(
    context: typer.Context,
    barcodes: Barcodes,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Look at the media themselves: blank, ours, foreign or unreadable, and whether the catalog agrees.

    Nothing is written.
    """
    current = session(context)
    entries = [volume(current, barcode) for barcode in barcodes]
    numbers = [ask_scan(current.catalog, entry.barcode, COMMAND_LINE, current.now()) for entry in entries]
    jobs = _stay(current, numbers, wait, limit_s)
    found = findings(jobs)
    if as_json:
        current.print_json({"jobs": [job_row(job) for job in jobs], "found": found})
    else:
        _tell(current, jobs, wait)
    if wait:
        judge(jobs)
        if not all(row["agrees"] for row in found):
            raise typer.Exit(ExitStatus.FAILED)


def findings(jobs: Sequence[JobRecord]) -> list[dict[str, Any]]:
    """What scans found, as rows of --json."""
    return [{"volume": job.barcode, **job.payload["found"]} for job in jobs if "found" in job.payload]


@volumes_app.command("import")
def import_volumes(
    context: typer.Context,
    barcodes: Annotated[
        list[str] | None, typer.Argument(metavar="[BARCODE...]", help="Only these; without it all in mail slots.")
    ] = None,
    library: Annotated[str | None, typer.Option("--library", help="Only the mail slots of this library.")] = None,
    look: Annotated[bool, typer.Option("--scan/--no-scan", help="Look at what is new: blank, ours or foreign.")] = True,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Have robots bring what lies in their mail slots into slots, and into the catalog."""
    current = session(context)
    wanted = list(dict.fromkeys(barcodes or []))
    numbers = [
        ask_import(current.catalog, name, wanted, look, COMMAND_LINE, current.now())
        for name in _with_mail_slots(current, library, wanted)
    ]
    jobs = _stay(current, numbers, wait, limit_s)
    scans = [number for job in jobs for number in job.payload.get("scans", [])]
    looked = ended_jobs(current, scans, limit_s) if wait and scans else []
    if as_json:
        document = {key: [entry for job in jobs for entry in job.payload.get(key, [])] for key in ("imported", "left")}
        rows = [job_row(job) for job in [*jobs, *looked]]
        current.print_json({"jobs": rows, **document, "found": findings(looked)})
    else:
        _tell(current, [*jobs, *looked], wait)
    if wait:
        judge([*jobs, *looked])


def _with_mail_slots(current: Session, library: str | None, wanted: Sequence[str]) -> list[str]:
    """The libraries to ask: the one named, those that were last seen to have mail slots, or all."""
    names = chosen_libraries(current, library)
    elements = current.catalog.volumes.elements()
    seen = {element.library for element in elements}
    having = {element.library for element in elements if element.kind == ElementKind.MAIL_SLOT}
    found = [name for name in names if library is not None or name in having or name not in seen]
    if not found:
        raise refused("No library has a mail slot: put volumes into drives or slots by hand.")
    if wanted and len(found) > 1:
        raise refused(f"Several libraries have mail slots: choose one of {', '.join(found)} with --library.")
    return found


@volumes_app.command()
def export(
    context: typer.Context,
    barcodes: Barcodes,
    location: Location,
    vault: Vault = False,
    force: Force = False,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Have the robot lay volumes into mail slots, for a shelf or a vault."""
    current = session(context)
    entries = [volume(current, barcode) for barcode in dict.fromkeys(barcodes)]
    for entry in entries:  # nothing leaves unless all may
        check_may_leave(current.catalog, entry, force)
    place, now = outside(vault), current.now()
    asked = [ask_export(current.catalog, entry.barcode, place, location, force, COMMAND_LINE, now) for entry in entries]
    offline = {uid for leaving in asked for uid in leaving.offline}
    jobs = _stay(current, [leaving.job_id for leaving in asked], wait, limit_s)
    if as_json:
        rows = [{**job_row(job), "mail_slot": job.payload.get("mail_slot")} for job in jobs]
        current.print_json({"jobs": rows, "offline": sorted(offline)})
    else:
        _tell(current, jobs, wait)
        if offline:
            current.say(f"{count(len(offline), 'study is', 'studies are')} then only to be had by bringing it back.")
    if wait:
        judge(jobs)


@volumes_app.command()
def move(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument(metavar="BARCODE", help="As printed on the volume.")],
    slot: Annotated[
        int | None, typer.Option("--to", min=0, help="Number of the slot; without it out of its drive to a free one.")
    ] = None,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
) -> None:
    """Have the robot bring a volume to another slot, or out of its drive."""
    current = session(context)
    entry = volume(current, barcode)
    number = ask_move(current.catalog, entry.barcode, slot, COMMAND_LINE, current.now())
    jobs = _stay(current, [number], wait, limit_s)
    _tell(current, jobs, wait)
    if wait:
        judge(jobs)


def _stay(current: Session, numbers: Sequence[int], wait: bool, limit_s: float) -> list[JobRecord]:
    """The jobs as they are now, or as they ended if that is waited for."""
    return ended_jobs(current, numbers, limit_s) if wait else [current.catalog.jobs.get(number) for number in numbers]


def _tell(current: Session, jobs: Sequence[JobRecord], wait: bool) -> None:
    for job in jobs:
        what = safe(job.barcode or job.payload.get("library", ""))
        if wait and job.message:
            current.say(f"{what}: {safe(job.message)}.")
        elif not wait:
            current.say(f"Job {job.id}: {safe(job.reason)}.")
