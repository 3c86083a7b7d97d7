"""One assignment: one volume, one drive, some jobs; from the mount to the last report."""

from collections.abc import Mapping, Sequence
from threading import Lock

import structlog

from drivers.base import Barcode
from drivers.errors import DriverError
from hsm.catalog.errors import CatalogError
from hsm.engine.health import is_missing, judge
from hsm.engine.reporting import JobReport
from hsm.engine.settings import EngineSettings
from hsm.facts import JobRecord
from hsm.library import DiscSession, Library, TapeSession
from hsm.mover.breaker import Breaker
from hsm.mover.context import MoverContext
from hsm.mover.labelling import label_tape
from hsm.mover.migrate_disc import DiscWriter
from hsm.mover.migrate_tape import TapeWriter
from hsm.mover.recall import Recaller
from hsm.mover.verify import Verifier
from hsm.scheduler import Assignment, Purpose
from hsm.states import JobKind

log = structlog.get_logger()


class Runner:
    """Carries assignments out. Used by several threads, one per drive."""

    def __init__(self, context: MoverContext, libraries: Mapping[str, Library], settings: EngineSettings) -> None:
        self._context = context
        self._libraries = libraries
        self._settings = settings
        self.breaker = Breaker(settings.stop_after_error_pct, settings.stop_after_items)
        self._breaker_lock = Lock()
        self._failed_at: dict[tuple[str, int], Purpose] = {}  # what each drive failed at last

    def report(self) -> JobReport:
        """A new ear for one assignment."""
        return JobReport(
            self._context.catalog, self._context.now, self._settings.retry, self.breaker, self._breaker_lock
        )

    def run(self, assignment: Assignment, jobs: Sequence[JobRecord]) -> None:
        """Mount, carry out, report. Every job of the assignment is reported, whatever happens.

        A DriverError is judged and ends here. A CatalogError is passed on: nobody can be told anything then.
        """
        drive, barcode, report = assignment.drive, assignment.barcode, self.report()
        library = self._libraries[drive.library]
        try:
            with library.mount(barcode, drive.index, assignment.purpose.value) as session:
                self._carry_out(session, jobs, report)
            self._succeeded(assignment)
        except DriverError as error:
            self._failed_at[(drive.library, drive.index)] = assignment.purpose
            log.warning("session_failed", volume=barcode, drive=drive.serial, reason=f"{type(error).__name__}: {error}")
            for job in jobs:
                if report.is_open(job):
                    self._settle(job, barcode, error, report)
            judge(self._context, drive.library, drive.index, barcode, error, self._settings.drive_fails_after)
        except CatalogError as error:
            log.error("catalog_failed", reason=str(error))
            raise

    def _succeeded(self, assignment: Assignment) -> None:
        """Forget a drive's errors, unless it failed at something else: a drive may read well and never write."""
        drive = (assignment.drive.library, assignment.drive.index)
        if self._failed_at.get(drive, assignment.purpose) is assignment.purpose:
            self._failed_at.pop(drive, None)
            self._context.catalog.drives.count_success(*drive)

    def _settle(self, job: JobRecord, barcode: Barcode, error: DriverError, report: JobReport) -> None:
        if is_missing(error) and job.kind is not JobKind.MIGRATE:
            if report.started(job):
                # The volume of the mount: a recall names none, and bringing the volume must wake the job.
                self._context.catalog.jobs.want_operator(job.id, barcode, str(error), self._context.now())
            return
        report.failed(job, error)

    def _carry_out(self, session: TapeSession | DiscSession, jobs: Sequence[JobRecord], report: JobReport) -> None:
        migrations = [job for job in jobs if job.kind is JobKind.MIGRATE]
        for job in jobs:
            if job.kind is JobKind.RECALL:
                Recaller(session, self._context, report).recall(job)
            elif job.kind is JobKind.VERIFY:
                Verifier(session, self._context, report).verify(job)
            elif job.kind is JobKind.LABEL:
                self._label(session, job, report)
        if migrations:
            pool = self._context.volume_pools[migrations[0].pool or ""]
            if isinstance(session, TapeSession):
                TapeWriter(session, pool, self._context, report).write(migrations)
            else:
                DiscWriter(session, pool, self._context, report).write(migrations)

    def _label(self, session: TapeSession | DiscSession, job: JobRecord, report: JobReport) -> None:
        if not report.started(job):
            return
        pool = self._context.volume_pools.get(str(job.payload.get("pool")))
        volume = self._context.catalog.volumes.get(session.barcode)
        if pool is None or not isinstance(session, TapeSession) or volume.uuid is not None:
            report.failed(job, ValueError(f"{session.barcode} is not a blank tape for pool {job.payload.get('pool')}"))
            return
        label_tape(session, volume, pool, self._context)
        report.finished(job, f"{session.barcode} belongs to pool {pool.name}")
