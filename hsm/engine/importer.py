"""Discs of somebody else that are to be taken in: which recorder holds one, and reading it there."""

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from drivers.base import Barcode, MediumKind
from drivers.errors import DriverError
from hsm.archive import Archive, ArchiveSettings
from hsm.catalog.intake import OnConflict
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.library import Library
from hsm.mover.context import MoverContext
from hsm.mover.foreign import NotForeign, read_foreign
from hsm.scheduler import Assignment, IdleDrive, Purpose, QueuedWork
from hsm.states import JobKind

_LASTS_S = 600.0  # what others expect of a recorder that is used so

log = structlog.get_logger()


class Importer:
    """Finds recorders for the discs that are to be taken in. A disc that is not there is asked for."""

    def __init__(
        self,
        context: MoverContext,
        libraries: Mapping[str, Library],
        report: Callable[[], JobReport],
        on_conflict: OnConflict,
    ) -> None:
        self._context = context
        self._libraries = libraries
        self._report = report
        self._archive = Archive(context.catalog, context.pool, context.clock, ArchiveSettings(on_conflict))

    def assign(
        self, jobs: Collection[JobRecord], idle: Sequence[IdleDrive], taken: Collection[tuple[str, int]]
    ) -> list[tuple[Assignment, JobRecord]]:
        """What can begin now; what cannot asks for its disc, or waits for its recorder."""
        given: list[tuple[Assignment, JobRecord]] = []
        used = set(taken)
        for job in jobs:
            name = str(job.payload.get("library"))
            library = self._libraries.get(name)
            if library is None or not library.recorders:
                self._refuse(job, f"there is no recorder in a library {name}: look at the configuration")
                continue
            fitting = [drive for drive in idle if self._fits(job, drive) and (name, drive.index) not in used]
            drive = next((drive for drive in fitting if self._holds_unnamed(drive)), None)
            if drive is not None:
                used.add((name, drive.index))
                work = QueuedWork(job.id, job.kind, job.created_at, 0)
                reason = f"a disc of somebody else in drive {drive.index} is taken in"
                given.append((Assignment(drive, Barcode(""), Purpose.READ, (work,), _LASTS_S, reason), job))
            elif not library.by_hand:
                self._refuse(job, f"no disc without a name is in a recorder of library {name}, which has a robot")
            elif fitting:
                self._ask(job, fitting[0].index)
        return given

    def _fits(self, job: JobRecord, drive: IdleDrive) -> bool:
        if drive.library != job.payload.get("library") or drive.kind is not MediumKind.DISC or drive.loaded is not None:
            return False
        return job.payload.get("drive") in (None, drive.index)

    def _holds_unnamed(self, drive: IdleDrive) -> bool:
        elements = self._context.catalog.volumes.elements(drive.library)
        return any(e.kind == "drive" and e.index == drive.index and e.full and e.barcode is None for e in elements)

    def _ask(self, job: JobRecord, drive: int) -> None:
        words = f"needs a disc to take in: put it into drive {drive} of library {job.payload.get('library')}"
        self._context.catalog.jobs.want_operator(job.id, None, words, self._context.now())

    def _refuse(self, job: JobRecord, words: str) -> None:
        self._report().failed(job, NotForeign(words))

    def run(self, assignment: Assignment, job: JobRecord) -> None:
        """Read the disc and give it back; the job is reported, whatever happens."""
        library, drive = self._libraries[assignment.drive.library], assignment.drive.index
        report = self._report()
        try:
            with library.occupied(drive):
                read_foreign(library.recorders[drive], job, self._archive, self._context, report)
        except DriverError as error:
            log.warning("session_failed", drive=assignment.drive.serial, reason=f"{type(error).__name__}: {error}")
            if report.is_open(job):
                report.failed(job, error)
        library.give_back(drive)


def foreign_jobs(queue: Collection[JobRecord]) -> list[JobRecord]:
    """Those that take a disc in."""
    return [job for job in queue if job.kind is JobKind.READ_FOREIGN]
