"""What jobs ask of robots: where each may begin, and carrying it out beside the drives.

A session needs a drive and proves a volume; these need a robot and prove nothing. Each may be repeated after a crash.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from drivers.base import Barcode
from drivers.errors import DriverError
from hsm.access.actor import Actor, Via, acting
from hsm.catalog.errors import NotCatalogued, VolumeRefused
from hsm.catalog.records import DriveRecord
from hsm.engine.interrupted import Interrupted
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.library import Library, errands
from hsm.library.cleaning import clean
from hsm.library.errors import CartridgeUsedUp, ErrandRefused, VolumeNotInLibrary
from hsm.library.upkeep import ask
from hsm.media.robots import cleaning_request, scan_request
from hsm.mover.context import MoverContext
from hsm.states import ROBOT_JOBS, JobKind, Place, VolumeState

CLEAN_AGAIN_AFTER = timedelta(hours=4)  # a drive that asks again sooner is not dirty but broken
FREE_AGAIN_AFTER = timedelta(minutes=5)  # what others expect of a drive that is used here

DriveName = tuple[str, int]

log = structlog.get_logger()


class _NoCartridge(Exception):
    """A drive cannot be cleaned: no cleaning cartridge is in its library."""


@dataclass(frozen=True)
class Operation:
    """One job on its way."""

    job: JobRecord
    library: Library
    drive: int | None  # that nobody else may use meanwhile
    began: datetime


class Operations:
    """Starts robot work, one piece for each library at a time, and one cleaning beside it."""

    def __init__(
        self, context: MoverContext, libraries: Mapping[str, Library], report: Callable[[str | None], JobReport]
    ) -> None:
        self._context = context
        self._catalog = context.catalog
        self._libraries = libraries
        self._report = report
        self._interrupted = Interrupted(context.catalog)
        self._running: dict[Future[None], Operation] = {}
        self._threads = ThreadPoolExecutor(max(1, 2 * len(libraries)), thread_name_prefix="robot")
        self._work: Mapping[JobKind, Callable[[Library, JobRecord], str]] = {
            JobKind.INVENTORY: self._inventory,
            JobKind.MOVE: self._move,
            JobKind.EXPORT: self._export,
            JobKind.IMPORT: self._import,
            JobKind.CLEAN: self._clean,
        }

    # -- beginning -----------------------------------------------------------------------------------------------

    def start(self, jobs: Collection[JobRecord], working: Mapping[DriveName, Barcode], now: datetime) -> bool:
        """Begin what can be begun; `working`: the drives with a session and its volume. Whether anything began."""
        drives = {(drive.library, drive.index): drive for drive in self._catalog.drives.list()}
        began = False
        for job in jobs:
            library = self._libraries.get(str(job.payload.get("library")))
            if job.kind not in ROBOT_JOBS or library is None or self._is_taken(library.name, job.kind):
                continue
            drive = self._drive_of(job, library.name, drives)
            used = {(o.library.name, o.drive) for o in self._running.values()} | working.keys()
            if (library.name, drive) in used or job.barcode in working.values():
                self._catalog.jobs.plan({job.id: (None, "waits for a drive to end what it does")})
                continue
            self._running[self._threads.submit(self._run, library, job)] = Operation(job, library, drive, now)
            began = True
        return began

    def _is_taken(self, library: str, kind: JobKind) -> bool:
        """Whether a library does a piece of that sort already."""
        here = [o.job.kind for o in self._running.values() if o.library.name == library]
        return any((kind is JobKind.CLEAN) == (other is JobKind.CLEAN) for other in here)

    def _drive_of(self, job: JobRecord, library: str, drives: Mapping[DriveName, DriveRecord]) -> int | None:
        """The drive that a job needs for itself: the one to be cleaned, or the one that holds the volume."""
        if job.kind is JobKind.CLEAN:
            return int(job.payload["drive"])
        held = (d.index for d in drives.values() if d.library == library and d.barcode == job.barcode is not None)
        return next(held, None)

    def used_drives(self) -> dict[DriveName, Operation]:
        """The drives that sessions may not use now."""
        return {(o.library.name, o.drive): o for o in self._running.values() if o.drive is not None}

    def volumes(self) -> frozenset[Barcode]:
        """The volumes on the move."""
        return frozenset(o.job.barcode for o in self._running.values() if o.job.barcode is not None)

    def ask_for_cleaning(self, now: datetime) -> None:
        """Submit a job for each drive that wants to be cleaned and was not just now."""
        for drive in self._catalog.drives.list():
            soon = drive.cleaned_at is not None and now - drive.cleaned_at < CLEAN_AGAIN_AFTER
            if drive.library in self._libraries and drive.wants_cleaning and not soon:
                self._catalog.jobs.submit(cleaning_request(drive, "the drive asks for it", "engine"), now)

    # -- ending --------------------------------------------------------------------------------------------------

    def reap(self, now: datetime) -> bool:
        """Forget what ended; whether anything did. Raises: CatalogError, again and again while the catalog is away."""
        ended = [future for future in self._running if future.done()]
        for future in ended:
            operation = self._running.pop(future)
            error = future.exception()
            if error is not None:
                self._interrupted.add_job(operation.job.id)
                log.error("operation_broken", job=operation.job.id, reason=f"{type(error).__name__}: {error}")
        self._interrupted.settle(now)
        return bool(ended)

    @property
    def futures(self) -> Collection[Future[None]]:
        """What runs."""
        return self._running.keys()

    def close(self) -> None:
        """Wait for what runs."""
        self._threads.shutdown(wait=True)
        wait(self._running)

    # -- carrying out --------------------------------------------------------------------------------------------

    def _run(self, library: Library, job: JobRecord) -> None:
        report = self._report(self._serial_of(library, job))
        if not report.started(job):
            return
        try:
            with acting(Actor(job.requested_by, Via.ENGINE)):
                message = self._work[job.kind](library, job)
        except _NoCartridge as error:
            self._catalog.jobs.want_operator(job.id, None, str(error), self._context.now())
        except VolumeNotInLibrary as error:
            report.failed(job, ErrandRefused(str(error)))  # waiting would not bring it
        except (DriverError, VolumeRefused, NotCatalogued) as error:
            report.failed(job, error)
        else:
            report.finished(job, message)

    def _serial_of(self, library: Library, job: JobRecord) -> str | None:
        """The drive that a job is about, as jobs name drives."""
        return library.drive_serial(int(job.payload["drive"])) if job.kind is JobKind.CLEAN else None

    def _inventory(self, library: Library, job: JobRecord) -> str:
        full = [element for element in library.take_inventory().elements if element.full]
        return f"{len(full)} places of {library.name} hold something"

    def _move(self, library: Library, job: JobRecord) -> str:
        wanted = job.payload["slot"]
        slot = errands.to_slot(library, _named(job), None if wanted is None else int(wanted))
        return f"{job.barcode} is in slot {slot} of {library.name}"

    def _export(self, library: Library, job: JobRecord) -> str:
        barcode, now = _named(job), self._context.now()
        place, location = Place(job.payload["place"]), str(job.payload["location"])
        loss = self._catalog.volumes.loss(barcode)
        if loss.only_here and not job.payload.get("force"):
            raise VolumeRefused(f"{barcode} holds the only verified copy of {len(loss.only_here)} studies")
        slot = errands.bring_out(library, barcode)
        self._catalog.volumes.move(barcode, place, location, now, leaving=slot is not None)
        self._catalog.jobs.note(job.id, {"mail_slot": slot})
        where = (
            f"in mail slot {slot} of {library.name}" if slot is not None else f"let go of by a drive of {library.name}"
        )
        return f"{barcode} is {where}; take it to {location}"

    def _import(self, library: Library, job: JobRecord) -> str:
        wanted = [Barcode(barcode) for barcode in job.payload.get("barcodes", [])]
        outside = [v for v in self._catalog.volumes.list() if v.library == library.name and v.leaving]
        for volume in outside:
            if volume.barcode in wanted:  # it was to go out, and stays
                self._catalog.volumes.move(volume.barcode, Place.LIBRARY, "", self._context.now())
        taken = errands.take_in(library, wanted, [volume.barcode for volume in outside])
        scans = self._scan_new(taken.barcodes, job) if job.payload.get("scan") else []
        found = {"imported": list(taken.barcodes), "left": list(taken.left), "scans": scans}
        self._catalog.jobs.note(job.id, found)
        names = ", ".join(taken.barcodes) or "nothing"
        return "; ".join([f"{names} brought into slots of {library.name}", *taken.left])

    def _scan_new(self, barcodes: Collection[Barcode], job: JobRecord) -> list[int]:
        """Have a look at the volumes that the catalog knows nothing of; the jobs that will."""
        known = {volume.barcode: volume for volume in self._catalog.volumes.list()}
        new = [b for b in barcodes if b in known and known[b].uuid is None and known[b].state is VolumeState.BLANK]
        requests = [scan_request(barcode, "it is new here", job.requested_by) for barcode in new]
        return [job_id for job_id, _ in self._catalog.jobs.submit_many(requests, self._context.now())]

    def _clean(self, library: Library, job: JobRecord) -> str:
        drive, catalog, clock = int(job.payload["drive"]), self._catalog, self._context.clock
        if library.by_hand:
            raise _NoCartridge(f"put a cleaning cartridge into drive {drive} of {library.name}, which has no robot")
        library.take_inventory()
        for cartridge in catalog.cleaning.usable(library.name):
            self._catalog.jobs.progress(job.id, 0, f"cleaning with {cartridge}", now=clock.now())
            try:
                clean(library, drive, cartridge, catalog, clock)
            except CartridgeUsedUp as error:
                log.warning("cleaning_cartridge_used_up", cartridge=cartridge, reason=str(error))
                catalog.cleaning.use_up(cartridge, clock.now())
                continue
            catalog.cleaning.used(cartridge, clock.now())
            catalog.drives.cleaned(library.name, drive, cartridge, clock.now())
            record = ask(library, catalog, drive, clock.now())
            if record.wants_cleaning:
                fields: dict[str, Any] = {"library": library.name, "drive": drive, "cartridge": cartridge}
                catalog.events.record("error", "drive_not_clean", record.serial, fields, clock.now())
            return f"drive {drive} of {library.name} was cleaned with {cartridge}"
        raise _NoCartridge(
            f"drive {drive} of {library.name} is to be cleaned and no usable cleaning cartridge is there: put one "
            "(its barcode begins with CLN) into a mail slot"
        )


def _named(job: JobRecord) -> Barcode:
    if job.barcode is None:
        raise ErrandRefused(f"job {job.id} names no volume")
    return job.barcode
