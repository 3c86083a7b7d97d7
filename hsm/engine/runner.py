"""One assignment: one volume, one drive, some jobs; from the mount to the last report."""

from collections.abc import Mapping, Sequence
from threading import Lock

import structlog

from drivers.base import Barcode
from drivers.errors import DriverError, MediumError
from hsm.catalog.errors import CatalogError
from hsm.engine.health import is_missing, is_usable, judge
from hsm.engine.reporting import JobReport
from hsm.engine.settings import EngineSettings
from hsm.facts import JobRecord
from hsm.library import DiscSession, Library, TapeSession, UnreadableVolume, WrongVolume
from hsm.library.upkeep import ask
from hsm.mover.breaker import Breaker
from hsm.mover.context import MoverContext
from hsm.mover.judging import doubt
from hsm.mover.labelling import label_tape
from hsm.mover.migrate_disc import DiscWriter
from hsm.mover.migrate_tape import TapeWriter
from hsm.mover.recall import Recaller
from hsm.mover.scan import scan
from hsm.mover.staging import Stager
from hsm.mover.verify import Verifier
from hsm.scheduler import Assignment
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

    def report(self, drive: str | None = None, why: str = "") -> JobReport:
        """A new ear for one assignment; `drive`: its serial number, `why`: a sentence for the jobs' logs."""
        context, retry = self._context, self._settings.retry
        return JobReport(context.catalog, context.now, retry, self.breaker, self._breaker_lock, drive, why)

    def run(self, assignment: Assignment, jobs: Sequence[JobRecord]) -> None:
        """Mount, carry out, report. Every job of the assignment is reported, whatever happens.

        A DriverError is judged and ends here. A CatalogError is passed on: nobody can be told anything then.
        """
        drive, barcode, report = (
            assignment.drive,
            assignment.barcode,
            self.report(assignment.drive.serial, assignment.reason),
        )
        library = self._libraries[drive.library]
        scans = [job for job in jobs if job.kind is JobKind.SCAN]
        mounted = False
        try:
            if len(scans) == len(jobs):
                self._scan(library, drive.index, scans, report)
            else:
                with library.mount(barcode, drive.index, assignment.purpose.value) as session:
                    mounted = True
                    self._carry_out(session, jobs, report)
                for job in scans:
                    report.postponed(job, "looked at by itself")
            self._context.catalog.drives.count_success(drive.library, drive.index, assignment.purpose.value)
        except DriverError as error:
            if not mounted and isinstance(error, MediumError | UnreadableVolume):
                self._doubt(drive.serial, jobs, barcode, error, report)
            log.warning("session_failed", volume=barcode, drive=drive.serial, reason=f"{type(error).__name__}: {error}")
            for job in jobs:
                if report.is_open(job):
                    self._settle(job, barcode, error, report)
            fails_after, purpose = self._settings.drive_fails_after, assignment.purpose.value
            judge(self._context, drive.library, drive.index, barcode, error, fails_after, purpose)
        except CatalogError as error:
            log.error("catalog_failed", reason=str(error))
            raise
        self._ask(library, drive.index)

    def _ask(self, library: Library, drive: int) -> None:
        """Hear what a drive says of itself after a session: an alert, that it wants to be cleaned."""
        if is_usable(self._context.catalog.drives.get(library.name, drive)):
            try:
                ask(library, self._context.catalog, drive, self._context.now())
            except DriverError as error:
                log.warning("drive_not_asked", library=library.name, drive=drive, reason=str(error))

    def _scan(self, library: Library, drive: int, jobs: Sequence[JobRecord], report: JobReport) -> None:
        """Look at the medium; what it is, is the result, whatever it is."""
        started = [job for job in jobs if report.started(job)]
        if not started:
            return
        volume = self._context.catalog.volumes.get(Barcode(str(started[0].barcode)))
        finding = scan(library, volume, drive, lambda phase: report.moved(started[0], 0, phase))
        fields = finding.as_fields()
        level = "info" if finding.agrees else "warning"
        self._context.catalog.events.record(level, "volume_scanned", volume.barcode, fields, self._context.now())
        for job in started:
            self._context.catalog.jobs.note(job.id, {"found": fields})
            report.finished(job, "; ".join(filter(None, (finding.what, finding.advice))))

    def _doubt(
        self, drive: str, jobs: Sequence[JobRecord], barcode: Barcode, error: DriverError, report: JobReport
    ) -> None:
        """A volume that cannot even be mounted for its damage: each reading that was wanted of it has failed.

        Without this a copy would be read back for ever from a volume that cannot be read.
        """
        for job in jobs:
            if job.kind is JobKind.VERIFY and job.copy_id is not None and report.started(job):
                doubt(self._context, self._context.catalog.copies.get(job.copy_id), barcode, drive, error)
                report.finished(job, f"could not be read back: {error}")

    def _settle(self, job: JobRecord, barcode: Barcode, error: DriverError, report: JobReport) -> None:
        if is_missing(error) and job.kind is not JobKind.MIGRATE:
            if report.started(job):
                # The volume of the mount: a recall names none, and bringing the volume must wake the job.
                self._context.catalog.jobs.want_operator(job.id, barcode, str(error), self._context.now())
            return
        if job.kind is JobKind.SCAN and isinstance(error, WrongVolume):
            report.postponed(job, "looked at by itself")  # that it is wrong is what is to be found out
            return
        report.failed(job, error)

    def _carry_out(self, session: TapeSession | DiscSession, jobs: Sequence[JobRecord], report: JobReport) -> None:
        migrations = [job for job in jobs if job.kind is JobKind.MIGRATE]
        for job in jobs:
            if job.kind is JobKind.RECALL:
                Recaller(session, self._context, report).recall(job)
            elif job.kind is JobKind.VERIFY:
                Verifier(session, self._context, report).verify(job)
            elif job.kind is JobKind.REPACK:
                Stager(session, self._context, report).stage(job)
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
