"""Recalls: who wants what back from the volumes. Equal wishes share jobs."""

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, case, exists, func, select, update

from hsm.catalog.availability import READABLE
from hsm.catalog.database import Database, RunAgain
from hsm.catalog.errors import NotRecallable
from hsm.catalog.events import add
from hsm.catalog.job_rows import job_record, select_jobs, submit_in
from hsm.catalog.records import JobRequest, RecallStatus
from hsm.catalog.rows import chunks, in_chunks, insert_row, one, study_id, table_of
from hsm.catalog.text import clean
from hsm.catalog.wanted import Wanted, wanted_of
from hsm.facts import PoolFile, StudyUid
from hsm.models import Copy, Instance, Job, Pack, RecallJob, RecallRequest, Study, Volume
from hsm.states import ACTIVE_JOBS, ONLINE_TABLE, JobKind, JobState, OnlineState, RequestState, step


def recall_key(pack_id: int, sops: Collection[str] | None) -> str:
    """The key of the job that brings members of a pack back; None: all that are not online."""
    if sops is None:
        return f"recall:{pack_id}:all"
    return f"recall:{pack_id}:{sha256(' '.join(sorted(sops)).encode()).hexdigest()}"


class Recalls:
    """Recalls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(
        self,
        study_uid: str,
        series_uids: Collection[str] = (),
        sop_uids: Collection[str] = (),
        *,
        requested_by: str,
        now: datetime,
    ) -> int:
        """Want a study, some series or some instances online; the request's id. Nothing to do is fine, too.

        What is just being released counts as wanted: it is read back once it is gone. No release of the study is proved
        while a job of this request is active.

        Raises: NotCatalogued; NotRecallable when a wanted pack has no readable copy at all (nothing is requested then).
        """

        def work(connection: Connection) -> int:
            return request_in(connection, study_uid, series_uids, sop_uids, requested_by, now)

        return self._database.write(work)

    def state(self, request_id: int) -> RecallStatus:
        """How far a request is. Raises: NotCatalogued."""
        return self._database.read(lambda connection: _states(connection, [request_id])[0])

    def recalled(self, files: Mapping[int, PoolFile], keep_until: datetime, now: datetime) -> list[PoolFile]:
        """The bytes of these instances (by id) are durable in the online pool again.

        Their studies are pinned until `keep_until`. Returns the files nobody needs because their instance is online
        already, is about to be released, or was replaced: the caller discards them.
        """
        return self._database.write(lambda connection: _recalled(connection, files, keep_until, now))

    def list(self, limit: int = 100) -> list[RecallStatus]:
        """The newest requests."""
        statement = select(RecallRequest.id).order_by(RecallRequest.id.desc()).limit(limit)
        return self._database.read(
            lambda connection: _states(connection, list(connection.execute(statement).scalars()))
        )


def request_in(
    connection: Connection,
    study_uid: str,
    series_uids: Collection[str],
    sop_uids: Collection[str],
    requested_by: str,
    now: datetime,
    reason: str = "",
    due_at: datetime | None = None,
) -> int:
    """As Recalls.request, in the caller's transaction.

    With `due_at` nobody waits yet: the jobs stay behind those of others, and hurry when the time nears. Whoever joins
    them without one takes that away.
    """
    study = study_id(connection, study_uid, lock=True)
    wanted = wanted_of(connection, study, series_uids, sop_uids)
    _check_readable(connection, study_uid, [item.pack_id for item in wanted])
    there = None if wanted else now  # what is on disk already is no news
    request = insert_row(
        connection,
        RecallRequest,
        {
            "study_fk": study,
            "requested_by": clean(requested_by),
            "created_at": now,
            "series_uids": sorted(series_uids),
            "instance_uids": sorted(sop_uids),
            "state": (RequestState.WAITING if wanted else RequestState.READY).value,
            "ended_at": there,
            "seen_at": there,
        },
    )
    reason = reason or f"wanted by {requested_by}"
    jobs = _jobs(connection, StudyUid(study_uid), wanted, requested_by, now, reason, due_at)
    if jobs:
        _keep(connection, jobs, due_at)
        rows = [{"request_fk": request, "job_fk": job} for job in jobs]
        connection.execute(table_of(RecallJob).insert(), rows)
        fields = {"request": request, "requested_by": requested_by, "jobs": jobs}
        add(connection, "info", "recall_requested", study_uid, fields, now)
    return request


def _keep(connection: Connection, jobs: Collection[int], due_at: datetime | None) -> None:
    """See to it that jobs which were just joined are neither over nor about to be cancelled, and not due too late."""
    locked = select(Job.id, Job.state).where(Job.id.in_(jobs)).order_by(Job.id).with_for_update(of=Job)
    if any(state not in ACTIVE_JOBS for _, state in connection.execute(locked)):
        raise RunAgain("a job ended that a recall was about to join")
    connection.execute(update(Job).where(Job.id.in_(jobs), Job.cancel_requested).values(cancel_requested=False))
    later = Job.due_at.is_not(None) if due_at is None else Job.due_at > due_at
    connection.execute(update(Job).where(Job.id.in_(jobs), later).values(due_at=due_at))


def _check_readable(connection: Connection, study_uid: str, pack_ids: Collection[int]) -> None:
    statement = select(Copy.pack_fk).join(Volume, Volume.id == Copy.volume_fk).where(READABLE)
    readable = {row[0] for row in in_chunks(connection, statement, Copy.pack_fk, pack_ids)}
    unreadable = sorted(set(pack_ids) - readable)
    if unreadable:
        names = connection.execute(select(Pack.digest).where(Pack.id.in_(unreadable)).order_by(Pack.id)).scalars()
        raise NotRecallable(study_uid, list(names))


def _jobs(
    connection: Connection,
    study_uid: StudyUid,
    wanted: Collection[Wanted],
    requested_by: str,
    now: datetime,
    reason: str,
    due_at: datetime | None,
) -> list[int]:
    jobs = []
    for item in wanted:
        whole = connection.execute(select(Job.id).where(Job.active_key == recall_key(item.pack_id, None))).scalar()
        if whole is not None:  # a job that brings all of the pack brings this, too
            jobs.append(int(whole))
            continue
        request = JobRequest(
            kind=JobKind.RECALL,
            key=recall_key(item.pack_id, None if item.whole else item.sops),
            study_instance_uid=study_uid,
            pack_id=item.pack_id,
            payload={"sops": "all" if item.whole else list(item.sops)},
            reason=reason,
            due_at=due_at,
            size_bytes=item.size_bytes,
            requested_by=requested_by,
        )
        jobs.append(submit_in(connection, [request], now)[0][0])
    return jobs


def _states(connection: Connection, request_ids: Collection[int]) -> list[RecallStatus]:
    return [state_in(connection, request_id) for request_id in request_ids]


def state_in(connection: Connection, request_id: int) -> RecallStatus:
    """What became of a request, in the caller's transaction. Raises: NotCatalogued."""
    request = one(
        connection,
        select(
            RecallRequest.study_fk,
            Study.study_instance_uid,
            RecallRequest.requested_by,
            RecallRequest.created_at,
            RecallRequest.series_uids,
            RecallRequest.instance_uids,
            RecallRequest.state,
            RecallRequest.ended_at,
        )
        .join(Study, Study.id == RecallRequest.study_fk)
        .where(RecallRequest.id == request_id),
        f"recall request {request_id}",
    )
    linked = exists().where(RecallJob.job_fk == Job.id, RecallJob.request_fk == request_id)
    jobs = tuple(job_record(row) for row in connection.execute(select_jobs().where(linked).order_by(Job.id)))
    wanted = wanted_of(connection, request.study_fk, request.series_uids, request.instance_uids)
    missing = sum(len(item.sops) for item in wanted)
    active = [job for job in jobs if job.state in ACTIVE_JOBS]
    etas = [job.eta_at for job in active]
    cancelled = request.state == RequestState.CANCELLED
    messages = [job.message for job in jobs if job.message and job.state != JobState.DONE]
    if missing and not active and not messages:
        messages = [f"{missing} instances are not online, and nothing works on it any more: ask again"]
    if missing and cancelled:
        messages = ["taken back by who asked for it"]
    return RecallStatus(
        request_id=request_id,
        study_instance_uid=StudyUid(request.study_instance_uid),
        requested_by=request.requested_by,
        created_at=request.created_at,
        missing=missing,
        jobs=jobs,
        done=missing == 0,
        failed=missing > 0 and (cancelled or not active),
        eta_at=max((eta for eta in etas if eta is not None), default=None) if None not in etas else None,
        barcodes=tuple(sorted({job.barcode for job in active if job.barcode is not None})),
        message=messages[-1] if messages else "",
        state=RequestState(request.state),
        ended_at=request.ended_at,
    )


def _recalled(
    connection: Connection, files: Mapping[int, PoolFile], keep_until: datetime, now: datetime
) -> list[PoolFile]:
    studies = {
        row[0]: row[1]
        for part in chunks(files)
        for row in connection.execute(
            select(Study.id, Study.study_instance_uid)
            .where(Study.id.in_(select(Instance.study_fk).where(Instance.id.in_(part))))
            .order_by(Study.id)
            .with_for_update(key_share=True)
        )
    }
    states = {
        row[0]: (row[1], row[2])
        for part in chunks(files)
        for row in connection.execute(
            select(Instance.id, Instance.online_state, Instance.study_fk).where(Instance.id.in_(part))
        )
    }
    online = step(ONLINE_TABLE, OnlineState.RELEASED, "recall")
    unneeded: list[PoolFile] = []
    rows: list[dict[str, Any]] = []
    taken: dict[int, int] = {}
    for instance_id, file in files.items():
        state, study = states.get(instance_id, (None, 0))
        if state != OnlineState.RELEASED:
            unneeded.append(file)
            continue
        rows.append({"instance": instance_id, "directory": str(file.directory), "path": file.path})
        taken[study] = taken.get(study, 0) + 1
    table = table_of(Instance)
    arrived = update(table).where(table.c.id == bindparam("instance"))
    arrived = arrived.values(
        online_state=online.value, pool_directory=bindparam("directory"), pool_path=bindparam("path")
    )
    for part in chunks(rows):
        connection.execute(arrived, part)
    later = case((func.coalesce(Study.pinned_until, keep_until) > keep_until, Study.pinned_until), else_=keep_until)
    for study, instances in sorted(taken.items()):
        connection.execute(update(Study).where(Study.id == study).values(pinned_until=later))
        fields = {"instances": instances, "keep_until": keep_until.isoformat()}
        add(connection, "info", "study_recalled", studies[study], fields, now)
    return unneeded
