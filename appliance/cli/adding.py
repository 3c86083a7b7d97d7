"""`firn volumes add` and `firn volumes wanted`: what lies on shelves, and what is to be fetched from them."""

from fnmatch import fnmatchcase
from typing import Annotated

import typer

from appliance.cli.failures import not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import session
from appliance.cli.shapes import wanted_row
from appliance.cli.volumes import volumes_app
from appliance.cli.words import ago, safe
from drivers.base import Barcode, MediumKind
from web.words import count


@volumes_app.command()
def add(
    context: typer.Context,
    barcodes: Annotated[list[str], typer.Argument(metavar="BARCODE...", help="As they are, or will be, written on.")],
    pool: Annotated[str, typer.Option("--pool", help="Volume pool they are for.")],
    location: Annotated[str, typer.Option("--location", help="Where they lie, in words.")] = "",
) -> None:
    """Name new blank volumes that lie outside, for drives without a robot. No volume is touched.

    When one is needed, `firn volumes wanted` names it; the blank medium that is then put into a drive becomes it.
    """
    current = session(context)
    pools = {entry.name: entry for entry in current.config.volume_pools}
    if pool not in pools:
        raise not_found("volume pool", pool, f"Configured: {', '.join(pools) or 'none'}.")
    entry = pools[pool]
    wrong = [code for code in barcodes if not any(fnmatchcase(code, pattern) for pattern in entry.barcodes)]
    if wrong:
        raise refused(
            f"Pool {pool} takes {' or '.join(entry.barcodes)}, and {', '.join(wrong)} fits none of these; "
            "no volume was added."
        )
    codes = [Barcode(code) for code in dict.fromkeys(barcodes)]
    current.catalog.shelf.declare(codes, MediumKind(entry.kind), entry.library, location, current.now())
    where = f" at {safe(location)}" if location else ""
    current.say(f"{count(len(codes), 'blank volume')} for {safe(pool)}{where}: {', '.join(map(safe, codes))}.")


@volumes_app.command()
def wanted(context: typer.Context, as_json: Json = False) -> None:
    """The pick list: which volumes a person has to fetch, from where, and who waits for them; the oldest wish first."""
    current = session(context)
    lines = current.catalog.shelf.wanted()
    if as_json:
        current.print_json({"wanted": [wanted_row(line) for line in lines]})
        return
    if not lines:
        current.say("No volume has to be fetched.")
        return
    table = current.table("volume", "where", "studies", "asked", "who waits", "what to do")
    for line in lines:
        table.add_row(
            safe(line.barcode or (f"a new one for {line.pool}" if line.pool else "-")),
            safe(" ".join(part for part in (str(line.place or ""), line.location) if part) or "-"),
            str(line.studies),
            ago(line.since, current.now()),
            safe(", ".join(line.requesters)),
            safe(line.reason),
        )
    current.out.print(table)
