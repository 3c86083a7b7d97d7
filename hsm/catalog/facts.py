"""What policies may know of studies, in batches: a handful of statements for some hundred studies, never one each."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, select

from hsm.catalog.availability import availability_of, study_rank
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.holds import in_force
from hsm.catalog.job_rows import ACTIVE
from hsm.catalog.rows import chunks, copy_record, select_copies
from hsm.facts import CopyRecord, PackDigest, PackFacts, StudyFacts, StudyUid
from hsm.models import Copy, Hold, Instance, Job, Pack, Patient, Series, Study
from hsm.states import WANTED_COPIES, CopyState, JobKind, OnlineState

_LISTED = [state.value for state in (*sorted(WANTED_COPIES), CopyState.LOST)]
_STUDY = (
    Study.id,
    Study.study_instance_uid,
    Patient.patient_id,
    Patient.birth_date,
    Study.modalities,
    Study.study_date,
    Study.description,
    Study.institution,
    Study.source_aet,
    Study.instance_count,
    Study.size_bytes,
    Study.received_at,
    Study.changed_at,
    Study.accessed_at,
    Study.pinned_until,
)


class PolicyFacts:
    """Facts for policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def studies_for_policy(
        self, now: datetime, only: Collection[str] | None = None, batch: int = 500
    ) -> Iterator[StudyFacts]:
        """The facts of all studies (or of some, by UID), oldest first.

        Each batch is one moment; between batches the catalog may change, so what is done with the facts must be checked
        again when it is done (it is: jobs join, seals and proofs look for themselves).
        """

        def some(condition: ColumnElement[bool]) -> tuple[int, list[StudyFacts]]:
            return self._database.read(lambda connection: _facts(connection, condition, now, batch))

        if only is not None:
            for part in chunks(dict.fromkeys(only), batch):
                yield from some(Study.study_instance_uid.in_(part))[1]
            return
        last, found = some(Study.id > 0)
        while found:
            yield from found
            last, found = some(Study.id > last)


def _facts(
    connection: Connection, condition: ColumnElement[bool], now: datetime, batch: int
) -> tuple[int, list[StudyFacts]]:
    studies = connection.execute(
        select(*_STUDY, study_rank(Study.id).label("rank"))
        .select_from(Study)
        .join(Patient, Patient.id == Study.patient_fk)
        .where(condition)
        .order_by(Study.id)
        .limit(batch)
    ).all()
    if not studies:
        return 0, []
    ids = [study.id for study in studies]
    body_parts: dict[int, set[str]] = defaultdict(set)
    for study, part in connection.execute(
        select(Series.study_fk, Series.body_part).where(Series.study_fk.in_(ids), Series.body_part != "").distinct()
    ):
        body_parts[study].add(part)
    holds: dict[int, list[str]] = defaultdict(list)
    for study, reason in connection.execute(
        select(Hold.study_fk, Hold.reason).where(Hold.study_fk.in_(ids), in_force(now)).order_by(Hold.id)
    ):
        holds[study].append(reason)
    jobs, migrating = _active_jobs(connection, ids)
    here = _what_is_online(connection, ids)
    copies = _copies(connection, ids, migrating)
    packs: dict[int, list[PackFacts]] = defaultdict(list)
    for pack in connection.execute(
        select(Pack.id, Pack.digest, Pack.size_bytes, Pack.study_fk, Pack.instance_count)
        .where(Pack.study_fk.in_(ids))
        .order_by(Pack.id)
    ):
        # A superseded member is counted in the pack, and not online: such a pack cannot be written from disk.
        online = here.pack_online[pack.id] == pack.instance_count
        packs[pack.study_fk].append(
            PackFacts(pack.id, PackDigest(pack.digest), pack.size_bytes, online, tuple(copies[pack.id]))
        )
    facts = [
        _study_facts(study, here, tuple(sorted(body_parts[study.id])), holds[study.id], packs[study.id], jobs[study.id])
        for study in studies
    ]
    return ids[-1], facts


def _study_facts(
    study: AnyRow,
    here: "_Online",
    body_parts: tuple[str, ...],
    holds: list[str],
    packs: list[PackFacts],
    jobs: set[tuple[JobKind, str]],
) -> StudyFacts:
    return StudyFacts(
        study_instance_uid=StudyUid(study.study_instance_uid),
        patient_id=study.patient_id,
        patient_birth_date=study.birth_date,
        modalities=tuple(study.modalities),
        study_date=study.study_date,
        description=study.description,
        institution=study.institution,
        body_parts=body_parts,
        source_aet=study.source_aet,
        instance_count=study.instance_count,
        size_bytes=study.size_bytes,
        online_bytes=here.bytes[study.id],
        online_instances=here.instances[study.id],
        unpacked_instances=here.unpacked[study.id],
        received_at=study.received_at,
        changed_at=study.changed_at,
        accessed_at=study.accessed_at,
        pinned_until=study.pinned_until,
        holds=tuple(holds),
        availability=availability_of(study.rank),
        packs=tuple(packs),
        active_jobs=frozenset(jobs),
    )


class _Online:
    """What of some studies is in the online pool."""

    def __init__(self) -> None:
        self.instances: dict[int, int] = defaultdict(int)
        self.bytes: dict[int, int] = defaultdict(int)
        self.unpacked: dict[int, int] = defaultdict(int)
        self.pack_online: dict[int, int] = defaultdict(int)


def _what_is_online(connection: Connection, ids: list[int]) -> _Online:
    here = _Online()
    is_online = case((Instance.online_state == OnlineState.ONLINE, 1), else_=0)
    for study, pack, instances, online, online_bytes in connection.execute(
        select(
            Instance.study_fk,
            Instance.pack_fk,
            func.count(),
            func.sum(is_online),
            func.sum(is_online * Instance.size_bytes),
        )
        .where(Instance.study_fk.in_(ids))
        .group_by(Instance.study_fk, Instance.pack_fk)
    ):
        here.instances[study] += int(online)
        here.bytes[study] += int(online_bytes)
        if pack is None:
            here.unpacked[study] += instances
        else:
            here.pack_online[pack] = int(online)
    return here


def _active_jobs(
    connection: Connection, ids: list[int]
) -> tuple[dict[int, set[tuple[JobKind, str]]], set[tuple[int, str]]]:
    """By study: (kind, target) of what is being done; and (pack, pool) of what is being migrated."""
    jobs: dict[int, set[tuple[JobKind, str]]] = defaultdict(set)
    migrating: set[tuple[int, str]] = set()
    for kind, study, pack, copy, pool in connection.execute(
        select(Job.kind, Job.study_fk, Job.pack_fk, Job.copy_fk, Job.pool).where(
            Job.study_fk.in_(ids), Job.state.in_(ACTIVE)
        )
    ):
        targets = {JobKind.MIGRATE: pool or "", JobKind.VERIFY: str(copy or "")}
        jobs[study or 0].add((JobKind(kind), targets.get(JobKind(kind), "")))
        if kind == JobKind.MIGRATE and pack is not None and pool is not None:
            migrating.add((pack, pool))
    return jobs, migrating


def _copies(connection: Connection, ids: list[int], migrating: set[tuple[int, str]]) -> dict[int, list[CopyRecord]]:
    copies: dict[int, list[CopyRecord]] = defaultdict(list)
    rows = connection.execute(
        select_copies().where(Pack.study_fk.in_(ids), Copy.state.in_(_LISTED)).order_by(Copy.pack_fk, Copy.id)
    )
    for copy in map(copy_record, rows):
        # A planned copy that no job works on was given up: a policy must plan it again, and `begin` uses its row again.
        if copy.state is not CopyState.PLANNED or (copy.pack_id, copy.pool) in migrating:
            copies[copy.pack_id].append(copy)
    return copies
