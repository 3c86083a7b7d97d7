"""What is written about one job while it waits and runs: its steps, its phases, what went wrong. It is bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from hsm.catalog.database import Database
from hsm.catalog.rows import table_of
from hsm.catalog.text import clean
from hsm.models import Job, JobLine
from hsm.states import ACTIVE_JOBS

KEPT_LINES = 400  # of one job; the oldest go first, and their numbers tell how many went

_WORDS = {
    "start": "Begun",
    "finish": "Done",
    "fail": "Given up",
    "retry": "Did not work; another try is to come",
    "requeue": "Back in the queue",
    "want_operator": "Waits for a person",
    "cancel": "Cancelled",
}
_LEVELS = {"fail": "error", "retry": "warning", "want_operator": "warning", "cancel": "warning"}


@dataclass(frozen=True)
class LogLine:
    """One line."""

    number: int  # from 1; lines that went are counted
    at: datetime
    level: str  # info, warning, error
    text: str
    done_bytes: int | None


def add_line(
    connection: Connection, job_id: int, text: str, now: datetime, level: str = "info", done_bytes: int | None = None
) -> None:
    """Write one line in the caller's transaction, and let the oldest go when there are too many."""
    table = table_of(JobLine)
    last = select(func.max(table.c.number)).where(table.c.job_fk == job_id)
    number = (connection.execute(last).scalar() or 0) + 1
    values = {"number": number, "at": now, "level": level, "text": clean(text), "done_bytes": done_bytes}
    connection.execute(table.insert().values(job_fk=job_id, **values))
    if number > KEPT_LINES:
        connection.execute(delete(JobLine).where(JobLine.job_fk == job_id, JobLine.number <= number - KEPT_LINES))


def add_step(connection: Connection, job_id: int, event: str, values: Mapping[str, Any], now: datetime) -> None:
    """Write down that a job took a step of its table, with what is said about it."""
    words = [_WORDS[event]]
    if event == "start" and values.get("attempts", 1) > 1:
        words = [f"Begun, try {values['attempts']}"]
    if event == "start" and values.get("barcode"):
        words.append(f"with {values['barcode']}")
    if event == "start" and values.get("drive"):
        words.append(f"in drive {values['drive']}")
    said = f": {values['message']}" if values.get("message") else ""
    add_line(connection, job_id, " ".join(words) + said, now, _LEVELS.get(event, "info"))


class JobLog:
    """The part of the jobs that keeps their logs."""

    _database: Database

    def write_line(self, job_id: int, text: str, now: datetime, level: str = "info") -> None:
        """Write one line about a job. Nothing about patients."""
        self._database.write(lambda connection: add_line(connection, job_id, text, now, level))

    def lines(self, job_id: int, after: int = 0) -> list[LogLine]:
        """What was written about a job, oldest first; only lines with a higher number than `after`."""
        statement = (
            select(JobLine.number, JobLine.at, JobLine.level, JobLine.text, JobLine.done_bytes)
            .where(JobLine.job_fk == job_id, JobLine.number > after)
            .order_by(JobLine.number)
        )
        return self._database.read(lambda connection: [LogLine(*row) for row in connection.execute(statement)])

    def prune_lines(self, ended_before: datetime) -> int:
        """Forget the logs of jobs that ended before a time; how many lines went. The jobs stay."""
        old = select(Job.id).where(Job.ended_at < ended_before, Job.state.not_in(sorted(ACTIVE_JOBS)))
        statement = delete(JobLine).where(JobLine.job_fk.in_(old.scalar_subquery()))
        return self._database.write(lambda connection: int(connection.execute(statement).rowcount))
