"""Recalls, verifications and repacks: which volume, which drive, who comes along, in which order."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from drivers.base import RECORD_BYTES, MediumKind
from hsm.scheduler.desk import Desk, may_serve
from hsm.scheduler.route import Stop, best_order
from hsm.scheduler.work import Assignment, Candidate, IdleDrive, Purpose, QueuedWork, VolumeFacts
from hsm.states import JobKind, VolumeState

Pair = tuple[QueuedWork, Candidate]
DriveTest = Callable[[IdleDrive], bool]


def assign_read(desk: Desk, work: QueuedWork, allowed: DriveTest) -> Assignment | None:
    """The assignment that serves a work now, with all who wait for the same volume; None when it has to wait."""
    for candidate in sorted(work.candidates, key=lambda c: _preference(desk, c)):
        volume = desk.volumes.get(candidate.barcode)
        if volume is None or not desk.serves(work, candidate) or not desk.is_free(volume):
            continue
        drive = choose_drive(desk, volume, Purpose.READ, work, allowed)
        if drive is not None:
            return _bundle(desk, work, candidate, volume, drive)
    return None


def _preference(desk: Desk, candidate: Candidate) -> tuple[bool, bool, int, str]:
    """Sound copies first, then mounted volumes, then those more people wait for."""
    volume = desk.volumes.get(candidate.barcode)
    doubtful = candidate.doubtful or volume is None or volume.state is VolumeState.SUSPECT
    mounted = desk.holder(candidate.barcode) is not None
    company = sum(work.job_id in desk.open for work, _ in desk.on_volume.get(candidate.barcode, ()))
    return doubtful, not mounted, -company, candidate.barcode


def choose_drive(
    desk: Desk, volume: VolumeFacts, purpose: Purpose, work: QueuedWork, allowed: DriveTest
) -> IdleDrive | None:
    """The best idle drive for a volume: the one that holds it, an empty one, one whose volume nobody wants."""
    able = [drive for drive in desk.idle if desk.can_have(drive, volume, purpose)]
    drives = [drive for drive in able if allowed(drive) and may_do(desk, volume, work, drive)]
    holder = desk.holder(volume.barcode)
    if holder is not None and holder.serial != work.avoid_drive and may_serve(holder, work.kind):
        return holder if holder in drives else None
    return min(drives, key=lambda d: _drive_preference(desk, volume, work, d), default=None)


def _drive_preference(
    desk: Desk, volume: VolumeFacts, work: QueuedWork, drive: IdleDrive
) -> tuple[bool, bool, bool, bool, bool, int]:
    avoided, elsewhere = drive.serial == work.avoid_drive, drive.loaded != volume.barcode
    loaded, everybodys = drive.loaded is not None, not drive.recalls_only
    return avoided, elsewhere, desk.is_wanted(drive.loaded), loaded, everybodys, drive.index


def may_do(desk: Desk, volume: VolumeFacts, work: QueuedWork, drive: IdleDrive) -> bool:
    """Whether a drive may do a work: not the one to avoid, unless it is the only one or waiting was in vain."""
    if drive.serial != work.avoid_drive:
        return True
    others = [other for other in desk.able(volume, Purpose.READ, work.kind) if other.serial != drive.serial]
    return not others or desk.now - work.created_at >= timedelta(seconds=desk.settings.avoid_wait_s)


def _bundle(desk: Desk, leader: QueuedWork, candidate: Candidate, volume: VolumeFacts, drive: IdleDrive) -> Assignment:
    here = [(w, c) for w, c in desk.on_volume[volume.barcode] if w.job_id in desk.open and w is not leader]
    here = [(w, c) for w, c in here if not c.doubtful or _last(desk, w, c)]
    recalls = [(w, c) for w, c in here if w.is_waited_for]
    others = [(w, c) for w, c in here if not w.is_waited_for and may_do(desk, volume, w, drive)]
    if desk.waiting_recalls((drive.library, drive.kind), besides=volume.barcode):
        others = []  # what is not urgent does not lengthen the wait of those at other volumes
    elif drive.recalls_only:
        others = [(w, c) for w, c in others if w.kind is JobKind.RECALL]
    leads = leader.is_waited_for
    first: list[Pair] = [(leader, candidate)] if leads else []
    second: list[Pair] = [] if leads else [(leader, candidate)]
    first += recalls[: desk.settings.most_works - 1]
    reading_s = 0.0 if leads else desk.timing.read_s(volume, leader.size_bytes)
    for w, c in others[: desk.settings.most_works - len(first) - len(second)]:
        reading_s += desk.timing.read_s(volume, w.size_bytes)
        if reading_s > desk.settings.batch_s:
            break
        second.append((w, c))
    works, seconds = in_order(desk, volume, drive, first, second)
    reason = _reason(desk, leader, volume, drive, first, second)
    return Assignment(drive, volume.barcode, Purpose.READ, works, seconds, reason)


def _last(desk: Desk, work: QueuedWork, candidate: Candidate) -> bool:
    """Whether a doubtful copy is all that a work can be served from."""
    return not any(not c.doubtful and desk.serves(work, c) for c in work.candidates if c is not candidate)


def in_order(
    desk: Desk, volume: VolumeFacts, drive: IdleDrive, first: Sequence[Pair], second: Sequence[Pair]
) -> tuple[tuple[QueuedWork, ...], float]:
    """Works in the order of the tape, those of the first part before those of the second; and the seconds they take."""
    seconds = desk.approach_s(drive, volume)
    works: list[QueuedWork] = []
    place: int | None = None
    for part in (first, second):
        for work, candidate in tape_order(desk, volume, place or 0, part):
            seconds += desk.timing.locate_s(volume, place, candidate.address)
            seconds += desk.timing.read_s(volume, work.size_bytes)
            place = end_of(work, candidate)
            works.append(work)
    return tuple(works), seconds


def tape_order(desk: Desk, volume: VolumeFacts, start: int, pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs in a good order on a tape. On a disc the order does not matter: most urgent first, as they come."""
    if volume.kind is MediumKind.DISC:
        return list(pairs)
    stops = [Stop(candidate.address or 0, end_of(work, candidate)) for work, candidate in pairs]
    order = best_order(start, stops, lambda a, b: desk.timing.locate_s(volume, a, b))
    return [pairs[i] for i in order]


def end_of(work: QueuedWork, candidate: Candidate) -> int:
    """About where the head stands after reading a work: behind its filemark."""
    return (candidate.address or 0) + -(-work.size_bytes // RECORD_BYTES) + 1


def _reason(
    desk: Desk, leader: QueuedWork, volume: VolumeFacts, drive: IdleDrive, first: Sequence[Pair], second: Sequence[Pair]
) -> str:
    count = len(first) + len(second)
    waited_s = max((desk.now - leader.created_at).total_seconds(), 0.0)
    what = f"{len(first)} of them recalls" if second and first else "all recalls" if first else "no recall among them"
    if drive.loaded == volume.barcode:
        how = f"it is mounted in drive {drive.index} already"
    elif drive.loaded is not None:
        how = f"drive {drive.index} gives back {drive.loaded}"
    else:
        how = f"drive {drive.index} is empty"
    works = f"{count} works ({what})" if count > 1 else f"a {leader.kind.value}"
    return f"{volume.barcode} serves {works}: the most urgent has waited {waited_s:.0f} seconds, and {how}."
