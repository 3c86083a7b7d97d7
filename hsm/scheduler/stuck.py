"""Why nobody can do a work now, and whether a person could help."""

from collections.abc import Sequence

from drivers.base import Barcode
from hsm.scheduler.desk import BLANK_VOLUMES, Desk, purpose_of
from hsm.scheduler.work import Candidate, QueuedWork, Stuck, VolumeFacts
from hsm.scheduler.writes import ceiling_bytes, room_bytes, writable
from hsm.states import READABLE_VOLUMES, WRITABLE_VOLUMES, JobKind, Place

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def find_stuck(desk: Desk, works: Sequence[QueuedWork]) -> list[Stuck]:
    """The works that no drive and volume in reach could serve, even if all were free."""
    found = (_writing(desk, w) if w.kind is JobKind.MIGRATE else _reading(desk, w) for w in works)
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


_SHELF, _MISSING, _DEAD_DRIVE, _HOPELESS = range(4)  # what a person repairs most easily comes first


def _trouble(desk: Desk, work: QueuedWork, candidate: Candidate) -> tuple[int, str]:
    barcode, volume = candidate.barcode, desk.volumes.get(candidate.barcode)
    if volume is None:
        return _HOPELESS, f"needs {barcode}, which the catalog does not know"
    right_state = BLANK_VOLUMES if work.kind is JobKind.LABEL else READABLE_VOLUMES
    if volume.state not in right_state:
        return _HOPELESS, f"needs {barcode}, which is {volume.state.value.replace('_', ' ')}"
    if volume.place is Place.SHELF:
        where = f" ({volume.location})" if volume.location else ""
        library = f" of library {volume.library}" if volume.library else ""
        return _SHELF, f"needs {barcode}, which is on the shelf{where}: bring it and put it into a mail slot{library}"
    if volume.place is Place.MISSING:
        return _MISSING, f"needs {barcode}, which is missing: look for it and put it into a mail slot"
    if not desk.within_reach(volume):
        return _DEAD_DRIVE, f"needs {barcode}, which is in drive {volume.mounted_in}, out of service: take it out"
    return _HOPELESS, _no_drive(desk, volume, purpose_of(work).value)


def _no_drive(desk: Desk, volume: VolumeFacts, verb: str) -> str:
    if not any(drive.library == volume.library for drive in desk.drives):
        return f"needs {volume.barcode}, and no drive of library {volume.library} is in service"
    what = volume.generation or volume.kind.value
    return f"needs {volume.barcode}, and no drive of library {volume.library} in service can {verb} {what}"


def _writing(desk: Desk, work: QueuedWork) -> Stuck | None:
    pool = desk.pools.get(work.pool or "")
    if pool is None:
        return Stuck(work.job_id, False, None, f"there is no pool {work.pool!r}: look at the configuration")
    fitting = (v for v in writable(desk, pool) if v.barcode not in work.not_on)
    if any(work.size_bytes <= room_bytes(desk, volume) for volume in fitting):
        return None
    if not any(drive.library == pool.library and drive.kind is pool.kind for drive in desk.drives):
        reason = f"no drive of library {pool.library} for pool {pool.name} is in service"
        return Stuck(work.job_id, False, None, reason)
    largest = max((ceiling_bytes(desk, v) for v in desk.volumes.values() if v.pool == pool.name), default=0)
    if 0 < largest < work.size_bytes:
        room = f"at most {_size(largest)}"
        reason = f"{_size(work.size_bytes)} do not fit on any {pool.kind.value} of pool {pool.name} ({room})"
        return Stuck(work.job_id, False, None, reason)
    names = " or ".join(pool.barcodes)
    advice = f"put a blank one ({names}) into library {pool.library}" + ("" if pool.auto_label else " and label it")
    elsewhere = _elsewhere(desk, work)
    reason = f"pool {pool.name} has no writable volume with {_size(work.size_bytes)} free: {advice}{elsewhere}"
    return Stuck(work.job_id, False, None, reason)


def _elsewhere(desk: Desk, work: QueuedWork) -> str:
    """Volumes outside the library that would do."""
    shelf: list[Barcode] = [
        volume.barcode
        for volume in desk.volumes.values()
        if volume.pool == work.pool
        and volume.place is Place.SHELF
        and volume.state in WRITABLE_VOLUMES
        and room_bytes(desk, volume) >= work.size_bytes
    ]
    return f", or bring {min(shelf)} from the shelf" if shelf else ""


def _size(size_bytes: int) -> str:
    for factor, unit in _UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
