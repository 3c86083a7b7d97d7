"""What robots are asked: each question is a job that the engine carries out beside the sessions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from drivers.base import Barcode, MediumKind
from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord, JobRequest
from hsm.facts import StudyUid, VolumeRecord
from hsm.media.refusal import MediaRefused, in_words
from hsm.states import DriveState, JobKind, Place

AT_WORK = frozenset({DriveState.LOADING, DriveState.READING, DriveState.WRITING, DriveState.UNLOADING})
NAMED_STUDIES = 3  # in a refusal


@dataclass(frozen=True)
class Leaving:
    """An export that was asked for."""

    job_id: int
    offline: tuple[StudyUid, ...]  # studies that can then only be had by bringing it back


def ask_inventory(catalog: Catalog, library: str, by: str, now: datetime) -> int:
    """Have a robot asked what is where; the number of the job."""
    request = JobRequest(
        kind=JobKind.INVENTORY,
        key=f"inventory:{library}",
        payload={"library": library},
        requested_by=by,
        reason=f"look at library {library}",
    )
    return catalog.jobs.submit(request, now)[0]


def ask_move(catalog: Catalog, barcode: Barcode, slot: int | None, by: str, now: datetime) -> int:
    """Have a volume brought to a slot; None: out of its drive, to a slot that is free. The number of the job.

    Raises: MediaRefused when no robot reaches it, NotCatalogued.
    """
    volume = catalog.volumes.get(barcode)
    if volume.place is not Place.LIBRARY:
        raise MediaRefused(f"{barcode} is {_where(volume)}: no robot reaches it")
    target = "a free slot" if slot is None else f"slot {slot}"
    request = JobRequest(
        kind=JobKind.MOVE,
        key=f"move:{barcode}:{'free' if slot is None else slot}",
        barcode=barcode,
        payload={"library": volume.library, "slot": slot},
        requested_by=by,
        reason=f"move {barcode} to {target}",
    )
    return catalog.jobs.submit(request, now)[0]


def ask_export(
    catalog: Catalog, barcode: Barcode, place: Place, location: str, force: bool, by: str, now: datetime
) -> Leaving:
    """Have a volume laid into a mail slot for a person to carry it to a shelf or vault; `location` names it in words.

    `force`: even if some study has its only verified copy on it.

    Raises: MediaRefused, NotCatalogued.
    """
    volume = catalog.volumes.get(barcode)
    offline = check_may_leave(catalog, volume, force)
    where = location.strip()
    if not where:
        raise MediaRefused(f"say where {barcode} is taken to, so that it is found again")
    request = JobRequest(
        kind=JobKind.EXPORT,
        key=f"export:{barcode}",
        barcode=barcode,
        payload={"library": volume.library, "place": place.value, "location": where, "force": force},
        requested_by=by,
        reason=f"export {barcode} to {where}",
    )
    return Leaving(catalog.jobs.submit(request, now)[0], offline)


def check_may_leave(catalog: Catalog, volume: VolumeRecord, force: bool) -> tuple[StudyUid, ...]:
    """The studies that will be offline once a volume has left.

    Raises: MediaRefused when it is in no library, is being used, or is the only one for some study.
    """
    barcode = volume.barcode
    if volume.place is not Place.LIBRARY or volume.library is None:
        raise MediaRefused(
            f"{barcode} is {_where(volume)}, in no library. If it was carried elsewhere, say where it lies now "
            f"(firn volumes set-location {barcode} --location ...)"
        )
    for drive in catalog.drives.list(volume.library):
        if drive.barcode == barcode and drive.state in AT_WORK:
            raise MediaRefused(
                f"{barcode} is being used: drive {drive.index} is {in_words(drive.state)}. Try again when the job has "
                "ended, or cancel it"
            )
    loss = catalog.volumes.loss(barcode)
    if loss.only_here and not force:
        names = ", ".join(loss.only_here[:NAMED_STUDIES]) + (" ..." if len(loss.only_here) > NAMED_STUDIES else "")
        studies = "1 study" if len(loss.only_here) == 1 else f"{len(loss.only_here)} studies"
        raise MediaRefused(
            f"{barcode} holds the only verified copy of {studies} ({names}). Make or verify another copy first, or "
            "insist (--force)"
        )
    return loss.offline


def ask_import(catalog: Catalog, library: str, wanted: Collection[str], scan: bool, by: str, now: datetime) -> int:
    """Have a robot bring what lies in its mail slots, or only these volumes, into slots; the number of the job.

    `scan`: look at what is new: blank, ours or foreign.
    """
    barcodes = list(dict.fromkeys(wanted))
    request = JobRequest(
        kind=JobKind.IMPORT,
        key=f"import:{library}:{','.join(barcodes)}",
        payload={"library": library, "barcodes": barcodes, "scan": scan},
        requested_by=by,
        reason=f"import {', '.join(barcodes) or 'what lies in the mail slots'}",
    )
    return catalog.jobs.submit(request, now)[0]


def ask_scan(catalog: Catalog, barcode: Barcode, by: str, now: datetime) -> int:
    """Have somebody look at a medium and say what it is; nothing is written. Raises: NotCatalogued."""
    catalog.volumes.get(barcode)
    return catalog.jobs.submit(scan_request(barcode, "to see what it is", by), now)[0]


def ask_clean(catalog: Catalog, library: str, drive: int, by: str, now: datetime) -> int:
    """Have a tape drive cleaned as soon as it is idle; the number of the job. Raises: MediaRefused, NotCatalogued."""
    entry = catalog.drives.get(library, drive)
    if entry.kind is not MediumKind.TAPE:
        raise MediaRefused(f"{library}/{drive} is a recorder; cleaning cartridges are for tape drives")
    return catalog.jobs.submit(cleaning_request(entry, "a person asked for it", by), now)[0]


def cleaning_request(drive: DriveRecord, reason: str, requested_by: str) -> JobRequest:
    """The job that cleans a drive."""
    return JobRequest(
        kind=JobKind.CLEAN,
        key=f"clean:{drive.library}:{drive.index}",
        payload={"library": drive.library, "drive": drive.index},
        requested_by=requested_by,
        reason=reason,
    )


def scan_request(barcode: Barcode, reason: str, requested_by: str) -> JobRequest:
    """The job that looks at a medium."""
    return JobRequest(
        kind=JobKind.SCAN, key=f"scan:{barcode}", barcode=barcode, requested_by=requested_by, reason=reason
    )


def _where(volume: VolumeRecord) -> str:
    at = {Place.LIBRARY: "in a library", Place.SHELF: "on a shelf", Place.VAULT: "in a vault"}
    place = at.get(volume.place, in_words(volume.place))
    return f"{place} ({volume.location})" if volume.location else place
