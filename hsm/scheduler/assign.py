"""One round: what each idle drive does next, when everything will be done, and what nobody can do."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from hsm.facts import VolumePool
from hsm.scheduler.desk import Desk, Group, group_of, may_serve
from hsm.scheduler.eta import etas
from hsm.scheduler.reads import DriveTest, assign_read
from hsm.scheduler.stuck import find_stuck
from hsm.scheduler.timing import Timing
from hsm.scheduler.work import (
    Assignment,
    BusyDrive,
    IdleDrive,
    QueuedWork,
    Schedule,
    Settings,
    Stuck,
    VolumeFacts,
)
from hsm.scheduler.writes import assign_label, assign_write
from hsm.states import JobKind


def assign(
    works: Iterable[QueuedWork],
    drives: Sequence[IdleDrive],
    volumes: Iterable[VolumeFacts],
    pools: Mapping[str, VolumePool],
    timing: Timing,
    now: datetime,
    *,
    busy: Sequence[BusyDrive] = (),
    settings: Settings | None = None,
) -> Schedule:
    """Give idle drives something to do.

    No volume and no drive is given twice. Recalls come first; what has waited longer than its kind's head start goes
    before younger recalls, on one drive of a library at a time and only every second turn of that drive.

    Raises: ValueError for a release, which needs no drive.
    """
    queue = list(works)
    releases = [work.job_id for work in queue if work.kind is JobKind.RELEASE]
    if releases:
        raise ValueError(f"job {releases[0]} is a release and needs no drive: do it at once")
    desk = _desk(drives, volumes, pools, timing, now, busy, settings)
    stuck = find_stuck(desk, queue)
    hopeless = {s.job_id for s in stuck}
    desk.admit(work for work in queue if work.job_id not in hopeless)
    _round(desk, may_overtake=False)
    _round(desk, may_overtake=True)
    return Schedule(tuple(desk.assignments), etas(desk), tuple(stuck))


def hindrances(
    works: Iterable[QueuedWork],
    drives: Sequence[IdleDrive],
    volumes: Iterable[VolumeFacts],
    pools: Mapping[str, VolumePool],
    timing: Timing,
    now: datetime,
    *,
    busy: Sequence[BusyDrive] = (),
    settings: Settings | None = None,
) -> Sequence[Stuck]:
    """The works that `assign` would call stuck, and why; nothing is assigned."""
    return find_stuck(_desk(drives, volumes, pools, timing, now, busy, settings), list(works))


def _desk(
    drives: Sequence[IdleDrive],
    volumes: Iterable[VolumeFacts],
    pools: Mapping[str, VolumePool],
    timing: Timing,
    now: datetime,
    busy: Sequence[BusyDrive],
    settings: Settings | None,
) -> Desk:
    known = {volume.barcode: volume for volume in volumes}
    return Desk(known, pools, [*drives, *busy], timing, now, settings or Settings(), idle=list(drives))


def _round(desk: Desk, may_overtake: bool) -> None:
    """Try every open work once, most urgent first."""
    overtaken: set[Group] = set()
    pools_tried: set[str] = set()
    for work in list(desk.open.values()):
        if not desk.idle:
            return
        if work.job_id not in desk.open or (work.kind is JobKind.MIGRATE and work.pool in pools_tried):
            continue
        if work.pool is not None:
            pools_tried.add(work.pool)
        assignment = _try(desk, work, _test(desk, work, overtaken, may_overtake))
        if assignment is not None:
            group = group_of(assignment.drive)
            if not work.is_waited_for and desk.waiting_recalls(group):
                overtaken.add(group)
            desk.take(assignment)


def _test(desk: Desk, work: QueuedWork, overtaken: set[Group], may_overtake: bool) -> DriveTest:
    def allowed(drive: IdleDrive) -> bool:
        if work.is_waited_for:
            return True
        group = group_of(drive)
        if work.due_at is not None and desk.waiting_recalls(group):
            return False  # somebody waits; this has time
        if not may_serve(drive, work.kind) or not desk.other_work_is_allowed(group):
            return False
        if may_overtake or not desk.waiting_recalls(group):
            return True
        return group not in overtaken and drive.served_last in (None, JobKind.RECALL)

    return allowed


def _try(desk: Desk, work: QueuedWork, allowed: DriveTest) -> Assignment | None:
    if work.kind is JobKind.MIGRATE:
        return assign_write(desk, desk.pools[work.pool or ""], allowed)
    if work.kind is JobKind.LABEL:
        return assign_label(desk, work, allowed)
    return assign_read(desk, work, allowed)
