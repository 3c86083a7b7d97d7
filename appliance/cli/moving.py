"""What makes studies move: ticks, recalls, releases, verifications; and why a study is where it is."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from appliance.cli.application import app
from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import PANEL, Json
from appliance.cli.session import COMMAND_LINE, Session, session
from appliance.cli.shapes import job_row
from appliance.cli.waiting import (
    DEFAULT_LIMIT_S,
    Wait,
    WaitLimit,
    Worker,
    describe,
    judge,
    wait_for_jobs,
    wait_until,
    working,
)
from appliance.cli.words import ago, availability, safe
from drivers.base import Barcode
from hsm.catalog.records import JobRequest, RecallStatus
from hsm.facts import CopyRecord, StudyUid
from hsm.media.verifying import VERIFIABLE, ask_verify
from hsm.states import CopyState, JobKind, JobState
from web.words import count, size

MOVING = "Moving"
ROUNDS = 20  # ticks of one `tick --wait`: each makes something new to do, or it was the last
CAN_RUN = (JobState.QUEUED, JobState.RUNNING)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")]


def known_study(current: Session, uid: str) -> StudyUid:
    """The UID, if the catalog knows such a study.

    Raises: RequestFailed.
    """
    if current.catalog.studies.get(StudyUid(uid)) is None:
        raise not_found("study", uid, "`firn studies` lists them.")
    return StudyUid(uid)


@app.command(rich_help_panel=MOVING)
def tick(
    context: typer.Context,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Carry out what it asked for, and tick again, until a tick asks for nothing new."),
    ] = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
    as_json: Json = False,
) -> None:
    """Evaluate the policy now instead of at the next turn of the clock."""
    current = session(context)
    if wait:
        with working(current) as worker:
            wanted, new_jobs = _settle(current, worker, limit_s)
    else:
        wanted, new_jobs = _evaluate(current)
    if as_json:
        jobs = current.catalog.jobs.list(
            states=(*CAN_RUN, JobState.WAITING_RETRY, JobState.WAITING_OPERATOR), limit=1000
        )
        current.print_json({"planned": wanted, "new_jobs": new_jobs, "jobs": [job_row(job) for job in jobs]})
        return
    parts = [f"{number} {name}" for name, number in wanted.items() if number]
    said = f"The policy asked for {', '.join(parts)}" if parts else "The policy asks for nothing now"
    current.say(f"{said}; {count(new_jobs, 'new job') if new_jobs else 'no new job'}.")
    left = current.catalog.jobs.pending(current.now())
    if wait and left:
        current.warn(f"{count(left, 'job')} cannot be done now; see `firn jobs`.")


def _evaluate(current: Session) -> tuple[Counter[str], int]:
    """One tick: how many actions of each kind it planned, and how many jobs are new."""
    from appliance.build import tick_settings, volume_pools
    from hsm.ticking import evaluate

    config = current.config
    made, new_jobs = evaluate(current.catalog, current.pool, volume_pools(config), tick_settings(config), current.now())
    planned = Counter(copies=len(made.copies), verifies=len(made.verifies), releases=len(made.releases))
    return planned, new_jobs


def _settle(current: Session, worker: Worker, limit_s: float) -> tuple[Counter[str], int]:
    """Tick and work until a tick makes no new job and none is left that can run."""
    wanted: Counter[str] = Counter()
    new_jobs = 0
    for _ in range(ROUNDS):
        planned, created = _evaluate(current)
        wanted.update(planned)
        new_jobs += created
        if not created and not _can_run(current):
            break
        if not worker.until(lambda: not _can_run(current), limit_s, lambda: _first_job(current)):
            break
    return wanted, new_jobs


def _can_run(current: Session) -> bool:
    return bool(current.catalog.jobs.list(states=CAN_RUN, limit=1))


def _first_job(current: Session) -> str:
    jobs = current.catalog.jobs.list(states=(JobState.RUNNING,), limit=1) or current.catalog.jobs.list(
        states=(JobState.QUEUED,), limit=1
    )
    return describe(jobs[0]) if jobs else "done"


@app.command(rich_help_panel=MOVING)
def recall(
    context: typer.Context,
    study: StudyArgument,
    series: Annotated[list[str] | None, typer.Option("--series", help="Only this series; may be repeated.")] = None,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", help="Only this SOP instance; may be repeated.")
    ] = None,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
) -> None:
    """Bring a study, some series or some instances back to disk."""
    current = session(context)
    uid = known_study(current, study)
    request = current.archive.request_recall(
        uid, tuple(series or ()), tuple(instance or ()), requested_by="command line"
    )

    def look() -> RecallStatus:
        return current.archive.recall_state(request)

    state = look()
    if not state.done and not wait:
        needs = f" from {', '.join(map(safe, state.barcodes))}" if state.barcodes else ""
        when = f", expected {ago(state.eta_at, current.now())}" if state.eta_at else ""
        current.say(
            f"Request {request}: {count(state.missing, 'instance')} to bring back{needs}{when}. See `firn jobs`."
        )
        return
    if not state.done:
        wait_until(current, lambda: _settled(look()), limit_s, lambda: _recall_phase(look()))
        state = look()
        if not state.done:
            judge(state.jobs)
            raise RequestFailed(ExitStatus.FAILED, f"Study {uid} is not back: {state.message or 'no readable copy'}.")
    current.say(f"Study {safe(uid)} is {availability(current.catalog.studies.availability(uid))}.")


def _settled(state: RecallStatus) -> bool:
    """Whether waiting longer cannot help."""
    return state.done or state.failed


def _recall_phase(state: RecallStatus) -> str:
    running = [job for job in state.jobs if job.state == JobState.RUNNING] or list(state.jobs)
    return f"{count(state.missing, 'instance')} missing; {describe(running[0])}" if running else "waiting"


@app.command(rich_help_panel=MOVING)
def release(
    context: typer.Context,
    study: StudyArgument,
    copies: Annotated[
        int, typer.Option("--copies", min=1, help="Verified copies it must have, on distinct volumes.")
    ] = 2,
    kinds: Annotated[int, typer.Option("--kinds", min=1, help="Kinds of media these copies must be on.")] = 1,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
) -> None:
    """Free the disk space of a study; refused, with the reason, unless its copies are proved."""
    current = session(context)
    uid = known_study(current, study)
    stable_after_s = current.config.pack.stable_after_s
    why_not = current.catalog.release.explain(uid, copies, current.now(), stable_after_s, kinds)
    if why_not:
        raise refused(f"Study {uid} stays online: {why_not}.")
    job_id, _ = current.catalog.jobs.submit(
        JobRequest(
            kind=JobKind.RELEASE,
            key=f"release:{uid}",
            study_instance_uid=uid,
            payload={"copies_needed": copies, "kinds_needed": kinds},
            reason="asked for at the command line",
            requested_by="command line",
        ),
        current.now(),
    )
    if not wait:
        current.say(f"Job {job_id} releases study {safe(uid)} when the engine comes to it.")
        return
    wait_for_jobs(current, [job_id], limit_s)
    message = current.catalog.jobs.get(job_id).message
    if message.startswith("not released"):
        raise refused(f"Study {uid}: {message}.")
    current.say(f"Study {safe(uid)} is {availability(current.catalog.studies.availability(uid))}: {safe(message)}.")


@app.command(rich_help_panel=MOVING)
def verify(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[VOLUME|STUDY]",
            help="A barcode or a Study Instance UID. Without it: all that was never verified, or failed.",
        ),
    ] = None,
    wait: Wait = False,
    limit_s: WaitLimit = DEFAULT_LIMIT_S,
) -> None:
    """Read copies back from their media, whole, and compare their digests."""
    current = session(context)
    chosen = _copies_to_verify(current, what)
    if not chosen:
        current.say("There is no copy to verify.")
        return
    asked = ask_verify(current.catalog, chosen, COMMAND_LINE, current.now())
    what_said = f"{count(len(chosen), 'copy', 'copies')}, {size(sum(copy.size_bytes for copy in chosen))}"
    if not wait:
        current.say(f"{what_said} will be read back; see `firn jobs`.")
        return
    wait_for_jobs(current, asked.job_ids, limit_s)
    bad = [
        copy for copy in map(current.catalog.copies.get, (c.id for c in chosen)) if copy.state is not CopyState.VERIFIED
    ]
    if bad:
        where = ", ".join(f"{copy.barcode} nr {copy.sequence} ({copy.state.value})" for copy in bad)
        raise RequestFailed(ExitStatus.FAILED, f"{count(len(bad), 'copy', 'copies')} could not be read back: {where}.")
    current.say(f"{what_said} read back; all digests agree.")


def _copies_to_verify(current: Session, what: str | None) -> list[CopyRecord]:
    if what is None:
        never = datetime.min.replace(tzinfo=UTC)  # those verified once are left to the policy
        return list(current.catalog.copies.due_for_verify(current.now(), never, 10_000))
    if current.catalog.volumes.find(Barcode(what)) is not None:
        found = current.catalog.copies.of_volume(Barcode(what))
    elif current.catalog.studies.get(StudyUid(what)) is not None:
        found = current.catalog.copies.of_study(StudyUid(what))
    else:
        raise not_found("volume or study", what, "`firn volumes list` and `firn studies` name them.")
    return [copy for copy in found if copy.state in VERIFIABLE]


@app.command(rich_help_panel=PANEL)
def explain(context: typer.Context, study: StudyArgument, as_json: Json = False) -> None:
    """Say why a study is where it is, what holds it there, and what would happen next."""
    from appliance.build import disk_facts, volume_pools
    from hsm.policy import explain as explained
    from hsm.policy import parse

    current = session(context)
    uid = known_study(current, study)
    now = current.now()
    facts = next(iter(current.catalog.facts.studies_for_policy(now, only=[uid])), None)
    version = current.catalog.policies.current()
    lines: list[str] = []
    if version is None:
        lines = ["No policy is in force: nothing is copied and nothing is released."]
    elif facts is not None:
        lines = explained(
            parse(version.text), facts, disk_facts(current.config, current.pool), volume_pools(current.config), now
        )
    state = current.catalog.studies.availability(uid)
    if as_json:
        current.print_json({"study_instance_uid": uid, "availability": state.value, "lines": lines})
        return
    current.say(f"Study {safe(uid)} is {availability(state)}.")
    for line in lines:
        current.say(f"  {safe(line)}")
