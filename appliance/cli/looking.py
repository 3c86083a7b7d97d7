"""What is there: studies, jobs, events, the quarantine. Reads the catalog; needs no engine."""

from datetime import date, datetime
from typing import Annotated

import typer

from appliance.cli.application import app
from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.session import Session, session
from appliance.cli.shapes import audit_row, event_row, job_row, quarantine_row
from appliance.cli.words import ago, availability, named, safe
from hsm.catalog.records import StudyCopy, StudySummary
from hsm.facts import JobRecord
from hsm.states import ACTIVE_JOBS, CopyState, JobState
from web.words import count, kind_words, said, size

PANEL = "Looking"
Json = Annotated[bool, typer.Option("--json", help="Print JSON (docs/COMMANDS.md has its shape).")]
ON_PERSON = JobState.WAITING_OPERATOR
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")]


def day(text: str | None, option: str) -> date | None:
    """A day from the command line.

    Raises: RequestFailed naming the option.
    """
    if text is None:
        return None
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise RequestFailed(ExitStatus.USAGE, f"{option} {text}: give a day as 2024-01-31.") from None


@app.command(rich_help_panel=PANEL)
def studies(
    context: typer.Context,
    uid: Annotated[list[str] | None, typer.Argument(help="Only these Study Instance UIDs.")] = None,
    patient_id: Annotated[str, typer.Option("--patient-id", help="Exact, or with * and ?.")] = "",
    patient_name: Annotated[
        str, typer.Option("--patient-name", help="With * and ?; case and accents do not count.")
    ] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number.")] = "",
    modality: Annotated[str, typer.Option("--modality", help="Such as CT.")] = "",
    date_from: Annotated[str | None, typer.Option("--from", help="Study date, first day.")] = None,
    date_to: Annotated[str | None, typer.Option("--to", help="Study date, last day.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List studies, newest first, with how soon they can be had and where their copies are."""
    current = session(context)
    found = current.catalog.studies.summary(
        uid or None,
        patient_id=patient_id,
        patient_name=patient_name,
        accession_number=accession,
        modality=modality,
        date_from=day(date_from, "--from"),
        date_to=day(date_to, "--to"),
        limit=limit,
    )
    if as_json:
        current.print_json({"studies": [entry.as_json() for entry in found]})
        return
    _show_studies(current, found)
    if len(found) == limit:
        current.say(f"These are the newest {limit}; --limit shows more.")


def _show_studies(current: Session, found: list[StudySummary]) -> None:
    if not found:
        current.say("No study fits. Send some to the DICOM node, or use `firn import PATH`.")
        return
    table = current.table("availability", "study")
    for entry in found:
        study = entry.study
        what = " ".join(part for part in ("/".join(study.modalities), study.description) if part)
        table.add_row(
            availability(entry.availability),
            f"[bold]{safe(what)}[/bold]  {named(study.patient_name)} ({safe(study.patient_id)})  "
            f"{study.study_date or 'no date'}  {count(study.instance_count, 'instance')}, {size(study.size_bytes)}",
        )
        table.add_row("", safe(study.study_instance_uid))
        copies = "  ".join(_copy_words(copy) for copy in entry.copies)
        table.add_row("", copies or "[dim]no copy on a volume yet[/dim]", end_section=True)
    current.out.print(table)


def _copy_words(copy: StudyCopy) -> str:
    sign = "✓" if copy.state is CopyState.VERIFIED else "·"
    return f"{sign} {safe(copy.volume or copy.pool)} {said(copy.state).word}"


@app.command(rich_help_panel=PANEL)
def jobs(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for a person.")] = False,
    study: Annotated[str | None, typer.Option("--study", help="Only of this study.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List the work that is waiting or running, newest first."""
    current = session(context)
    states = () if everything else tuple(sorted(ACTIVE_JOBS))
    states = (JobState.WAITING_OPERATOR,) if waiting else states
    found = current.catalog.jobs.list(states=states, study_uid=study, limit=limit)
    who = current.catalog.shelf.requesters([job.id for job in found])
    if as_json:
        current.print_json({"jobs": [{**job_row(job), "wanted_by": list(who.get(job.id, ()))} for job in found]})
        return
    if not found:
        current.say("No job is waiting or running." if not everything else "No job fits.")
        return
    now = current.now()
    table = current.table(">id", "state", "work", "ready")
    for job in found:
        target = " ".join(part for part in (job.pool, job.barcode) if part)
        lines = [
            f"[bold]{kind_words(job.kind)}[/bold] {safe(target)}  {size(job.size_bytes)}",
            safe(job.study_instance_uid or ""),
            f"[dim]{safe(job.message or job.reason)}[/dim]",
            f"[dim]wanted by {safe(', '.join(who.get(job.id, ())))}[/dim]" if job.state == ON_PERSON else "",
        ]
        ready = ago(job.ended_at or job.eta_at, now, "-")
        table.add_row(str(job.id), _state_words(job), "\n".join(line for line in lines if line), ready)
    current.out.print(table)


def _state_words(job: JobRecord) -> str:
    state = JobState(job.state)
    words = said(state).word
    if state is JobState.RUNNING and job.size_bytes:
        words += f" {100 * job.done_bytes // job.size_bytes} %"
    return f"{words}\n[dim]{safe(job.phase)}[/dim]" if job.phase else words


@app.command(rich_help_panel=PANEL)
def events(
    context: typer.Context,
    level: Annotated[str | None, typer.Option("--level", help="info, warning or error.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="A UID, barcode or drive serial.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show what happened, oldest of the newest first."""
    current = session(context)
    found = list(reversed(current.catalog.events.list(limit=limit, level=level, subject=subject)))
    if as_json:
        current.print_json({"events": [event_row(event) for event in found]})
        return
    table = current.table("when", "level", "event", "subject", "details")
    for event in found:
        details = " ".join(f"{key}={value}" for key, value in event.fields.items())
        when, what = ago(event.at, current.now()), event.name.replace("_", " ")
        table.add_row(when, said(event.level).word, safe(what), safe(event.subject), safe(details))
    current.out.print(table)


@app.command(rich_help_panel=PANEL)
def audit(
    context: typer.Context,
    who: Annotated[str, typer.Option("--who", help="An account, an AE title or a user of this machine.")] = "",
    action: Annotated[str, typer.Option("--action", help="For example volume_moved.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="A UID, barcode, LIBRARY/NUMBER, account or job.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show who did what, oldest of the newest first."""
    from hsm.catalog.audit import AuditFilter

    current = session(context)
    wanted = AuditFilter(actor=who, action=action, object=subject)
    found = list(reversed(current.catalog.audit.list(wanted, limit)))
    if as_json:
        current.print_json({"audit": [audit_row(entry) for entry in found]})
        return
    table = current.table("when", "who", "from", "did", "to", "outcome", "details")
    for entry in found:
        details = " ".join(f"{key}={value}" for key, value in entry.fields.items())
        table.add_row(
            ago(entry.at, current.now()),
            safe(entry.actor or "nobody known"),
            safe(f"{entry.via.replace('_', ' ')} {entry.address}".strip()),
            safe(entry.action.replace("_", " ")),
            safe(f"{entry.kind} {entry.object}".strip()),
            safe(entry.outcome),
            safe(details),
        )
    current.out.print(table)


@app.command(rich_help_panel=PANEL)
def quarantine(context: typer.Context, limit: Limit = 100, as_json: Json = False) -> None:
    """List what was sent and could not be accepted, with the reason; the files are kept."""
    current = session(context)
    found = current.catalog.intake.quarantine(limit=limit)
    if as_json:
        current.print_json({"quarantine": [quarantine_row(entry) for entry in found]})
        return
    if not found:
        current.say("The quarantine is empty.")
        return
    table = current.table("when", "from", ">size", "reason", "file")
    for entry in found:
        table.add_row(
            ago(entry.at, current.now()),
            safe(entry.source_aet or "-"),
            size(entry.size_bytes),
            safe(entry.reason),
            safe(entry.path),
        )
    current.out.print(table)
