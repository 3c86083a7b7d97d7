"""`firn volumes scan | import | export | move`: what people ask of robots and of the media in them.

Each asks for jobs; the engine carries them out, or this command does with --wait where none runs.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from appliance.cli.failures import ExitStatus, refused
from appliance.cli.libraries import chosen_libraries, export_request
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.shapes import job_row
from appliance.cli.volumes import Location, Vault, outside, volume, volumes_app
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, ended_jobs, judge
from appliance.cli.words import safe
from drivers.base import Barcode, ElementKind
from hsm.catalog.records import JobRequest
from hsm.facts import JobRecord, VolumeRecord
from hsm.states import DriveState, JobKind, Place
from web.words import count, said

Barcodes = Annotated[list[str], typer.Argument(metavar="BARCODE...", help="As printed on the volumes.")]
Force = Annotated[bool, typer.Option("--force", help="Even if a study has its only verified copy on it.")]

AT_WORK = frozenset({DriveState.LOADING, DriveState.READING, DriveState.WRITING, DriveState.UNLOADING})


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
    from hsm.engine.operations import scan_request

    current = session(context)
    entries = [volume(current, barcode) for barcode in barcodes]
    jobs = _ask(current, [scan_request(e.barcode, "to see what it is", "command line") for e in entries], wait, limit_s)
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
    requests = [
        JobRequest(
            kind=JobKind.IMPORT,
            key=f"import:{name}:{','.join(wanted)}",
            payload={"library": name, "barcodes": wanted, "scan": look},
            requested_by="command line",
            reason=f"import {', '.join(wanted) or 'what lies in the mail slots'}",
        )
        for name in _with_mail_slots(current, library, wanted)
    ]
    jobs = _ask(current, requests, wait, limit_s)
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
    offline: set[str] = set()
    for entry in entries:
        offline |= _may_leave(current, entry, force)
    requests = [export_request(str(entry.library), entry.barcode, outside(vault), location, force) for entry in entries]
    jobs = _ask(current, requests, wait, limit_s)
    if as_json:
        rows = [{**job_row(job), "mail_slot": job.payload.get("mail_slot")} for job in jobs]
        current.print_json({"jobs": rows, "offline": sorted(offline)})
    else:
        _tell(current, jobs, wait)
        if offline:
            current.say(f"{count(len(offline), 'study is', 'studies are')} then only to be had by bringing it back.")
    if wait:
        judge(jobs)


def _may_leave(current: Session, entry: VolumeRecord, force: bool) -> set[str]:
    """The studies that will be offline.

    Raises: RequestFailed when the volume is not in a library, is being used, or is the only one for some study.
    """
    if entry.place is not Place.LIBRARY or entry.library is None:
        where = f" {entry.location}" if entry.location else ""
        raise refused(
            f"{entry.barcode} is {said(entry.place).word}{where}, in no library. If it was carried elsewhere: "
            f"firn volumes set-location {entry.barcode} --location ..."
        )
    for drive in current.catalog.drives.list(entry.library):
        if drive.barcode == entry.barcode and drive.state in AT_WORK:
            raise refused(
                f"{entry.barcode} is being used: drive {drive.index} is {said(drive.state).word}. Try again when the "
                "job has ended (firn jobs), or cancel it."
            )
    loss = current.catalog.volumes.loss(entry.barcode)
    if loss.only_here and not force:
        names = ", ".join(loss.only_here[:3]) + (" ..." if len(loss.only_here) > 3 else "")
        raise refused(
            f"{entry.barcode} holds the only verified copy of {count(len(loss.only_here), 'study', 'studies')} "
            f"({names}). Make or verify another copy first (firn tick, firn verify), or say --force."
        )
    return set(loss.offline)


@volumes_app.command()
def move(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument(metavar="BARCODE", help="As printed on the volume.")],
    slot: Annotated[int, typer.Option("--to", min=0, help="Number of the slot.")],
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
) -> None:
    """Have the robot bring a volume to another slot."""
    current = session(context)
    entry = volume(current, barcode)
    if entry.place is not Place.LIBRARY:
        raise refused(f"{barcode} is {said(entry.place).word}: no robot reaches it.")
    request = JobRequest(
        kind=JobKind.MOVE,
        key=f"move:{barcode}:{slot}",
        barcode=Barcode(barcode),
        payload={"library": entry.library, "slot": slot},
        requested_by="command line",
        reason=f"move {barcode} to slot {slot}",
    )
    jobs = _ask(current, [request], wait, limit_s)
    _tell(current, jobs, wait)
    if wait:
        judge(jobs)


def _ask(current: Session, requests: Sequence[JobRequest], wait: bool, limit_s: float) -> list[JobRecord]:
    """Submit, and stay until it is done if that is wanted."""
    numbers = [number for number, _ in current.catalog.jobs.submit_many(requests, current.now())]
    return ended_jobs(current, numbers, limit_s) if wait else [current.catalog.jobs.get(number) for number in numbers]


def _tell(current: Session, jobs: Sequence[JobRecord], wait: bool) -> None:
    for job in jobs:
        what = safe(job.barcode or job.payload.get("library", ""))
        if wait and job.message:
            current.say(f"{what}: {safe(job.message)}.")
        elif not wait:
            current.say(f"Job {job.id}: {safe(job.reason)}.")
