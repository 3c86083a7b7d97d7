"""--wait: stay until the work is done, by whoever does it.

If an engine holds the lease, the catalog is polled. If none does, this process becomes the engine for as long as it
waits: so every command also works in an archive where nothing is running.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.session import Session
from appliance.cli.words import safe
from hsm.facts import JobRecord
from hsm.states import ACTIVE_JOBS, JobState
from web.words import count, kind_words

if TYPE_CHECKING:
    from hsm.engine import Engine

POLL_S = 0.25
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it is done; without an engine, do it here.")]
WaitLimit = Annotated[
    float, typer.Option("--limit-s", min=0, help="With --wait: the longest time to wait, in seconds.")
]
DEFAULT_LIMIT_S = 3600.0

Finished = Callable[[], bool]


class Worker:
    """Waits until something is so, doing the work in this process when no engine runs. Use inside `working`."""

    def __init__(self, current: Session, engine: "Engine | None") -> None:
        self._current = current
        self._engine = engine

    def until(self, finished: Finished, limit_s: float, phase: Callable[[], str]) -> bool:
        """Wait.

        Returns: whether it became so; False when nothing that can be done here is left to do.
        Raises: RequestFailed when the limit passed.
        """
        deadline = time.monotonic() + limit_s
        with _spinner(self._current, phase) as show:
            while not finished():
                show()
                if time.monotonic() >= deadline:
                    raise RequestFailed(
                        ExitStatus.TIMED_OUT,
                        f"Not done after {limit_s:g} s: {phase()}. The work stays in the queue; see `firn jobs`.",
                    )
                if self._engine is None:
                    time.sleep(POLL_S)
                elif not self._work(self._engine):
                    return finished()
        return True

    def _work(self, engine: "Engine") -> bool:
        """One round; False when nothing runs and nothing can be begun."""
        engine.renew_lease()
        if not engine.step() and not engine.is_working:
            return False
        engine.wait_for_a_drive(POLL_S)
        return True


@contextmanager
def working(current: Session) -> Iterator[Worker]:
    """Be the engine, unless one runs already.

    Raises: EngineBusy, LibraryBusy and the like when somebody else takes the libraries at this very moment.
    """
    from appliance.machinery import engine_alive, engine_here

    if engine_alive(current.catalog, current.now()):
        yield Worker(current, None)
        return
    with engine_here(current.config, current.catalog, current.pool) as engine:
        yield Worker(current, engine)


def wait_until(current: Session, finished: Finished, limit_s: float, phase: Callable[[], str]) -> bool:
    """One wait; see Worker.until."""
    if finished():
        return True
    with working(current) as worker:
        return worker.until(finished, limit_s, phase)


@contextmanager
def _spinner(current: Session, phase: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """A line that says what is going on, on a terminal only."""
    if not current.err.is_terminal:
        yield lambda: None
        return
    with current.err.status("") as line:
        yield lambda: line.update(safe(phase()))


def wait_for_jobs(current: Session, job_ids: Sequence[int], limit_s: float) -> None:
    """Wait until these jobs have ended.

    Raises: RequestFailed when one of them failed, was cancelled, waits for a person, or the limit passed.
    """
    judge(ended_jobs(current, job_ids, limit_s))


def ended_jobs(current: Session, job_ids: Sequence[int], limit_s: float) -> list[JobRecord]:
    """Wait until these jobs have ended, well or not, or nothing more can be done for them here.

    Raises: RequestFailed when the limit passed.
    """
    wanted = list(dict.fromkeys(job_ids))

    def unfinished() -> list[JobRecord]:
        return [job for job in map(current.catalog.jobs.get, wanted) if job.state in ACTIVE_JOBS]

    def phase() -> str:
        left = unfinished()
        return f"{len(wanted) - len(left)} of {count(len(wanted), 'job')} done; {describe(left[0])}" if left else "done"

    wait_until(current, lambda: not unfinished(), limit_s, phase)
    return [current.catalog.jobs.get(number) for number in wanted]


def describe(job: JobRecord) -> str:
    """What a job is about and how far it is, in words."""
    words = f"{kind_words(job.kind)} {job.study_instance_uid or job.barcode or job.key}"
    detail = job.phase or job.message or str(job.state).replace("_", " ")
    return f"{words}: {detail}"


def judge(jobs: Sequence[JobRecord]) -> None:
    """Turn the end of jobs into the end of the command.

    Raises: RequestFailed naming the first job that did not end well, and what to do.
    """
    for job in jobs:
        state = JobState(job.state)
        what = describe(job)
        if state is JobState.WAITING_OPERATOR:
            raise RequestFailed(
                ExitStatus.TIMED_OUT,
                f"A person is needed: {what}. Bring volume {job.barcode or '(see above)'} to its library.",
            )
        if state is JobState.WAITING_RETRY:
            raise RequestFailed(
                ExitStatus.FAILED, f"It did not work and will be tried again later: {what}. {job.message}".strip()
            )
        if state is JobState.FAILED:
            raise RequestFailed(ExitStatus.FAILED, f"It did not work: {what}. {job.message}".strip())
        if state is JobState.CANCELLED:
            raise RequestFailed(ExitStatus.FAILED, f"It was cancelled: {what}.")
        if state in ACTIVE_JOBS:
            raise RequestFailed(
                ExitStatus.TIMED_OUT,
                f"It cannot be done now: {what}. Look at the drives and blank volumes with `firn status`.",
            )


@contextmanager
def progress_bar(current: Session, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; the caller tells how many more are done."""
    if not current.err.is_terminal:
        yield lambda more: None  # noqa: ARG005 - nobody looks
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=current.err, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.advance(task, more)
