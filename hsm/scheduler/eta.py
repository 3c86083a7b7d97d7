"""When everything will be done: the assignments as they were made, then the rest of the queue, mount by mount.

The rest is played through once, a mount at a time, on whichever drive comes free first. That is simpler than what
assign will decide then (nothing is reserved, no drive is avoided), so it is an estimate and not a promise.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from drivers.base import Barcode, MediumKind
from hsm.scheduler.desk import Desk, Drive, may_serve, purpose_of
from hsm.scheduler.reads import Pair, end_of, tape_order
from hsm.scheduler.work import Assignment, BusyDrive, Candidate, Eta, Purpose, QueuedWork, VolumeFacts
from hsm.scheduler.writes import burn_at, disc_load, is_due, room_bytes, writable
from hsm.states import JobKind, VolumeState

_ORDERED_WORKS = 8  # a longer queue is estimated, not ordered
_GOOD_ORDER_SHARE = 0.4  # of the way in ascending order that a good order takes; measured with the LTO-8 model
_MINUTE_S = 60


@dataclass(frozen=True)
class _Mount:
    """Works that will share one mount."""

    rank: tuple[datetime, int]
    volume: VolumeFacts
    named: bool  # False: not this volume but one like it, which nobody has supplied yet
    purpose: Purpose
    pairs: tuple[Pair, ...]
    not_before: datetime
    phase: str = ""


@dataclass
class _Clock:
    """What a drive does over time."""

    drive: Drive
    free_at: datetime
    loaded: Barcode | None


@dataclass(frozen=True)
class _Guess:
    job_id: int
    ready_at: datetime
    order: int
    barcode: Barcode | None
    phase: str


def etas(desk: Desk) -> dict[int, Eta]:
    """An estimate for every work that is assigned or open on the desk."""
    clocks = [_clock(desk, drive) for drive in desk.drives]
    guesses: list[_Guess] = []
    for assignment in desk.assignments:
        _play_assigned(desk, assignment, clocks, guesses)
    for mount in sorted(_mounts(desk), key=lambda m: m.rank):
        _play(desk, mount, clocks, guesses)
    guesses.sort(key=lambda guess: (guess.ready_at, guess.order))
    return {g.job_id: Eta(g.ready_at, place, g.barcode, g.phase) for place, g in enumerate(guesses, 1)}


def _clock(desk: Desk, drive: Drive) -> _Clock:
    if isinstance(drive, BusyDrive):
        return _Clock(drive, max(drive.free_at, desk.now), drive.barcode)
    return _Clock(drive, desk.now, drive.loaded)


def _play_assigned(desk: Desk, assignment: Assignment, clocks: Sequence[_Clock], guesses: list[_Guess]) -> None:
    volume = desk.volumes[assignment.barcode]
    clock = next(clock for clock in clocks if clock.drive == assignment.drive)
    pairs = [(work, _candidate(work, volume)) for work in assignment.works]
    seconds = desk.approach_s(assignment.drive, volume)
    phase = f"begins now in drive {assignment.drive.index} with {volume.barcode}"
    mount = _Mount(desk.rank(pairs[0][0]), volume, True, assignment.purpose, tuple(pairs), desk.now, phase)
    _note(desk, mount, desk.now, seconds, guesses)
    clock.free_at = desk.now + timedelta(seconds=assignment.duration_s)
    clock.loaded = assignment.barcode


def _candidate(work: QueuedWork, volume: VolumeFacts) -> Candidate:
    found = (candidate for candidate in work.candidates if candidate.barcode == volume.barcode)
    return next(found, Candidate(volume.barcode, volume.end_address))


def _note(desk: Desk, mount: _Mount, start: datetime, approach_s: float, guesses: list[_Guess]) -> datetime:
    """Write down when each work of a mount is ready; when the last one is."""
    volume = mount.volume
    if mount.purpose is Purpose.WRITE:  # nothing is safe before the flush that ends the session
        size_bytes = sum(work.size_bytes for work, _ in mount.pairs)
        writing_s = desk.timing.locate_s(volume, None, volume.end_address) + desk.timing.write_s(volume, size_bytes)
        ready = [approach_s + writing_s] * len(mount.pairs)
    else:
        ready = list(_reading(desk, volume, mount.pairs, approach_s))
    barcode = volume.barcode if mount.named else None
    for (work, _), done_s in zip(mount.pairs, ready, strict=True):
        guesses.append(_Guess(work.job_id, start + timedelta(seconds=done_s), len(guesses), barcode, mount.phase))
    return start + timedelta(seconds=max(ready))


def _reading(desk: Desk, volume: VolumeFacts, pairs: Sequence[Pair], approach_s: float) -> Iterator[float]:
    seconds, place = approach_s, None
    share = _GOOD_ORDER_SHARE if len(pairs) > _ORDERED_WORKS and volume.kind is MediumKind.TAPE else 1.0
    for work, candidate in pairs:
        seconds += share * desk.timing.locate_s(volume, place, candidate.address)
        seconds += desk.timing.read_s(volume, work.size_bytes)
        place = end_of(work, candidate)
        yield seconds


def _mounts(desk: Desk) -> Iterator[_Mount]:
    works = list(desk.open.values())
    yield from _reading_mounts(desk, [work for work in works if work.kind is not JobKind.MIGRATE])
    for name in sorted({work.pool for work in works if work.kind is JobKind.MIGRATE and work.pool}):
        yield from _writing_mounts(desk, name, [w for w in works if w.kind is JobKind.MIGRATE and w.pool == name])


def _reading_mounts(desk: Desk, works: Iterable[QueuedWork]) -> Iterator[_Mount]:
    shared: dict[tuple[Barcode, Purpose, bool], list[Pair]] = defaultdict(list)
    for work in works:
        servers = [candidate for candidate in work.candidates if desk.serves(work, candidate)]
        best = min(servers, key=lambda c: _company(desk, c))
        shared[(best.barcode, purpose_of(work), work.kind is JobKind.RECALL)].append((work, best))
    for (barcode, purpose, _), pairs in shared.items():
        volume = desk.volumes[barcode]
        for begin in range(0, len(pairs), desk.settings.most_works):
            part = pairs[begin : begin + desk.settings.most_works]
            rank = min(desk.rank(work) for work, _ in part)
            ordered = _estimated_order(desk, volume, part)
            yield _Mount(rank, volume, True, purpose, tuple(ordered), desk.now)


def _company(desk: Desk, candidate: Candidate) -> tuple[bool, bool, int, str]:
    volume = desk.volumes[candidate.barcode]
    doubtful = candidate.doubtful or volume.state is VolumeState.SUSPECT
    return doubtful, volume.mounted_in is None, -len(desk.on_volume[candidate.barcode]), candidate.barcode


def _estimated_order(desk: Desk, volume: VolumeFacts, pairs: Sequence[Pair]) -> list[Pair]:
    if len(pairs) <= _ORDERED_WORKS:
        return tape_order(desk, volume, 0, pairs)
    return sorted(pairs, key=lambda pair: pair[1].address or 0)


def _writing_mounts(desk: Desk, name: str, works: list[QueuedWork]) -> Iterator[_Mount]:
    pool = desk.pools[name]
    waiting = sorted(works, key=desk.rank)
    volumes = writable(desk, pool)
    for volume in volumes:
        room = room_bytes(desk, volume) - _being_written(desk, volume)
        possible = [w for w in waiting if w.size_bytes <= room and volume.barcode not in w.not_on]
        if not possible:
            continue
        not_before, phase = desk.now, ""
        if pool.kind is MediumKind.DISC:
            if not is_due(desk, pool, possible, room):
                not_before = burn_at(pool, possible)
                phase = f"collected for a disc, burnt when it is full or in {_span(not_before - desk.now)}"
            load = disc_load(possible, room)
        else:
            load = _that_fit(possible, room)
        yield _writing_mount(desk, volume, True, load, not_before, phase)
        loaded = {work.job_id for work in load}
        waiting = [work for work in waiting if work.job_id not in loaded]
    if waiting:
        yield _writing_mount(desk, volumes[0], False, waiting, desk.now, f"waits for a further volume of pool {name}")


def _being_written(desk: Desk, volume: VolumeFacts) -> int:
    """What the present assignments write to a volume; everything, for a disc that is about to be burnt."""
    sessions = [a for a in desk.assignments if a.barcode == volume.barcode and a.purpose is Purpose.WRITE]
    if sessions and volume.kind is MediumKind.DISC:
        return volume.capacity_bytes
    return sum(work.size_bytes for session in sessions for work in session.works)


def _that_fit(works: Iterable[QueuedWork], room: int) -> list[QueuedWork]:
    load = []
    for work in works:
        if work.size_bytes <= room:
            load.append(work)
            room -= work.size_bytes
    return load


def _writing_mount(
    desk: Desk, volume: VolumeFacts, named: bool, works: Sequence[QueuedWork], not_before: datetime, phase: str
) -> _Mount:
    pairs = tuple((work, Candidate(volume.barcode, None)) for work in works)
    rank = min(desk.rank(work) for work in works)
    return _Mount(rank, volume, named, Purpose.WRITE, pairs, not_before, phase)


def _play(desk: Desk, mount: _Mount, clocks: Sequence[_Clock], guesses: list[_Guess]) -> None:
    volume = mount.volume
    kinds = {work.kind for work, _ in mount.pairs}
    kind = JobKind.RECALL if JobKind.RECALL in kinds else next(iter(kinds))  # others ride along
    able = [c for c in clocks if may_serve(c.drive, kind) and desk.can_have(c.drive, volume, mount.purpose)]
    holding = [clock for clock in able if mount.named and clock.loaded == volume.barcode]
    clock = min(holding or able, key=lambda c: (c.free_at, c.loaded is not None, c.drive.index))
    start = max(clock.free_at, mount.not_before)
    seconds = 0.0
    if not holding:
        seconds = desk.timing.mount_s(volume)
        leaving = desk.volumes.get(clock.loaded) if clock.loaded is not None else None
        if leaving is not None:
            seconds += desk.timing.unmount_s(leaving, None)
    if not mount.phase:
        words = (
            f"waits for drive {clock.drive.index} of library {clock.drive.library}, which then takes {volume.barcode}"
        )
        mount = replace(mount, phase=words)
    clock.free_at = _note(desk, mount, start, seconds, guesses)
    clock.loaded = volume.barcode if mount.named else None


def _span(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    return f"{seconds} s" if seconds < 2 * _MINUTE_S else f"{seconds // _MINUTE_S} min"
