"""`firn volumes labels`: stickers, faces and inlays to print."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appliance.cli.failures import ExitStatus, RequestFailed, not_found
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.volumes import volumes_app
from appliance.cli.words import safe
from appliance.config.schema import VolumePoolEntry
from drivers.base import Barcode, MediumKind
from hsm.library.library import LTO_SUFFIX
from web.words import count

if TYPE_CHECKING:
    from appliance.labels.disc import DiscLabel

CLEANING = re.compile(r"CLN")


@volumes_app.command()
def labels(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The PDF to write.")],
    barcodes: Annotated[list[str] | None, typer.Argument(metavar="[BARCODE...]", help="Of any volumes.")] = None,
    number: Annotated[int, typer.Option("--next", min=0, max=10_000, help="So many new barcodes of --pool.")] = 0,
    pool: Annotated[str | None, typer.Option("--pool", help="With --next: for this volume pool.")] = None,
    after: Annotated[str | None, typer.Option("--after", help="With --next: go on behind this barcode.")] = None,
    sheet: Annotated[str, typer.Option("--sheet", help="a4 or letter.")] = "a4",
    skip: Annotated[int, typer.Option("--skip", min=0, help="So many stickers of the first sheet are gone.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Without colours.")] = False,
    as_json: Json = False,
) -> None:
    """Write labels to print: barcode stickers for cartridges, faces and inlays for discs."""
    from appliance.labels import document
    from appliance.labels.sheets import PAPERS

    current = session(context)
    if sheet not in PAPERS:
        raise RequestFailed(ExitStatus.USAGE, f"--sheet {sheet}: choose {' or '.join(PAPERS)}.")
    if bool(barcodes) == bool(number):
        raise RequestFailed(ExitStatus.USAGE, "Name the barcodes, or say --next N with --pool.")
    entry = _pool(current, pool) if number else None
    codes = list(dict.fromkeys(barcodes or [])) or _next(current, entry, number, after)
    kinds = {code: MediumKind(entry.kind) if entry else _kind(current, code) for code in codes}
    tapes = [code for code in codes if kinds[code] is MediumKind.TAPE]
    discs = [_disc(current, code, entry) for code in codes if kinds[code] is MediumKind.DISC]
    pages = document.write(output, PAPERS[sheet], tapes, discs, coloured=not plain, skip=skip)
    if as_json:
        current.print_json({"barcodes": codes, "pages": pages, "path": str(output)})
        return
    current.say(f"{count(len(codes), 'label')} on {count(pages, 'page')}: {safe(output)}. Print without scaling.")
    current.say(", ".join(map(safe, codes if len(codes) < 5 else [codes[0], "...", codes[-1]])))


def _pool(current: Session, name: str | None) -> VolumePoolEntry:
    pools = {entry.name: entry for entry in current.config.volume_pools}
    if name is None:
        raise RequestFailed(ExitStatus.USAGE, f"--next needs --pool: one of {', '.join(pools) or 'none'}.")
    if name not in pools:
        raise not_found("volume pool", name, f"Configured: {', '.join(pools) or 'none'}.")
    return pools[name]


def _next(current: Session, entry: VolumePoolEntry | None, number: int, after: str | None) -> list[str]:
    from appliance.labels.numbering import next_barcodes

    known = [volume.barcode for volume in current.catalog.volumes.list()]
    return list(next_barcodes(entry.barcodes if entry else (), known, number, after))


def _kind(current: Session, barcode: str) -> MediumKind:
    found = current.catalog.volumes.find(Barcode(barcode))
    if found is not None:
        return found.kind
    looks_like_tape = LTO_SUFFIX.search(barcode) or CLEANING.match(barcode)
    return MediumKind.TAPE if looks_like_tape else MediumKind.DISC


def _disc(current: Session, barcode: str, entry: VolumePoolEntry | None) -> "DiscLabel":
    from appliance.labels.disc import DiscLabel
    from appliance.labels.of_volumes import disc_label

    found = current.catalog.volumes.find(Barcode(barcode))
    return disc_label(found) if found is not None else DiscLabel(barcode, entry.name if entry else "")
