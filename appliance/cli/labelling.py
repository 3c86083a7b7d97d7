"""`firn volumes label`: our label on blank tapes, one or all, and a reason for each that does not get one."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import COMMAND_LINE, Session, session
from appliance.cli.shapes import job_row
from appliance.cli.volumes import volume, volumes_app
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, ended_jobs, judge
from appliance.cli.words import safe
from drivers.base import MediumKind
from hsm.facts import JobRecord, VolumeRecord
from hsm.media import MediaRefused
from hsm.media.labelling import ask_label, why_not_labelled, why_not_now
from hsm.states import LABEL_VOLUMES, JobState, VolumeState

GONE = frozenset({VolumeState.RETIRED, VolumeState.LOST})


@volumes_app.command()
def label(
    context: typer.Context,
    barcodes: Annotated[
        list[str] | None, typer.Argument(metavar="[BARCODE...]", help="As printed on the volumes.")
    ] = None,
    all_blank: Annotated[
        bool, typer.Option("--all-blank", help="All tapes that carry no label of ours and that a pool names.")
    ] = False,
    pool: Annotated[
        str | None, typer.Option("--pool", help="Volume pool; without it the one whose pattern fits.")
    ] = None,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Write our label on blank tapes. What holds data is refused; nothing is ever written over."""
    from appliance.build import volume_pools

    current = session(context)
    if bool(barcodes) == all_blank:
        raise RequestFailed(ExitStatus.USAGE, "Name the volumes, or say --all-blank.")
    _check_pool(current, pool)
    entries = [volume(current, barcode) for barcode in dict.fromkeys(barcodes or [])] or _unlabelled(current)
    refusals: dict[str, str] = {}
    numbers: list[int] = []
    pools = volume_pools(current.config)
    for entry in entries:
        try:
            if all_blank and (why := why_not_labelled(entry) or why_not_now(entry)):
                raise MediaRefused(why)
            numbers.append(ask_label(current.catalog, pools, entry.barcode, pool, COMMAND_LINE, current.now()))
        except MediaRefused as error:
            refusals[entry.barcode] = str(error).removeprefix(f"{entry.barcode} is not labelled: ") + "."
    if barcodes and not numbers:
        raise refused(" ".join(f"{barcode} is not labelled: {reason}" for barcode, reason in refusals.items()))
    jobs = ended_jobs(current, numbers, limit_s) if wait else [current.catalog.jobs.get(number) for number in numbers]
    if as_json:
        rows = [{"volume": barcode, "reason": reason} for barcode, reason in refusals.items()]
        current.print_json({"jobs": [job_row(job) for job in jobs], "refused": rows})
    elif not entries:
        current.say("There is no tape without a label of ours.")
    else:
        _tell(current, jobs, refusals, wait)
    if wait:
        judge(jobs)
    if barcodes and refusals:
        raise typer.Exit(ExitStatus.FAILED)


def _tell(current: Session, jobs: Sequence[JobRecord], refusals: Mapping[str, str], wait: bool) -> None:
    for job in jobs:
        if not wait:
            current.say(f"Job {job.id} labels {safe(job.barcode)} for {safe(job.pool)}.")
        elif job.state == JobState.DONE:
            current.say(f"{safe(job.barcode)} is labelled for {safe(job.pool)}.")
        else:
            current.warn(f"{safe(job.barcode)} is not labelled: {safe(job.message or job.phase or job.state)}")
    for barcode, reason in refusals.items():
        current.warn(f"{safe(barcode)} is not labelled: {safe(reason)}")


def _check_pool(current: Session, pool: str | None) -> None:
    names = [entry.name for entry in current.config.volume_pools]
    if pool is not None and pool not in names:
        raise not_found("volume pool", pool, f"Configured: {', '.join(names) or 'none'}.")


def _unlabelled(current: Session) -> list[VolumeRecord]:
    """All tapes without a label of ours, and those that may get a new one."""
    tapes = current.catalog.volumes.list(kind=MediumKind.TAPE)
    return [e for e in tapes if (e.uuid is None or e.state in LABEL_VOLUMES) and e.state not in GONE]
