"""What several subjects need of packs, inside a caller's transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from hsm.catalog.availability import NOT_ONLINE
from hsm.catalog.database import AnyRow, AnySelect
from hsm.catalog.events import add
from hsm.catalog.job_rows import ACTIVE, step_job
from hsm.catalog.rows import in_chunks, one
from hsm.facts import Member, PackDigest, PackRecord, SeriesUid, SopInstanceUid, StudyUid
from hsm.models import Copy, Instance, Job, Pack, Series, Study, SupersededMember
from hsm.states import CopyState, JobState

NOT_PACKED = {"pack_fk": None, "pack_offset_bytes": None, "pack_size_bytes": None, "pack_sha256": None}


def _select_members() -> AnySelect:
    return (
        select(
            Instance.pack_fk,
            Instance.id,
            Instance.sop_instance_uid,
            Series.series_instance_uid,
            Instance.pack_offset_bytes,
            func.coalesce(Instance.pack_size_bytes, Instance.size_bytes),
            func.coalesce(Instance.pack_sha256, Instance.sha256),
            Instance.pack_sha256,
        )
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_fk)
    )


def _member(row: AnyRow) -> Member:
    return Member(row[1], SopInstanceUid(row[2]), SeriesUid(row[3]), row[4], row[5], row[6], row[7] is not None)


def members_of(connection: Connection, pack_ids: Collection[int]) -> dict[int, list[Member]]:
    """The members of packs in pack order; a superseded one has instance id 0."""
    found: dict[int, list[Member]] = {pack_id: [] for pack_id in pack_ids}
    for row in in_chunks(connection, _select_members(), Instance.pack_fk, pack_ids):
        found[row[0]].append(_member(row))
    superseded = select(
        SupersededMember.pack_fk,
        SupersededMember.sop_instance_uid,
        SupersededMember.series_instance_uid,
        SupersededMember.offset_bytes,
        SupersededMember.size_bytes,
        SupersededMember.sha256,
    )
    for row in in_chunks(connection, superseded, SupersededMember.pack_fk, pack_ids):
        found[row[0]].append(Member(0, SopInstanceUid(row[1]), SeriesUid(row[2]), row[3], row[4], row[5]))
    for members in found.values():
        members.sort(key=lambda member: member.offset_bytes)
    return found


def members_not_online(connection: Connection, pack_id: int) -> list[Member]:
    """The members of a pack whose bytes are not in the online pool (or are about to leave it), in pack order."""
    statement = _select_members().where(Instance.pack_fk == pack_id, NOT_ONLINE)
    return sorted((_member(row) for row in connection.execute(statement)), key=lambda member: member.offset_bytes)


def packs_in(connection: Connection, condition: Any) -> list[PackRecord]:
    """The packs that fulfil a condition, in the order they were sealed."""
    rows = connection.execute(
        select(Pack.id, Pack.digest, Study.study_instance_uid, Pack.size_bytes, Pack.study_json)
        .join(Study, Study.id == Pack.study_fk)
        .where(condition)
        .order_by(Pack.id)
    ).all()
    members = members_of(connection, [row.id for row in rows])
    return [
        PackRecord(row[0], PackDigest(row[1]), StudyUid(row[2]), row[3], row[4], tuple(members[row[0]])) for row in rows
    ]


def pack_obstacle(connection: Connection, pack_id: int) -> str | None:
    """Why a pack cannot be taken apart, None when it can: no volume may hold it, and all its members must be online."""
    states = connection.execute(select(Copy.state).where(Copy.pack_fk == pack_id)).scalars().all()
    held = sorted({state for state in states if state not in (CopyState.PLANNED, CopyState.LOST, CopyState.RECLAIMED)})
    if held:
        return f"its pack has copies that are {', '.join(held)}"
    running = connection.execute(
        select(Job.id).where(Job.pack_fk == pack_id, Job.state == JobState.RUNNING).limit(1)
    ).scalar()
    if running is not None:
        return f"job {running} works on its pack"
    gone = connection.execute(select(Instance.id).where(Instance.pack_fk == pack_id, NOT_ONLINE).limit(1)).first()
    if gone is not None:
        return "some members of its pack are not online"
    return None


def dissolve_in(connection: Connection, pack_id: int, now: datetime) -> None:
    """Take a pack apart (ask `pack_obstacle` before): its members are unpacked again, its jobs cancelled."""
    digest = one(connection, select(Pack.digest).where(Pack.id == pack_id), f"pack {pack_id}")[0]
    copies = select(Copy.id).where(Copy.pack_fk == pack_id).scalar_subquery()
    connection.execute(update(Instance).where(Instance.pack_fk == pack_id).values(**NOT_PACKED))
    of_pack = select(Job.__table__).where(Job.pack_fk == pack_id, Job.state.in_(ACTIVE)).order_by(Job.id)
    for job in connection.execute(of_pack.with_for_update(of=Job)).all():
        step_job(connection, job, "cancel", ended_at=now, message="its pack was taken apart")
    connection.execute(update(Job).where(Job.copy_fk.in_(copies)).values(copy_fk=None))
    connection.execute(update(Job).where(Job.pack_fk == pack_id).values(pack_fk=None))
    connection.execute(delete(Copy).where(Copy.pack_fk == pack_id))
    connection.execute(delete(SupersededMember).where(SupersededMember.pack_fk == pack_id))
    connection.execute(delete(Pack).where(Pack.id == pack_id))
    add(connection, "info", "pack_dissolved", digest, {"pack": pack_id}, now)
