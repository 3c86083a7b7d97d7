"""`firn library`: what is where, and a person's hands at a simulated library."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import COMMAND_LINE, Session, session
from appliance.cli.waiting import DEFAULT_LIMIT_S, WaitLimit, wait_for_jobs
from appliance.cli.words import ago, iso, safe
from drivers.base import Barcode
from drivers.errors import SourceEmpty
from hsm.media.robots import ask_export, ask_inventory
from hsm.states import Place

if TYPE_CHECKING:
    from drivers.simulator.hands import Hands

library_app = family("Robots and their slots. Simulated ones can also be touched.")
app.add_typer(library_app, name="library", rich_help_panel="Media")

LibraryOption = Annotated[
    str | None, typer.Option("--library", help="Name of the library; needed only where several have such a volume.")
]


@library_app.command()
def show(context: typer.Context, name: Annotated[str | None, typer.Argument()] = None, as_json: Json = False) -> None:
    """Show slots, mail slots and drives as the engine last saw them."""
    _show(session(context), name, as_json)


@library_app.command()
def inventory(
    context: typer.Context,
    library: Annotated[str | None, typer.Option("--library", help="Only this one.")] = None,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Ask the robots now what is where, and show it."""
    current = session(context)
    names = chosen_libraries(current, library)
    numbers = [ask_inventory(current.catalog, name, COMMAND_LINE, current.now()) for name in names]
    wait_for_jobs(current, numbers, limit_s)
    _show(current, library, as_json)


def chosen_libraries(current: Session, library: str | None) -> list[str]:
    """The configured library of that name, or all. Raises: RequestFailed."""
    names = [entry.name for entry in current.config.libraries]
    if library is not None and library not in names:
        raise not_found("library", library, f"Configured: {', '.join(names) or 'none'}.")
    return names if library is None else [library]


def _show(current: Session, name: str | None, as_json: bool) -> None:
    elements = current.catalog.volumes.elements(name)
    if as_json:
        rows = [
            {
                "library": element.library,
                "kind": str(element.kind),
                "index": element.index,
                "full": element.full,
                "volume": element.barcode,
                "drive_serial": element.drive_serial,
                "seen_at": iso(element.seen_at),
            }
            for element in elements
        ]
        current.print_json({"elements": rows})
        return
    if not elements:
        current.say("Nothing was seen yet. The engine looks into the libraries when it starts.")
        return
    table = current.table("library", "place", ">nr", "volume", "drive", "seen")
    for element in elements:
        held = safe(element.barcode or "(unreadable barcode)") if element.full else "[dim]empty[/dim]"
        table.add_row(
            safe(element.library),
            str(element.kind).replace("_", " "),
            str(element.index),
            held,
            safe(element.drive_serial or ""),
            ago(element.seen_at, current.now()),
        )
    current.out.print(table)


def _simulated(current: Session) -> dict[str, Path]:
    """The folders of the simulated libraries, by name."""
    return {
        entry.name: current.config.resolve(entry.path)
        for entry in current.config.libraries
        if entry.driver == "simulator"
    }


def _hands(current: Session, barcode: str, library: str | None) -> tuple[str, "Hands"]:
    """The library that has a volume, in it or on its shelf, and hands to touch it."""
    from drivers.simulator import Hands
    from drivers.simulator.state import PlacesFile

    folders = _simulated(current)
    if library is not None and library not in folders:
        raise not_found("simulated library", library, f"Configured: {', '.join(folders) or 'none'}.")
    for name, folder in folders.items():
        if library in (None, name) and folder.is_dir() and PlacesFile(folder).read().named(barcode) is not None:
            return name, Hands(folder)
    raise not_found("volume", barcode, "in a simulated library; real ones are touched with real hands.")


@library_app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of a configured library with the driver simulator.")],
    like: Annotated[
        str, typer.Option("--like", help="tape: 2 LTO-8 drives, 8 tapes. disc: 2 recorders, 6 discs.")
    ] = "tape",
    volume_bytes: Annotated[
        int, typer.Option("--tape-bytes", min=2_097_152, help="Capacity of each tape.")
    ] = 400_000_000,
) -> None:
    """Make the folder of a simulated library; one that exists is left alone."""
    from dataclasses import replace

    from drivers.simulator import SimulatedLibrary
    from drivers.simulator.spec import demo_specs

    current = session(context)
    folders = _simulated(current)
    if name not in folders:
        raise not_found("simulated library", name, f"Configured: {', '.join(folders) or 'none'}.")
    models = {spec.name: spec for spec in demo_specs(volume_bytes)}
    if like not in models:
        raise RequestFailed(ExitStatus.USAGE, f"--like {like}: choose {' or '.join(models)}.")
    SimulatedLibrary.create(folders[name], replace(models[like], name=name))
    current.say(f"Library {safe(name)} is in {safe(folders[name])}.")


@library_app.command()
def insert(context: typer.Context, barcode: Annotated[str, typer.Argument()], library: LibraryOption = None) -> None:
    """Put a volume from the shelf into a mail slot of a simulated library."""
    current = session(context)
    name, hands = _hands(current, barcode, library)
    slot = hands.insert(Barcode(barcode))
    current.say(f"{safe(barcode)} is in mail slot {slot} of {safe(name)}; the engine finds it at its next look.")


@library_app.command()
def remove(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument()],
    location: Annotated[str, typer.Option("--location", help="Where it is put, in words.")] = "shelf",
    library: LibraryOption = None,
) -> None:
    """Take a volume out of a simulated library and put it on a shelf."""
    current = session(context)
    name, hands = _hands(current, barcode, library)
    if barcode in hands.shelf():
        raise refused(f"{barcode} is on the shelf already.")
    try:
        hands.remove(Barcode(barcode))
    except SourceEmpty:  # it is not in a mail slot yet
        now = current.now()
        job_id = ask_export(current.catalog, Barcode(barcode), Place.SHELF, location, True, COMMAND_LINE, now).job_id
        wait_for_jobs(current, [job_id], DEFAULT_LIMIT_S)
        hands.remove(Barcode(barcode))
    if current.catalog.volumes.find(Barcode(barcode)) is not None:
        current.catalog.volumes.move(Barcode(barcode), Place.SHELF, location, current.now())
    current.say(f"{safe(barcode)} was taken out of {safe(name)} and lies at {safe(location)}.")


@library_app.command()
def shelf(context: typer.Context, as_json: Json = False) -> None:
    """List the volumes beside the simulated libraries."""
    from drivers.simulator import Hands

    current = session(context)
    rows = [
        {"library": name, "volume": str(code)}
        for name, folder in _simulated(current).items()
        if folder.is_dir()
        for code in Hands(folder).shelf()
    ]
    if as_json:
        current.print_json({"shelf": rows})
        return
    for row in rows:
        current.say(f"{safe(row['library'])}  {safe(row['volume'])}")
    if not rows:
        current.say("The shelves are empty.")


@library_app.command()
def buy(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument(help="Barcode of the new volume.")],
    library: Annotated[str, typer.Option("--library", help="Beside which simulated library it is put.")],
    medium: Annotated[str, typer.Option("--medium", help="LTO-7, LTO-8, LTO-9, DVD+R, BD-R ...")] = "LTO-8",
    volume_bytes: Annotated[int | None, typer.Option("--bytes", help="A smaller capacity than the real one.")] = None,
) -> None:
    """Put a new blank volume on the shelf of a simulated library; `firn library insert` brings it in."""
    from drivers.generations import MEDIA
    from drivers.simulator import Hands, VolumeSpec

    current = session(context)
    folders = _simulated(current)
    if library not in folders:
        raise not_found("simulated library", library, f"Configured: {', '.join(folders) or 'none'}.")
    if medium not in MEDIA:
        raise RequestFailed(ExitStatus.USAGE, f"--medium {medium}: choose one of {', '.join(MEDIA)}.")
    Hands(folders[library]).buy(VolumeSpec(Barcode(barcode), medium, volume_bytes))
    current.say(f"{safe(barcode)} lies beside {safe(library)}.")


@library_app.command()
def protect(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument()],
    off: Annotated[bool, typer.Option("--off", help="Take the write protection back.")] = False,
    library: LibraryOption = None,
) -> None:
    """Set the write-protect tab of a volume in a simulated library."""
    current = session(context)
    _, hands = _hands(current, barcode, library)
    hands.protect(Barcode(barcode), on=not off)
    current.say(f"{safe(barcode)} is {'no longer ' if off else ''}write-protected.")


@library_app.command()
def damage(
    context: typer.Context,
    barcode: Annotated[str, typer.Argument()],
    at_bytes: Annotated[
        int, typer.Option("--at-bytes", min=0, help="Where, counted from the beginning of the volume.")
    ],
    library: LibraryOption = None,
) -> None:
    """Flip one bit of what is recorded on a volume of a simulated library, to see what Firn does about it."""
    current = session(context)
    _, hands = _hands(current, barcode, library)
    try:
        hands.damage(Barcode(barcode), at_bytes)
    except ValueError as error:
        raise RequestFailed(ExitStatus.NOT_FOUND, f"{error}") from None
    current.say(f"One bit of {safe(barcode)} is wrong now. `firn verify {safe(barcode)} --wait` should notice.")
