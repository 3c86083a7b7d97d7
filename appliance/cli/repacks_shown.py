"""What the command line shows of a repack."""

from typing import Any

from appliance.cli.session import Session
from appliance.cli.shapes import repack_row
from appliance.cli.words import ago, safe
from hsm.repack.facts import Phase, Progress, RepackRecord, Trouble
from hsm.states import ACTIVE_REPACKS, RepackState
from web.words import count, size

PHASES = {
    Phase.COPYING: "is being copied to other volumes",
    Phase.VERIFYING: "is copied; the new copies are being read back",
    Phase.BLOCKED: "cannot go on without a person",
}


def row_of(current: Session, found: RepackRecord | None) -> dict[str, Any] | None:
    """A repack as --json shows it, None when there never was one."""
    return None if found is None else repack_row(found, _progress(current, found))


def _progress(current: Session, found: RepackRecord) -> Progress:
    from hsm.repack.plan import progress

    if found.state not in ACTIVE_REPACKS:
        return Progress(0, 0, 0, 0)
    return progress(current.catalog.repacks.items(found.barcode))


def lines(current: Session, found: RepackRecord | None) -> list[str]:
    """What `firn volumes show` says of a repack."""
    if found is None:
        return []
    asked = f"asked for by {safe(found.requested_by)} {ago(found.created_at, current.now())} ({safe(found.reason)})"
    if found.state is RepackState.CANCELLED:
        return [f"A repack, {asked}, was given up {ago(found.ended_at, current.now())}."]
    if found.state is RepackState.DONE:
        done = f"{count(found.copies, 'copy', 'copies')}, {size(found.size_bytes)}"
        return [f"It was repacked ({done}), {asked}: done {ago(found.ended_at, current.now())}."]
    now = _progress(current, found)
    what = "is paused" if found.state is RepackState.PAUSED else PHASES[found.phase]
    done = f"{found.copies - now.left} of {count(found.copies, 'copy', 'copies')} superseded"
    rest = f"{now.written} more made again and not read back yet, {size(now.left_bytes)} left"
    return [f"Repack, {asked}: what is on it {what}. {done}, {rest}."] + [
        trouble_line(trouble) for trouble in found.troubles
    ]


def trouble_line(trouble: Trouble) -> str:
    """A pack that keeps a volume from being drained."""
    where = f"pack {trouble.pack_digest[:12]} of study {safe(trouble.study_instance_uid)}"
    return f"[red]It cannot be drained[/red]: {where}: {safe(trouble.reason)}"
