"""`firn volumes repack` and `firn volumes erase`: empty a volume, and give it free to be labelled again."""

from getpass import getuser
from typing import Annotated

import typer

from appliance.cli.failures import ExitStatus, RequestFailed, refused
from appliance.cli.looking import Json
from appliance.cli.repacks_shown import lines, row_of, trouble_line
from appliance.cli.session import Session, session
from appliance.cli.shapes import forecast_row
from appliance.cli.volumes import BarcodeArgument, Yes, check_state, volume, volumes_app
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, working
from appliance.cli.words import safe
from drivers.base import Barcode
from hsm.facts import VolumeRecord
from hsm.repack.facts import Phase, Trouble
from hsm.states import JobKind, JobState, RepackState, VolumeState
from web.words import count, said, size


@volumes_app.command()
def repack(
    context: typer.Context,
    barcode: BarcodeArgument,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, in words: worn, suspect, old generation.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Begin nothing further until --resume.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after --pause.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Give it up: the volume is what it was before; new copies are kept.")
    ] = False,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Empty a volume: make everything on it again on others of its pool, and read that back before it counts.

    At the end it is drained: it can be retired, or given free with `firn volumes erase`.
    """
    current = session(context)
    if sum((reason is not None, dry_run, pause, resume, cancel)) != 1:
        raise RequestFailed(
            ExitStatus.USAGE, "Say --reason to begin, or one of --dry-run, --pause, --resume, --cancel."
        )
    entry = volume(current, barcode)
    if dry_run:
        _forecast(current, entry, as_json)
        return
    repacks, by, now = current.catalog.repacks, getuser(), current.now()
    if reason is not None:
        check_state(entry, "repack")
        repacks.begin(entry.barcode, reason, by, now)
    elif pause:
        repacks.pause(entry.barcode, by, now)
    elif resume:
        repacks.resume(entry.barcode, by, now)
    else:
        repacks.cancel(entry.barcode, by, now)
    if wait and (reason is not None or resume):
        _wait(current, entry.barcode, limit_s)
    _tell(current, entry.barcode, as_json)


def _tell(current: Session, barcode: Barcode, as_json: bool) -> None:
    found = current.catalog.repacks.last(barcode)
    state = current.catalog.volumes.get(barcode).state
    if as_json:
        current.print_json({"volume": barcode, "state": str(state), "repack": row_of(current, found)})
        return
    for line in lines(current, found):
        current.say(line)
    current.say(f"{safe(barcode)} is {said(state).word}: {said(state).meaning}")


def _wait(current: Session, barcode: Barcode, limit_s: float) -> None:
    """Stay until it is drained.

    Raises: RequestFailed when it cannot be, or needs a person, or the limit passed.
    """
    repacks = current.catalog.repacks

    def over() -> bool:
        found = repacks.last(barcode)
        return found is None or found.state is not RepackState.RUNNING or found.phase is Phase.BLOCKED

    def phase() -> str:
        found = repacks.last(barcode)
        return "" if found is None else lines(current, found)[0]

    with working(current) as worker:
        ended = worker.until(over, limit_s, phase)
    found = repacks.last(barcode)
    if ended and found is not None and found.state is RepackState.DONE:
        return
    if found is not None and found.troubles:
        raise RequestFailed(ExitStatus.FAILED, f"{barcode} is not drained. " + _plain(found.troubles[0]))
    stuck = _stuck(current, barcode)
    raise RequestFailed(ExitStatus.TIMED_OUT, f"{barcode} is not drained yet. {stuck}".strip())


def _plain(trouble: Trouble) -> str:
    return f"Pack {trouble.pack_digest} of study {trouble.study_instance_uid}: {trouble.reason}."


def _stuck(current: Session, barcode: Barcode) -> str:
    """What a job of it waits for."""
    waiting = current.catalog.jobs.list(
        states=(JobState.WAITING_OPERATOR, JobState.WAITING_RETRY, JobState.QUEUED),
        kinds=(JobKind.REPACK, JobKind.MIGRATE, JobKind.VERIFY),
    )
    said_of = [job.message or job.phase for job in waiting if job.payload.get("repack") == barcode]
    return next((words for words in said_of if words), "See `firn jobs`.")


def _forecast(current: Session, entry: VolumeRecord, as_json: bool) -> None:
    from appliance.build import volume_pools
    from hsm.repack.asking import what_it_takes

    room_bytes = current.config.engine.repack_window_bytes
    found = what_it_takes(current.catalog, volume_pools(current.config), entry.barcode, room_bytes)
    if as_json:
        current.print_json({"forecast": forecast_row(found)})
        return
    current.say(
        f"{count(len(found.packs), 'pack')} on {safe(entry.barcode)}; {size(found.size_bytes)} would be written, "
        f"{size(found.read_bytes)} of it read from volumes first."
    )
    table = current.table("pack", "study", ">size", "read from")
    for pack in found.packs:
        table.add_row(pack.digest[:12], safe(pack.study_instance_uid), size(pack.size_bytes), pack.source or "-")
    current.out.print(table)
    hours = found.duration_s / 3600
    current.say(
        f"About {count(found.mounts, 'mount')}, {count(found.target_volumes, 'volume')} of pool {safe(entry.pool)} to "
        f"write to, {hours:.1f} hours of drives that do nothing else."
    )
    if found.lacking_bytes:
        current.say(f"[yellow]For {size(found.lacking_bytes)} the pool has no room in its library.[/yellow]")
    for trouble in found.troubles:
        current.say(trouble_line(trouble))


@volumes_app.command()
def erase(context: typer.Context, barcode: BarcodeArgument, yes: Yes = False) -> None:
    """Give a drained tape free to be labelled again: its label, and with it all behind it, may be written over then."""
    current = session(context)
    entry = volume(current, barcode)
    if entry.state is not VolumeState.DRAINED:
        raise refused(
            f"{entry.barcode} is {said(entry.state).word}: {said(entry.state).meaning} Only a drained volume is given "
            f"free; `firn volumes repack {entry.barcode} --reason ...` drains it. Nothing was changed."
        )
    if not yes and typer.prompt(f"Type the barcode again to go on ({barcode})") != barcode:
        raise refused("The barcodes differ; nothing was changed.")
    current.catalog.volumes.erase(entry.barcode, getuser(), current.now())
    current.say(f"{safe(barcode)} is scratch: its pool takes it for blank, or label it with `firn volumes label`.")
