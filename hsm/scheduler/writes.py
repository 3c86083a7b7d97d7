"""Migrations and labelling: which volume of a pool is written next, and what goes onto it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from drivers.base import MediumKind
from hsm.facts import VolumePool
from hsm.scheduler.desk import BLANK_VOLUMES, Desk
from hsm.scheduler.reads import DriveTest, choose_drive
from hsm.scheduler.work import Assignment, IdleDrive, Purpose, QueuedWork, VolumeFacts
from hsm.states import JobKind, Place, VolumeState

_GB = 10**9


def writable(desk: Desk, pool: VolumePool) -> list[VolumeFacts]:
    """The volumes in reach that a pool may write to, in the order in which they are filled."""
    found = [v for v in desk.volumes.values() if _is_writable(desk, pool, v)]
    return sorted(found, key=lambda v: filling_order(desk, v))


def _is_writable(desk: Desk, pool: VolumePool, volume: VolumeFacts) -> bool:
    if volume.place is not Place.LIBRARY or not desk.within_reach(volume):
        return False
    return bool(desk.able(volume, Purpose.WRITE, JobKind.MIGRATE)) and may_be_written(pool, volume)


def may_be_written(pool: VolumePool, volume: VolumeFacts) -> bool:
    """Whether a pool may write to a volume, wherever it is."""
    if volume.pool != pool.name or volume.kind is not pool.kind:
        return False
    if volume.state in BLANK_VOLUMES:
        return pool.auto_label and any(fnmatchcase(volume.barcode, pattern) for pattern in pool.barcodes)
    once = volume.kind is MediumKind.DISC  # a disc is written in one session
    return volume.state is VolumeState.LABELLED or (volume.state is VolumeState.FILLING and not once)


def filling_order(desk: Desk, volume: VolumeFacts) -> tuple[int, bool, int, str]:
    """Filling ones before labelled ones before blank ones; then what is mounted; then the fullest."""
    stage = {VolumeState.FILLING: 0, VolumeState.LABELLED: 1}.get(volume.state, 2)
    return stage, desk.holder(volume.barcode) is None, volume.free_bytes, volume.barcode


def room_bytes(desk: Desk, volume: VolumeFacts) -> int:
    """What packs may take on a volume."""
    if volume.kind is MediumKind.DISC:
        return int(volume.free_bytes * desk.settings.disc_fill_pct / 100)
    return volume.free_bytes


def ceiling_bytes(desk: Desk, volume: VolumeFacts) -> int:
    """What packs may take on a volume while it is empty."""
    if volume.kind is MediumKind.DISC:
        return int(volume.capacity_bytes * desk.settings.disc_fill_pct / 100)
    return volume.capacity_bytes


def assign_write(desk: Desk, pool: VolumePool, allowed: DriveTest) -> Assignment | None:
    """The next session of a pool, or None when it has to wait (for a drive, a volume, or more packs for a disc)."""
    waiting = [work for work in desk.open.values() if work.kind is JobKind.MIGRATE and work.pool == pool.name]
    volumes = writable(desk, pool)
    oldest = min(waiting, key=desk.rank)
    patient = desk.now - oldest.created_at < timedelta(seconds=desk.settings.open_another_after_s)
    for volume in volumes:
        works = fitting(desk, pool, volume, waiting)
        if not works:
            continue
        if not desk.is_free(volume):
            if volume.kind is MediumKind.TAPE and patient:
                return None  # it is in use and soon back: no further volume is begun
            continue
        drive = choose_drive(desk, volume, Purpose.WRITE, works[0], allowed)
        if drive is None:
            return None
        return _session(desk, pool, volume, drive, works)
    return None


def fitting(desk: Desk, pool: VolumePool, volume: VolumeFacts, waiting: Sequence[QueuedWork]) -> list[QueuedWork]:
    """What goes onto a volume now, in the order in which it is written; empty when a disc is not worth burning yet."""
    room = room_bytes(desk, volume)
    waiting = [work for work in waiting if volume.barcode not in work.not_on]
    if volume.kind is MediumKind.DISC:
        possible = [work for work in waiting if work.size_bytes <= room]
        return disc_load(possible, room) if is_due(desk, pool, possible, room) else []
    chosen: list[QueuedWork] = []
    for work in sorted(waiting, key=desk.rank)[: desk.settings.most_works]:
        if work.size_bytes <= room:
            chosen.append(work)
            room -= work.size_bytes
    return chosen


def is_due(desk: Desk, pool: VolumePool, possible: Sequence[QueuedWork], room: int) -> bool:
    """Whether a disc is to be burnt: what waits fills it, or has waited long enough."""
    if not possible:
        return False
    return sum(work.size_bytes for work in possible) >= room or burn_at(pool, possible) <= desk.now


def burn_at(pool: VolumePool, works: Sequence[QueuedWork]) -> datetime:
    """When packs that do not fill a disc are burnt all the same."""
    return min(work.created_at for work in works) + timedelta(seconds=pool.burn_after_s)


def disc_load(possible: Sequence[QueuedWork], room: int) -> list[QueuedWork]:
    """What goes onto a disc: the oldest pack, then the largest that still fit; written oldest first."""
    oldest = min(possible, key=lambda work: (work.created_at, work.job_id))
    chosen, room = [oldest], room - oldest.size_bytes
    for work in sorted(possible, key=lambda w: (-w.size_bytes, w.created_at, w.job_id)):
        if work is not oldest and work.size_bytes <= room:
            chosen.append(work)
            room -= work.size_bytes
    return sorted(chosen, key=lambda work: (work.created_at, work.job_id))


def _session(
    desk: Desk, pool: VolumePool, volume: VolumeFacts, drive: IdleDrive, works: Sequence[QueuedWork]
) -> Assignment:
    size_bytes = sum(work.size_bytes for work in works)
    seconds = desk.approach_s(drive, volume) + desk.timing.locate_s(volume, None, volume.end_address)
    seconds += desk.timing.write_s(volume, size_bytes)
    packs = "1 pack" if len(works) == 1 else f"{len(works)} packs"
    reason = (
        f"{packs} of {size_bytes / _GB:.1f} GB for pool {pool.name} go onto {volume.barcode}, which is "
        f"{volume.state.value} and has {volume.free_bytes / _GB:.1f} GB free, in drive {drive.index}."
    )
    return Assignment(drive, volume.barcode, Purpose.WRITE, tuple(works), seconds, reason)


def assign_label(desk: Desk, work: QueuedWork, allowed: DriveTest) -> Assignment | None:
    """The assignment that labels a blank volume, or None when it has to wait."""
    for candidate in work.candidates:
        volume = desk.volumes.get(candidate.barcode)
        if volume is None or not desk.serves(work, candidate) or not desk.is_free(volume):
            continue
        drive = choose_drive(desk, volume, Purpose.WRITE, work, allowed)
        if drive is not None:
            seconds = desk.approach_s(drive, volume) + desk.timing.write_s(volume, 0)
            reason = f"{volume.barcode} is to be labelled, in drive {drive.index}."
            return Assignment(drive, volume.barcode, Purpose.WRITE, (work,), seconds, reason)
    return None
