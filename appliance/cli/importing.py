"""`firn import`: take in files, folders, DICOM media and ZIP archives."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.application import app
from appliance.cli.failures import ExitStatus, RequestFailed, not_found
from appliance.cli.looking import Json
from appliance.cli.moving import MOVING
from appliance.cli.session import Session, session
from appliance.cli.waiting import DEFAULT_LIMIT_S, WaitLimit, progress_bar, wait_for_jobs
from appliance.cli.words import safe
from hsm.catalog.records import JobRequest
from hsm.states import JobKind
from web.words import count


@app.command("import", rich_help_panel=MOVING)
def import_files(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Files, folders, DICOMDIR or ZIP files.")
    ] = None,
    drive: Annotated[
        str | None,
        typer.Option(
            "--drive", metavar="LIBRARY[/N]", help="Instead of paths: the disc in a recorder without a robot."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Kept as the AE title they came from: IMPORT, or the disc's name.")
    ] = None,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Take DICOM files in. They are copied and stay where they are; importing again is harmless.

    Exit status 1 when a file was not accepted: each is named with the reason.
    """
    current = session(context)
    if (drive is None) == (not paths):
        raise RequestFailed(ExitStatus.USAGE, "Give either files and folders, or --drive LIBRARY[/N].")
    if drive is None:
        taken_in = _from_paths(current, paths or [], source or "IMPORT", as_json)
    else:
        taken_in = _from_drive(current, drive, source, limit_s)
    _tell(current, taken_in, as_json)


@dataclass(frozen=True)
class TakenIn:
    """What became of the files."""

    accepted: int
    already_stored: int
    rejected: list[dict[str, str]]


def _from_paths(current: Session, paths: list[Path], source: str, as_json: bool) -> TakenIn:
    from hsm.importing import Imported, import_paths
    from hsm.receive import ReceiptKind

    for path in paths:
        if not path.exists():
            raise not_found("file or folder", str(path))
    accepted, known = 0, 0
    rejected: list[dict[str, str]] = []
    total = sum(1 for _ in _files(paths)) if current.err.is_terminal else 0
    with progress_bar(current, total, "importing") as advance:
        for result in import_paths(current.archive, paths, source):
            advance(1)
            if isinstance(result, Imported):
                if result.receipt.kind is ReceiptKind.DUPLICATE:
                    known += 1
                else:
                    accepted += 1
            else:
                rejected.append({"path": result.path, "reason": result.reason})
                if not as_json:
                    current.warn(f"[red]✗[/red] {safe(result.path)}: {safe(result.reason)}")
    return TakenIn(accepted, known, rejected)


def _from_drive(current: Session, drive: str, source: str | None, limit_s: float) -> TakenIn:
    """Have the engine read the disc in a recorder, or do it here where none runs."""
    from hsm.mover.foreign import EVENT

    name, _, number = drive.partition("/")
    if name not in {entry.name for entry in current.config.libraries}:
        known = ", ".join(entry.name for entry in current.config.libraries) or "none"
        raise not_found("library", name, f"Configured: {known}.")
    if number and not number.isdecimal():
        raise RequestFailed(ExitStatus.USAGE, f"--drive {drive}: give the number of a drive, as in {name}/0.")
    request = JobRequest(
        kind=JobKind.READ_FOREIGN,
        key=f"read_foreign:{drive}",
        payload={"library": name, "drive": int(number) if number else None, "source": source},
        requested_by="command line",
        reason=f"the disc in a recorder of {name} is to be taken in",
    )
    job_id, _ = current.catalog.jobs.submit(request, current.now())
    wait_for_jobs(current, [job_id], limit_s)
    told = (event.fields for event in current.catalog.events.list(name=EVENT) if event.fields.get("job") == job_id)
    found = next(told, {})
    rejected = list(found.get("rejected", ()))
    for entry in rejected:
        current.warn(f"[red]✗[/red] {safe(entry['path'])}: {safe(entry['reason'])}")
    return TakenIn(int(found.get("accepted", 0)), int(found.get("already_stored", 0)), rejected)


def _tell(current: Session, taken_in: TakenIn, as_json: bool) -> None:
    known, rejected = taken_in.already_stored, taken_in.rejected
    if as_json:
        current.print_json({"accepted": taken_in.accepted, "already_stored": known, "rejected": rejected})
    else:
        current.say(
            f"{count(taken_in.accepted, 'instance')} taken in"
            + (f", {known} were here already" if known else "")
            + (f", {len(rejected)} not accepted" if rejected else "")
            + "."
        )
    if rejected:
        raise typer.Exit(ExitStatus.FAILED)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            for root, _, names in os.walk(path):
                yield from (Path(root, name) for name in names)
        else:
            yield path
