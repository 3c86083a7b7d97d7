"""Why nobody can do a work now, and whether a person could help."""

from collections import defaultdict
from collections.abc import Sequence

from drivers.base import MediumKind
from drivers.generations import MEDIA
from hsm.facts import VolumePool
from hsm.scheduler.desk import Desk, may_serve, purpose_of, right_states
from hsm.scheduler.work import Candidate, QueuedWork, Stuck, VolumeFacts
from hsm.scheduler.writes import ceiling_bytes, filling_order, is_due, may_be_written, room_bytes, writable
from hsm.states import OUTSIDE_PLACES, JobKind, Place

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def find_stuck(desk: Desk, works: Sequence[QueuedWork]) -> list[Stuck]:
    """The works that no drive and volume in reach could serve, even if all were free."""
    migrations: dict[str | None, list[QueuedWork]] = defaultdict(list)
    for work in works:
        if work.kind is JobKind.MIGRATE:
            migrations[work.pool].append(work)
    found = (_writing(desk, w, migrations[w.pool]) if w.kind is JobKind.MIGRATE else _reading(desk, w) for w in works)
    return [stuck for stuck in found if stuck is not None]


def _reading(desk: Desk, work: QueuedWork) -> Stuck | None:
    if any(desk.serves(work, candidate) for candidate in work.candidates):
        return None
    if not work.candidates:
        return Stuck(work.job_id, False, None, "no readable copy of it is known")
    troubles = [_trouble(desk, work, candidate) for candidate in work.candidates]
    order = sorted(range(len(troubles)), key=lambda i: (troubles[i][0], work.candidates[i].doubtful, i))
    best = order[0]
    helpful, reason = troubles[best][0] < _HOPELESS, troubles[best][1]
    return Stuck(work.job_id, helpful, work.candidates[best].barcode, reason)


_SHELF, _VAULT, _MISSING, _DEAD_DRIVE, _HOPELESS = range(5)  # what a person repairs most easily comes first


def _trouble(desk: Desk, work: QueuedWork, candidate: Candidate) -> tuple[int, str]:
    barcode, volume = candidate.barcode, desk.volumes.get(candidate.barcode)
    if volume is None:
        return _HOPELESS, f"needs {barcode}, which the catalog does not know"
    if volume.state not in right_states(work):
        return _HOPELESS, f"needs {barcode}, which is {volume.state.value.replace('_', ' ')}"
    if volume.place in OUTSIDE_PLACES:
        ease = _SHELF if volume.place is Place.SHELF else _VAULT
        return ease, f"needs {barcode}, which is {_outside(volume)}: bring it and {_put_in(desk, volume.library)}"
    if volume.place is Place.MISSING:
        return _MISSING, f"needs {barcode}, which is missing: look for it and {_put_in(desk, None)}"
    if not desk.within_reach(volume):
        return _DEAD_DRIVE, f"needs {barcode}, which is in drive {volume.mounted_in}, out of service: take it out"
    return _HOPELESS, _no_drive(desk, volume, work)


def _outside(volume: VolumeFacts) -> str:
    """Where a volume outside its library is, in words."""
    where = "on the shelf" if volume.place is Place.SHELF else "in the vault"
    return f"{where} ({volume.location})" if volume.location else where


def _put_in(desk: Desk, library: str | None) -> str:
    """What a person does with a volume that was fetched."""
    into = "a drive" if library in desk.settings.by_hand else "a mail slot"
    return f"put it into {into}" + (f" of library {library}" if library else "")


def _no_drive(desk: Desk, volume: VolumeFacts, work: QueuedWork) -> str:
    if desk.able(volume, purpose_of(work), JobKind.RECALL):
        return f"needs {volume.barcode}, and the drives of library {volume.library} for it are kept for recalls"
    if not any(drive.library == volume.library for drive in desk.drives):
        return f"needs {volume.barcode}, and no drive of library {volume.library} is in service"
    what = volume.generation or volume.kind.value
    verb = purpose_of(work).value
    return f"needs {volume.barcode}, and no drive of library {volume.library} in service can {verb} {what}"


def _writing(desk: Desk, work: QueuedWork, waiting: Sequence[QueuedWork]) -> Stuck | None:
    """`waiting`: all migrations to the same pool."""
    pool = desk.pools.get(work.pool or "")
    if pool is None:
        return Stuck(work.job_id, False, None, f"there is no pool {work.pool!r}: look at the configuration")
    fitting = (v for v in writable(desk, pool) if v.barcode not in work.not_on)
    if any(work.size_bytes <= room_bytes(desk, volume) for volume in fitting):
        return None
    there = [drive for drive in desk.drives if drive.library == pool.library and drive.kind is pool.kind]
    if not any(may_serve(drive, work.kind) for drive in there):
        fate = "does anything but recalls" if there else "is in service"
        reason = f"no drive of library {pool.library} for pool {pool.name} {fate}"
        return Stuck(work.job_id, False, None, reason)
    largest = max((ceiling_bytes(desk, v) for v in desk.volumes.values() if v.pool == pool.name), default=0)
    if 0 < largest < work.size_bytes:
        room = f"at most {_size(largest)}"
        reason = f"{_size(work.size_bytes)} do not fit on any {pool.kind.value} of pool {pool.name} ({room})"
        return Stuck(work.job_id, False, None, reason)
    wanted = _to_bring(desk, pool, work)
    advice = _supply(desk, pool) if wanted is None else _fetch(desk, pool, wanted)
    reason = f"pool {pool.name} has no writable volume with {_size(work.size_bytes)} free: {advice}"
    return Stuck(work.job_id, _is_time(desk, pool, wanted, waiting), None if wanted is None else wanted.barcode, reason)


def _to_bring(desk: Desk, pool: VolumePool, work: QueuedWork) -> VolumeFacts | None:
    """The volume outside the library that would be written next if it were in it."""
    suitable = [
        volume
        for volume in desk.volumes.values()
        if volume.place in OUTSIDE_PLACES
        and may_be_written(pool, volume)
        and volume.barcode not in work.not_on
        and room_bytes(desk, volume) >= work.size_bytes
    ]
    return min(suitable, key=lambda volume: (volume.place, filling_order(desk, volume)), default=None)


def _fetch(desk: Desk, pool: VolumePool, volume: VolumeFacts) -> str:
    what = f"{volume.barcode} ({volume.state.value}), which is {_outside(volume)}"
    return f"bring {what}, and {_put_in(desk, pool.library)}"


def _supply(desk: Desk, pool: VolumePool) -> str:
    """What to do when there is no further volume for a pool."""
    names = " or ".join(pool.barcodes)
    if pool.library in desk.settings.by_hand:
        add = f"`firn volumes add BARCODE --pool {pool.name}`"
        return f"name a new blank one ({names}) with {add}, and {_put_in(desk, pool.library)}"
    return f"put a blank one ({names}) into library {pool.library}" + ("" if pool.auto_label else " and label it")


def _is_time(desk: Desk, pool: VolumePool, wanted: VolumeFacts | None, waiting: Sequence[QueuedWork]) -> bool:
    """Whether a person is to be asked now. Nobody fetches a disc before there is enough to burn."""
    if pool.kind is not MediumKind.DISC:
        return True
    room = int(MEDIA["DVD+R"].capacity_bytes * desk.settings.disc_fill_pct / 100)
    if wanted is not None:
        room = room_bytes(desk, wanted)
    return is_due(desk, pool, [work for work in waiting if work.size_bytes <= room] or waiting, room)


def _size(size_bytes: int) -> str:
    for factor, unit in _UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
