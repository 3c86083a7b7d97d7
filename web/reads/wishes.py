"""Carts and recall requests, as their pages tell them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from hsm.catalog import Catalog
from hsm.catalog.availability import NOT_ONLINE
from hsm.catalog.records import RequestRecord, StudySummary, StudyVolume
from hsm.catalog.rows import chunks
from hsm.facts import JobRecord
from hsm.models import Instance, Pack, Study
from hsm.states import ACTIVE_JOBS, Availability, Place
from web.reads.work import places

NEWS_FOR = timedelta(days=7)  # what ended longer ago is no news any more


@dataclass(frozen=True)
class CartLine:
    """One study of a cart."""

    summary: StudySummary
    volumes: tuple[StudyVolume, ...]  # that it is read from; none when it is on disk
    to_bring_bytes: int


@dataclass(frozen=True)
class CartPicture:
    """What bringing all of a cart back takes."""

    studies: int
    size_bytes: int
    to_bring: int  # studies that are not on disk and can come
    to_bring_bytes: int
    unreadable: int  # studies of which a part cannot come
    mounts: tuple[StudyVolume, ...]  # volumes that a library loads by itself
    to_fetch: tuple[StudyVolume, ...]  # volumes that a person must bring first


@dataclass(frozen=True)
class Way:
    """How far one job of a request is."""

    job: JobRecord
    place: int | None  # among the waiting recalls, from 1; None once it is running or waits for something else


@dataclass(frozen=True)
class Progress:
    """One request with what is being done about it."""

    request: RequestRecord
    ways: tuple[Way, ...]  # only of jobs that are not over
    others: tuple[str, ...]  # who else waits for the same work
    eta_at: datetime | None  # None when one of its jobs has no estimate
    place: int | None  # of the last of its waiting jobs


def cart(catalog: Catalog, account: int) -> tuple[CartLine, ...]:
    """The studies of a cart, in the order in which they were put there."""
    uids = catalog.carts.list(account)
    if not uids:
        return ()
    found = {summary.study.study_instance_uid: summary for summary in catalog.studies.summary(uids)}
    away = [uid for uid in uids if uid in found and found[uid].availability is not Availability.ONLINE]
    volumes, sizes = catalog.studies.volumes_of(away), not_online_bytes(catalog, away)
    return tuple(CartLine(found[uid], volumes.get(uid, ()), sizes.get(uid, 0)) for uid in uids if uid in found)


def not_online_bytes(catalog: Catalog, uids: Collection[str]) -> dict[str, int]:
    """How much of each study is not on disk; studies that are there wholly are left out."""
    statement = (
        select(Study.study_instance_uid, func.sum(Instance.size_bytes))
        .join(Pack, Pack.study_fk == Study.id)
        .join(Instance, Instance.pack_fk == Pack.id)
        .where(NOT_ONLINE)
        .group_by(Study.study_instance_uid)
    )

    def look(connection: Connection) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in chunks(uids):
            rows = connection.execute(statement.where(Study.study_instance_uid.in_(part)))
            found |= {uid: int(size_bytes) for uid, size_bytes in rows}
        return found

    return catalog.database.read(look)


def picture(lines: Sequence[CartLine]) -> CartPicture:
    """What all of it takes together; one volume is mounted once, whoever is on it. Pure."""
    coming = [line for line in lines if line.summary.availability in (Availability.NEARLINE, Availability.OFFLINE)]
    volumes = {volume.barcode: volume for line in coming for volume in line.volumes}
    return CartPicture(
        studies=len(lines),
        size_bytes=sum(line.summary.study.size_bytes for line in lines),
        to_bring=len(coming),
        to_bring_bytes=sum(line.to_bring_bytes for line in coming),
        unreadable=sum(line.summary.availability is Availability.UNAVAILABLE for line in lines),
        mounts=tuple(volume for volume in volumes.values() if volume.place is Place.LIBRARY),
        to_fetch=tuple(volume for volume in volumes.values() if volume.place is not Place.LIBRARY),
    )


def progress(catalog: Catalog, requests: Sequence[RequestRecord], now: datetime) -> tuple[Progress, ...]:
    """How far each request is; jobs and queue are read once for all of them."""
    jobs = catalog.requests.jobs_of([request.id for request in requests])
    active = {job.id for found in jobs.values() for job in found if job.state in ACTIVE_JOBS}
    queue = places(catalog.jobs.queue(now)) if active else {}
    names = catalog.shelf.requesters(active)
    return tuple(_progress(request, jobs.get(request.id, ()), queue, names) for request in requests)


def _progress(
    request: RequestRecord,
    jobs: Iterable[JobRecord],
    queue: Mapping[int, int],
    names: Mapping[int, tuple[str, ...]],
) -> Progress:
    ways = tuple(Way(job, queue.get(job.id)) for job in jobs if job.state in ACTIVE_JOBS)
    etas = [way.job.eta_at for way in ways]
    known = [eta for eta in etas if eta is not None]
    others = dict.fromkeys(name for way in ways for name in names.get(way.job.id, ()))
    others.pop(request.requested_by, None)
    return Progress(
        request=request,
        ways=ways,
        others=tuple(others),
        eta_at=max(known) if known and len(known) == len(etas) else None,
        place=max((way.place for way in ways if way.place is not None), default=None),
    )
