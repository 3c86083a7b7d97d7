"""Turns the catalog's jobs, drives and volumes into the facts the scheduler decides on."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from drivers.base import Barcode, MediumKind
from drivers.generations import MEDIA
from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from hsm.facts import CopyRecord, JobRecord, VolumePool, VolumeRecord
from hsm.scheduler import Candidate, QueuedWork, VolumeFacts
from hsm.states import CopyState, JobKind, VolumeState

GENERATION_OF_SUFFIX = {
    "L5": "LTO-5",
    "L6": "LTO-6",
    "L7": "LTO-7",
    "M8": "LTO-M8",
    "L8": "LTO-8",
    "L9": "LTO-9",
}

RECALLABLE = frozenset({CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT})


def works(catalog: Catalog, jobs: Iterable[JobRecord]) -> list[QueuedWork]:
    """What the queue asks of drives. Releases need none and are left out; so is what no longer has an object."""
    found = (_work(catalog, job) for job in jobs)
    return [work for work in found if work is not None]


def _work(catalog: Catalog, job: JobRecord) -> QueuedWork | None:
    if job.kind is JobKind.RECALL and job.pack_id is not None:
        copies = [c for c in catalog.copies.of_pack(job.pack_id) if c.state in RECALLABLE]
        return _reading(job, copies)
    if job.kind is JobKind.VERIFY and job.copy_id is not None:
        try:
            copy = catalog.copies.get(job.copy_id)
        except NotCatalogued:
            return None
        return _reading(job, [copy], copy.doubted_by or copy.written_by)
    if job.kind is JobKind.REPACK and job.pack_id is not None:
        copies = [c for c in catalog.copies.of_pack(job.pack_id) if c.state in RECALLABLE]
        return _reading(job, copies, last=job.barcode)
    if job.kind is JobKind.MIGRATE:
        holders = frozenset(c.barcode for c in catalog.copies.of_pack(job.pack_id or 0) if c.barcode is not None)
        return QueuedWork(job.id, job.kind, job.created_at, job.size_bytes, pool=job.pool, not_on=holders)
    if job.kind in (JobKind.LABEL, JobKind.SCAN) and job.barcode is not None:
        return QueuedWork(job.id, job.kind, job.created_at, 0, (Candidate(job.barcode, None),))
    return None


def _reading(
    job: JobRecord, copies: Iterable[CopyRecord], avoid_drive: str | None = None, last: str | None = None
) -> QueuedWork:
    """`last`: the volume that is read only when there is no other: it is being emptied."""
    candidates = tuple(
        Candidate(c.barcode, c.address, doubtful=c.state is CopyState.SUSPECT or c.barcode == last)
        for c in copies
        if c.barcode is not None
    )
    due_at = job.due_at if job.kind is JobKind.RECALL else None
    return QueuedWork(
        job.id, job.kind, job.created_at, job.size_bytes, candidates, avoid_drive=avoid_drive, due_at=due_at
    )


def volume_facts(
    volumes: Iterable[VolumeRecord],
    pools: Mapping[str, VolumePool],
    mounted: Mapping[Barcode, str],
    busy: frozenset[Barcode],
) -> list[VolumeFacts]:
    """Volumes as the scheduler sees them. A blank one belongs to the first pool that labels by itself and names it.

    `mounted`: barcode -> serial of the drive that holds it; `busy`: barcodes in use at this moment.
    """
    facts = []
    for volume in volumes:
        pool = volume.pool or pool_for_blank(volume, pools)
        reserve_bytes = pools[pool].reserve_bytes if pool is not None and pool in pools else 0
        capacity_bytes = volume.capacity_bytes or assumed_capacity_bytes(volume)
        facts.append(
            VolumeFacts(
                barcode=volume.barcode,
                kind=volume.kind,
                generation=volume.generation,
                library=volume.library,
                pool=pool,
                state=volume.state,
                place=volume.place,
                location=volume.location,
                capacity_bytes=capacity_bytes,
                free_bytes=max(0, capacity_bytes - reserve_bytes - volume.used_bytes),
                end_address=volume.end_address,
                mounted_in=mounted.get(volume.barcode),
                busy=volume.barcode in busy,
            )
        )
    return facts


def pool_for_blank(volume: VolumeRecord, pools: Mapping[str, VolumePool]) -> str | None:
    """The pool that takes a blank volume by itself: the first whose pattern names its barcode."""
    if volume.state not in (VolumeState.BLANK, VolumeState.SCRATCH):
        return None
    for pool in pools.values():
        named = any(fnmatchcase(volume.barcode, pattern) for pattern in pool.barcodes)
        if pool.auto_label and pool.kind is volume.kind and pool.library == volume.library and named:
            return pool.name
    return None


def assumed_capacity_bytes(volume: VolumeRecord) -> int:
    """What a blank volume is taken to hold until a drive has looked at it: native, by the suffix of its barcode."""
    if volume.kind is MediumKind.DISC:
        return MEDIA["DVD+R"].capacity_bytes
    medium = MEDIA.get(GENERATION_OF_SUFFIX.get(volume.barcode[-2:], ""))
    return medium.capacity_bytes if medium else MEDIA["LTO-5"].capacity_bytes
