"""`firn import`: take in files, folders, DICOM media and ZIP archives."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.application import app
from appliance.cli.failures import ExitStatus, not_found
from appliance.cli.looking import Json
from appliance.cli.moving import MOVING
from appliance.cli.session import session
from appliance.cli.waiting import progress_bar
from appliance.cli.words import safe
from web.words import count


@app.command("import", rich_help_panel=MOVING)
def import_files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, folders, DICOMDIR or ZIP files.")],
    source: Annotated[str, typer.Option("--source", help="Kept as the AE title they came from.")] = "IMPORT",
    as_json: Json = False,
) -> None:
    """Take DICOM files in. They are copied and stay where they are; importing again is harmless.

    Exit status 1 when a file was not accepted: each is named with the reason.
    """
    from hsm.importing import Imported, import_paths
    from hsm.receive import ReceiptKind

    current = session(context)
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
    if as_json:
        current.print_json({"accepted": accepted, "already_stored": known, "rejected": rejected})
    else:
        current.say(
            f"{count(accepted, 'instance')} taken in"
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
