"""`firn pool` and `firn rebuild-catalog`: begin an archive, or begin again from its media."""

from collections.abc import Callable
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.words import bar, safe, used_pct
from drivers.base import Barcode
from web.words import count, size

pool_app = family("The online pool: the disks where studies arrive.")
app.add_typer(pool_app, name="pool", rich_help_panel="Set-up")


@pool_app.command()
def init(context: typer.Context) -> None:
    """Make the folders of a new archive: catalog, online pool, quarantine. Harmless to repeat."""
    from appliance.build import create_archive

    current = session(context)
    made = create_archive(current.config, current.now())
    current.say(f"The archive in {safe(current.config.archive.data_dir)} is ready.")
    for line in made:
        current.say(safe(line))


@pool_app.command("show")
def show_pool(context: typer.Context, as_json: Json = False) -> None:
    """Show how full the online pool is, and whether it can be written."""
    from appliance.build import disk_facts

    current = session(context)
    facts = disk_facts(current.config, current.pool)
    if as_json:
        current.print_json(
            {
                "directories": [str(directory) for directory in current.config.online_directories],
                "capacity_bytes": facts.capacity_bytes,
                "used_bytes": facts.used_bytes,
                "high_water_pct": facts.high_water_pct,
                "low_water_pct": facts.low_water_pct,
            }
        )
        return
    percent = used_pct(facts.used_bytes, facts.capacity_bytes)
    for directory in current.config.online_directories:
        current.say(safe(directory))
    marks = (facts.low_water_pct, facts.high_water_pct)
    current.say(f"{bar(percent, 40, marks)} {percent:.0f} %: {size(facts.used_bytes)} of {size(facts.capacity_bytes)}")
    current.pool.check()
    current.say("It can be written.")


@app.command("rebuild-catalog", rich_help_panel="Set-up")
def rebuild_catalog(
    context: typer.Context,
    volumes: Annotated[
        list[str] | None, typer.Option("--volume", help="Only from this volume; may be repeated. Without it: from all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read volumes and the online pool, and enter what they hold into the catalog. Nothing in it is removed.

    For a catalog that was lost, or volumes of another Firn. The engine must be stopped.
    """
    from appliance.machinery import rebuild

    current = session(context)
    report = rebuild(current.config, [Barcode(code) for code in volumes] if volumes else None, _progress(current))
    counts = report.studies
    if as_json:
        current.print_json(
            {
                "volumes": list(report.found.volumes),
                "blank": list(report.found.blank),
                "packs": report.found.packs,
                "files": report.found.files,
                "studies": counts.studies,
                "instances": counts.instances,
                "rules_from": report.found.rules_from,
                "faults": report.found.faults,
            }
        )
    else:
        current.say(
            f"Read {count(len(report.found.volumes), 'volume')} with {count(report.found.packs, 'pack')}, and "
            f"{count(report.found.files, 'file')} of the online pool."
        )
        current.say(
            f"The catalog knows {count(counts.studies, 'study', 'studies')} with {count(counts.instances, 'instance')}."
        )
    if report.found.faults:
        for fault in report.found.faults:
            current.warn(f"[red]✗[/red] {safe(fault)}")
        raise RequestFailed(
            ExitStatus.FAILED,
            f"{count(len(report.found.faults), 'thing')} could not be read; everything else is in the catalog.",
        )


def _progress(current: Session) -> Callable[[str], None]:
    """On a terminal, say what is being read."""
    if not current.err.is_terminal:
        return lambda line: None  # noqa: ARG005 - nobody looks
    return lambda line: current.warn(f"[dim]{safe(line)}[/dim]")
