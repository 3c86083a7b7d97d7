"""The one process that owns the libraries: plans the next mounts, hands them to drives, starts again after a crash."""

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from drivers.clock import Clock
from drivers.errors import DriverError
from hsm.cards import CardMaker
from hsm.catalog import Catalog
from hsm.engine import demand
from hsm.engine.compressor import Compressor
from hsm.engine.health import is_usable
from hsm.engine.importer import Importer, foreign_jobs
from hsm.engine.interrupted import Interrupted
from hsm.engine.mailroom import MailRoom
from hsm.engine.operations import FREE_AGAIN_AFTER, Operations
from hsm.engine.operator import Operator
from hsm.engine.ownership import holder_name, is_dead
from hsm.engine.releaser import Releaser
from hsm.engine.repacker import Repacker
from hsm.engine.runner import Runner
from hsm.engine.settings import EngineSettings
from hsm.engine.tidying import tidy
from hsm.facts import JobRecord, VolumePool
from hsm.library import Library
from hsm.lossless.presses import Presses
from hsm.mover.context import MoverContext
from hsm.mover.pressing import forget_written
from hsm.mover.pressing import tidy as tidy_pressing
from hsm.mover.release import finish_releases
from hsm.orders.prefetching import prefetch
from hsm.policy import Plan
from hsm.pool import OnlinePool
from hsm.scheduler import (
    Assignment,
    BusyDrive,
    IdleDrive,
    MediaTiming,
    Schedule,
    Settings,
    VolumeFacts,
    assign,
    hindrances,
)
from hsm.states import ROBOT_JOBS, JobKind
from hsm.ticking import tick

LEASE = "engine"
NO_SESSION = ROBOT_JOBS | {JobKind.RELEASE, JobKind.COMPRESS}
MOST_DRIVES = 256
ETA_NEWS = timedelta(seconds=10)

log = structlog.get_logger()


class EngineBusy(Exception):
    """Another process runs the engine on this catalog."""


class Engine:
    """Runs jobs until none can be run; every public method may be called from one thread at a time."""

    def __init__(
        self,
        catalog: Catalog,
        pool: OnlinePool,
        libraries: Mapping[str, Library],
        volume_pools: Mapping[str, VolumePool],
        settings: EngineSettings,
        clock: Clock,
        cards: CardMaker | None = None,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.clock = clock
        self.holder = holder_name(id(self))
        self._pool = pool
        self._libraries = libraries
        self._volume_pools = volume_pools
        self._context = MoverContext(
            catalog=catalog,
            pool=pool,
            volume_pools=volume_pools,
            staging=settings.staging,
            clock=clock,
            retry=settings.retry,
            keep_online_s=settings.keep_online_s,
            stable_after_s=settings.tick.stable_after_s,
            par2_redundancy_pct=settings.par2_redundancy_pct,
            presses=Presses(settings.compression_workers),
        )
        self._runner = Runner(self._context, libraries, settings)
        self._running: dict[Future[None], tuple[Assignment, datetime]] = {}
        self._served: dict[tuple[str, int], JobKind] = {}  # what each drive did last, for fairness
        self._interrupted = Interrupted(catalog)
        self._operations = Operations(self._context, libraries, self._runner.report)
        self._importer = Importer(self._context, libraries, self._runner.report, settings.on_conflict)
        self._compressor = Compressor(
            self._context, settings.tick.pack_max_bytes, self._runner.report, self._interrupted.add_job
        )
        self._releaser = Releaser(self._context, cards, self._runner.report)
        self._repacker = Repacker(self._context, settings.repack_window_bytes)
        self._repacks_due = True  # something ended that a repack may have waited for
        self._operator = Operator(catalog, libraries, clock)
        self._mail_room = MailRoom(catalog, volume_pools, clock)
        self._scheduling = Settings(
            reserve_recall_drives=settings.reserve_recall_drives,
            by_hand=frozenset(name for name, library in libraries.items() if library.by_hand),
        )
        if settings.par2_redundancy_pct:
            fill_pct = 92 / (1 + settings.par2_redundancy_pct / 100)
            self._scheduling = replace(self._scheduling, disc_fill_pct=fill_pct)
        # One for each drive; more drives may be attached later.
        self._threads = ThreadPoolExecutor(max_workers=MOST_DRIVES, thread_name_prefix="drive")

    # -- ownership and start -------------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Become the one engine of this catalog and repair what an interruption left.

        Raises: EngineBusy.
        """
        self.take_lease()
        self.recover()

    def take_lease(self) -> None:
        """Become the one engine of this catalog; recover() is to follow, and takes minutes where drives hold tapes.

        Raises: EngineBusy.
        """
        holder = self.catalog.leases.holder(LEASE, self.clock.now())
        if holder is not None and is_dead(holder):
            self.catalog.leases.drop(LEASE, holder)
        if not self.renew_lease():
            raise EngineBusy(
                f"the engine runs as {holder}: stop it, or let it do the work (commands only queue jobs then)"
            )

    def renew_lease(self) -> bool:
        """Keep the ownership. False when somebody else has it."""
        return self.catalog.leases.take(LEASE, self.holder, self.clock.now(), self.settings.lease_ttl_s)

    def recover(self) -> None:
        """After a start: un-write, requeue, finish releases, empty the drives. May be repeated."""
        now = self.clock.now()
        unwritten = self.catalog.copies.unwrite()
        requeued = self.catalog.jobs.interrupted(now)
        finished = finish_releases(self._context)
        tidy_pressing(self._context)
        for library in self._libraries.values():
            try:
                library.clean_up()
            except DriverError as error:
                self._library_failed(library, error)
        self._operator.there_is_news()
        log.info("engine_recovered", unwritten=len(unwritten), requeued=len(requeued), releases_finished=finished)

    def _library_failed(self, library: Library, error: DriverError) -> None:
        self.catalog.events.record("error", "library_failed", library.name, {"reason": str(error)}, self.clock.now())
        log.error("library_failed", library=library.name, reason=str(error))

    def close(self) -> None:
        """Wait for what runs, give the ownership back."""
        self._threads.shutdown(wait=True)
        self._operations.close()
        self._compressor.close()
        self._releaser.close()
        self._reap()
        self.catalog.leases.drop(LEASE, self.holder)

    # -- what the clock calls ------------------------------------------------------------------------------------

    def tick(self) -> Plan:
        """Evaluate the policy now and submit its jobs.

        Raises: NoPolicy, PolicyInvalid.
        """
        self._runner.breaker.reset()
        self._operator.there_is_news()
        self._repacks_due = True
        forget_written(self._context)
        made = tick(self.catalog, self._pool, self._volume_pools, self.settings.tick, self.clock.now())
        prefetch(self.catalog, self.clock.now(), timedelta(seconds=self.settings.prefetch_ahead_s))
        self._releaser.prepare(made)
        return made

    def take_inventory(self) -> None:
        """Ask all robots what is where; jobs that waited for a volume go on when it is there."""
        for library in self._libraries.values():
            try:
                inventory = library.take_inventory()
                if library.meet_newcomers():
                    inventory = library.take_inventory()
                self._mail_room.take_in(library, inventory)
            except DriverError as error:
                self._library_failed(library, error)
        self._operator.there_is_news()

    def look_for_tapes(self) -> None:
        """Look whether a person fed a tape drive that has no robot: no device tells that by itself."""
        try:
            self._operator.look_for_tapes()
        except DriverError as error:
            log.warning("drives_not_seen", reason=str(error))

    def tidy(self) -> None:
        """Forget what is kept long enough, and what was left behind."""
        tidy(self.catalog, self._pool, self.settings, self.clock.now())

    # -- the work ------------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """One round: releases at once, what robots are asked, then as many mounts as there are idle drives.

        Returns: whether anything began.
        """
        self._reap()
        now = self.clock.now()
        answered = self._operator.has_news() and self._ask_again(now)
        self._operations.ask_for_cleaning(now)
        self._step_repacks(now)
        queue = [job for job in self.catalog.jobs.queue(now) if not self._runner.breaker.stopped(job.kind)]
        released = self._releaser.run(queue, now)
        working = {(a.drive.library, a.drive.index): a.barcode for a, _ in self._running.values()}
        operated = self._operations.start([job for job in queue if job.kind in ROBOT_JOBS], working, now)
        compressed = self._compressor.start([job for job in queue if job.kind is JobKind.COMPRESS])
        schedule = self._schedule([job for job in queue if job.kind not in NO_SESSION], now)
        by_id = {job.id: job for job in queue}
        for assignment in schedule.assignments:
            self._start(assignment, [by_id[work.job_id] for work in assignment.works], now)
        imported = self._import(foreign_jobs(queue), schedule, now)
        looked = self._operator.look() or imported
        return answered or released or operated or compressed or looked or bool(schedule.assignments)

    def _step_repacks(self, now: datetime) -> None:
        if self._repacks_due:
            self._repacks_due = False
            self._repacker.step(now)

    def _ask_again(self, now: datetime) -> bool:
        """Look at the questions to the operator again; whether some were answered."""
        waiting = self._operator.waiting()
        if not waiting:
            return False
        idle, busy = self._drives()
        works = demand.works(self.catalog, [*self.catalog.jobs.queue(now), *waiting])
        stuck = hindrances(
            works,
            idle,
            self._volumes(idle, busy),
            self._volume_pools,
            MediaTiming(),
            now,
            busy=busy,
            settings=self._scheduling,
        )
        judged = frozenset(work.job_id for work in works)
        return self._operator.settle(waiting, judged, {trouble.job_id: trouble for trouble in stuck})

    def _import(self, jobs: list[JobRecord], schedule: Schedule, now: datetime) -> bool:
        """Take in discs of somebody else, where drives were left for that; whether any began."""
        if not jobs:
            return False
        taken = {(a.drive.library, a.drive.index) for a in schedule.assignments}
        for assignment, job in (given := self._importer.assign(jobs, self._drives()[0], taken)):
            self._running[self._threads.submit(self._importer.run, assignment, job)] = (assignment, now)
        return bool(given)

    def _schedule(self, queue: list[JobRecord], now: datetime) -> Schedule:
        idle, busy = self._drives()
        schedule = assign(
            demand.works(self.catalog, queue),
            idle,
            self._volumes(idle, busy),
            self._volume_pools,
            MediaTiming(),
            now,
            busy=busy,
            settings=self._scheduling,
        )
        self._tell(queue, schedule)
        self._operator.give_back(idle, schedule)
        return schedule

    def _volumes(self, idle: list[IdleDrive], busy: list[BusyDrive]) -> list[VolumeFacts]:
        mounted = {drive.loaded: drive.serial for drive in idle if drive.loaded is not None}
        working = {drive.barcode: drive.serial for drive in busy if drive.barcode is not None}
        moving = self._operations.volumes()
        return demand.volume_facts(
            self.catalog.volumes.list(), self._volume_pools, mounted | working, frozenset(working) | moving
        )

    def _tell(self, queue: list[JobRecord], schedule: Schedule) -> None:
        """Write down what waiting jobs may expect, where it differs from what was said before."""
        expected: dict[int, tuple[datetime | None, str]] = {
            job_id: (eta.ready_at, eta.phase) for job_id, eta in schedule.etas.items()
        }
        for stuck in schedule.stuck:
            reason = self._operator.ask(stuck) if stuck.needs_operator else stuck.reason
            if reason:
                expected[stuck.job_id] = (None, reason)
        said = {job.id: (job.eta_at, job.phase) for job in queue}
        self.catalog.jobs.plan({i: told for i, told in expected.items() if _differs(told, said[i])})

    def _drives(self) -> tuple[list[IdleDrive], list[BusyDrive]]:
        """The usable drives, by what they do now."""
        running = {(a.drive.library, a.drive.index): (a, began) for a, began in self._running.values()}
        used = self._operations.used_drives()
        idle: list[IdleDrive] = []
        busy: list[BusyDrive] = []
        for drive in self.catalog.drives.list():
            library = self._libraries.get(drive.library)
            if library is None or drive.index not in library.drive_indices():
                continue  # another engine's, or not attached
            place = drive.library, drive.index
            generation = library.drive_generation(drive.index)
            facts = (*place, drive.serial, drive.kind, generation)
            kept = drive.recalls_only
            if place in running:
                assignment, began = running[place]
                free_at = began + timedelta(seconds=assignment.duration_s)
                waited_for = any(work.is_waited_for for work in assignment.works)
                busy.append(BusyDrive(*facts, assignment.barcode, _most_urgent(assignment), free_at, kept, waited_for))
            elif place in used:
                free_at = used[place].began + FREE_AGAIN_AFTER
                busy.append(BusyDrive(*facts, used[place].job.barcode, used[place].job.kind, free_at, kept))
            elif is_usable(drive):
                idle.append(IdleDrive(*facts, drive.barcode, self._served.get(place), kept))
        return idle, busy

    def _start(self, assignment: Assignment, jobs: list[JobRecord], now: datetime) -> None:
        log.info(
            "assignment_started",
            volume=assignment.barcode,
            drive=assignment.drive.serial,
            purpose=assignment.purpose.value,
            jobs=len(jobs),
            reason=assignment.reason,
        )
        self._served[(assignment.drive.library, assignment.drive.index)] = _most_urgent(assignment)
        self._running[self._threads.submit(self._runner.run, assignment, jobs)] = (assignment, now)

    def _reap(self) -> None:
        """Forget what ended; what a session could not report itself is put right as soon as that can be.

        Raises: CatalogError, again and again while the catalog is away.
        """
        for future in [future for future in self._running if future.done()]:
            assignment, _ = self._running.pop(future)
            self._repacks_due = True
            self._operator.worked(assignment.drive.library, assignment.drive.index)
            self._operator.there_is_news()
            error = future.exception()
            if error is not None:
                self._interrupted.add(assignment)
                log.error("session_broken", volume=assignment.barcode, reason=f"{type(error).__name__}: {error}")
        self._compressor.reap()
        self._interrupted.settle(self.clock.now())
        if self._operations.reap(self.clock.now()):
            self._operator.there_is_news()

    def wait_for_a_drive(self, limit_s: float) -> None:
        """Return when some session or robot work ended, or after the limit (of real seconds)."""
        if self.is_working:
            working = [*self._running, *self._operations.futures, *self._compressor.futures]
            wait(working, timeout=limit_s, return_when=FIRST_COMPLETED)

    @property
    def is_working(self) -> bool:
        """Whether a drive, a robot or a codec is at work."""
        return bool(self._running or self._operations.futures or self._compressor.futures)

    def drain(self, limit_s: float = float("inf")) -> bool:
        """Step until nothing runs and nothing more can be run now.

        Jobs that wait for an operator or for a later try are left. `limit_s` is of the engine's clock.

        Returns: False when the limit came first.
        """
        deadline = self.clock.now() + timedelta(seconds=limit_s) if limit_s != float("inf") else None
        while True:
            self.renew_lease()
            began = self.step()
            if not began and not self.is_working:
                return True
            if deadline is not None and self.clock.now() >= deadline:
                return False
            self.wait_for_a_drive(1.0)


def _differs(told: tuple[datetime | None, str], said: tuple[datetime | None, str]) -> bool:
    """Whether an expectation is news: another phase, or a time that moved by more than a few seconds."""
    if told[1] != said[1] or (told[0] is None) != (said[0] is None):
        return True
    return told[0] is not None and said[0] is not None and abs(told[0] - said[0]) > ETA_NEWS


def _most_urgent(assignment: Assignment) -> JobKind:
    urgency = list(JobKind)
    return min((work.kind for work in assignment.works), key=urgency.index)
