"""Writes what the mover reports into the catalog, and decides with the error's class whether to try again."""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock

import structlog

from hsm.catalog import Catalog
from hsm.facts import JobRecord
from hsm.mover.breaker import Breaker
from hsm.mover.outcome import RetrySettings, decide

TELL_EVERY_S = 1.0  # progress of one job is written at most that often

log = structlog.get_logger()


def rate(moved_bytes: int, took_s: float) -> int:
    """Bytes a second; nothing of what went backwards or took no time. Pure."""
    return round(moved_bytes / took_s) if moved_bytes > 0 and took_s > 0 else 0


class JobReport:
    """One for each assignment; knows which of its jobs are still open."""

    def __init__(
        self,
        catalog: Catalog,
        now: Callable[[], datetime],
        retry: RetrySettings,
        breaker: Breaker,
        breaker_lock: Lock,
        drive: str | None = None,
        why: str = "",
    ) -> None:
        """`drive`: serial number of the drive that does the work; `why`: a sentence for the log of each job."""
        self._catalog = catalog
        self._now = now
        self._retry = retry
        self._breaker = breaker
        self._breaker_lock = breaker_lock
        self._drive = drive
        self._why = why
        self._told: dict[int, tuple[float, str, int]] = {}
        self._started: set[int] = set()
        self._ended: set[int] = set()

    def is_open(self, job: JobRecord) -> bool:
        """Whether nothing was said yet of how this job ended."""
        return job.id not in self._ended

    def started(self, job: JobRecord) -> bool:
        """Claim the job."""
        if not self._catalog.jobs.start(job.id, self._now(), job.barcode, self._drive, self._why):
            self._ended.add(job.id)
            return False
        self._started.add(job.id)
        return True

    def cancelled(self, job: JobRecord) -> bool:
        """Whether somebody wished this job away; if so it is ended here."""
        jobs = self._catalog.jobs
        if not jobs.cancel_requested(job.id) or not jobs.cancelled(job.id, self._now()):
            return False
        self._ended.add(job.id)
        return True

    def moved(self, job: JobRecord, done_bytes: int, phase: str) -> None:
        """Progress; a change of phase is always told, a number only now and then."""
        last_s, last_phase, last_bytes = self._told.get(job.id, (0.0, "", 0))
        now_s = time.monotonic()
        if phase == last_phase and now_s - last_s < TELL_EVERY_S:
            return
        self._told[job.id] = (now_s, phase, done_bytes)
        rate_bytes_s = rate(done_bytes - last_bytes, now_s - last_s) if last_s else 0
        self._catalog.jobs.progress(job.id, done_bytes, phase, rate_bytes_s=rate_bytes_s, now=self._now())

    def finished(self, job: JobRecord, message: str = "") -> None:
        """Done."""
        self._catalog.jobs.finish(job.id, self._now(), message)
        self._end(job, succeeded=True)

    def failed(self, job: JobRecord, error: Exception) -> None:
        """Not done: back off or give up, as the error's class says."""
        if job.id not in self._started and not self.started(job):
            return
        now = self._now()
        outcome = decide(error, job.attempts + 1, now, self._retry)
        self._catalog.jobs.fail(job.id, outcome.message, now, outcome.retry_at)
        log.warning(
            "job_failed",
            job=job.id,
            kind=job.kind.value,
            retry_at=outcome.retry_at.isoformat() if outcome.retry_at else None,
            reason=outcome.message,
        )
        self._end(job, succeeded=False)

    def postponed(self, job: JobRecord, message: str) -> None:
        """Not done through no fault of its own."""
        if job.id in self._started:
            self._catalog.jobs.requeue(job.id, self._now())
        self._ended.add(job.id)
        log.info("job_postponed", job=job.id, kind=job.kind.value, reason=message)

    def _end(self, job: JobRecord, succeeded: bool) -> None:
        self._ended.add(job.id)
        with self._breaker_lock:
            if self._breaker.record(job.kind, succeeded):
                items, errors = self._breaker.counts(job.kind)
                fields = {"kind": job.kind.value, "items": items, "errors": errors}
                self._catalog.events.record("error", "run_stopped", job.kind.value, fields, self._now())
                log.error("run_stopped", **fields)
