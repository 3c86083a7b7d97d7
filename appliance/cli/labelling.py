"""`firn volumes label`: our label on blank tapes, one or all, and a reason for each that does not get one."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.shapes import job_row
from appliance.cli.volumes import volume, volumes_app
from appliance.cli.waiting import DEFAULT_LIMIT_S, Wait, WaitLimit, ended_jobs, judge
from appliance.cli.words import safe
from drivers.base import MediumKind
from hsm.catalog.records import JobRequest
from hsm.facts import JobRecord, VolumeRecord
from hsm.states import LABEL_VOLUMES, JobKind, JobState, Place, VolumeState
from web.words import said

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
    current = session(context)
    if bool(barcodes) == all_blank:
        raise RequestFailed(ExitStatus.USAGE, "Name the volumes, or say --all-blank.")
    _check_pool(current, pool)
    entries = [volume(current, barcode) for barcode in dict.fromkeys(barcodes or [])] or _unlabelled(current)
    refusals: dict[str, str] = {}
    requests = []
    for entry in entries:
        name = pool or fitting_pool(current, entry)
        reason = _why_not(current, entry, name, all_blank)
        if reason is not None or name is None:
            refusals[entry.barcode] = reason or ""
        else:
            requests.append(_request(entry, name))
    if barcodes and not requests:
        raise refused(" ".join(f"{barcode} is not labelled: {reason}" for barcode, reason in refusals.items()))
    numbers = [number for number, _ in current.catalog.jobs.submit_many(requests, current.now())]
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


def fitting_pool(current: Session, entry: VolumeRecord) -> str | None:
    """The pool whose pattern names a volume."""
    for pool in current.config.volume_pools:
        named = any(fnmatchcase(entry.barcode, pattern) for pattern in pool.barcodes)
        if named and pool.kind == entry.kind.value and entry.library in (None, pool.library):
            return pool.name
    return None


def _why_not(current: Session, entry: VolumeRecord, pool: str | None, all_blank: bool) -> str | None:
    """Why a volume gets no label, in a sentence, or None."""
    if entry.kind is MediumKind.DISC:
        return "a disc gets its label when it is burnt."
    if entry.state not in LABEL_VOLUMES:
        because = f" ({entry.reason})" if entry.reason else ""
        return f"it is {said(entry.state).word}{because}; only a blank or scratch volume can be labelled."
    if pool is None:
        known = ", ".join(candidate.name for candidate in current.config.volume_pools) or "none"
        return f"no volume pool of its library names it; choose one with --pool (configured: {known})."
    if all_blank and entry.place is not Place.LIBRARY:
        return f"it is {said(entry.place).word} {entry.location}".rstrip() + "."
    return None


def _request(entry: VolumeRecord, pool: str) -> JobRequest:
    return JobRequest(
        kind=JobKind.LABEL,
        key=f"label:{entry.barcode}",
        pool=pool,
        barcode=entry.barcode,
        payload={"barcode": entry.barcode, "pool": pool},
        requested_by="command line",
        reason=f"label {entry.barcode} for {pool}",
    )
