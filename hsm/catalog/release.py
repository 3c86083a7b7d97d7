"""The one place that lets online files go, and only against a proof made in the same transaction.

Nothing else in the program can make a ReleaseProof, and the pool deletes only against one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, literal_column, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import ReleaseRefused
from hsm.catalog.events import add
from hsm.catalog.holds import in_force
from hsm.catalog.job_rows import ACTIVE
from hsm.catalog.rows import chunks, pool_file, study_id
from hsm.facts import ReleasedFile, StudyUid
from hsm.models import Copy, Event, Hold, Instance, Job, Pack, Study, Volume
from hsm.proof import PROVER, ReleaseProof
from hsm.states import ONLINE_TABLE, TRUSTED_VOLUMES, CopyState, JobKind, OnlineState, Place, step

PROVED = "release_proved"
COUNTING_VOLUMES = sorted(TRUSTED_VOLUMES)


@dataclass(frozen=True)
class _Terms:
    """What a caller wants to be proved."""

    copies_needed: int
    kinds_needed: int
    now: datetime
    stable_after_s: float

    def __post_init__(self) -> None:
        if self.copies_needed < 1 or self.kinds_needed < 1:
            raise ValueError("a release needs at least one verified copy on one kind of medium")


class Release:
    """Proofs that online files may go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prove(
        self, study_uid: str, copies_needed: int, now: datetime, stable_after_s: float, kinds_needed: int = 1
    ) -> ReleaseProof:
        """Prove that every online instance of a study has enough verified copies, and mark them RELEASING.

        Enough: `copies_needed` verified copies of its pack on distinct volumes that are neither suspect, lost nor
        missing, of at least `kinds_needed` kinds of medium. From this commit on the files count as gone: delete them,
        then `finish`.

        Raises: ReleaseRefused (nothing is changed), NotCatalogued.
        """
        terms = _Terms(copies_needed, kinds_needed, now, stable_after_s)
        return self._database.write(lambda connection: _prove(connection, study_uid, terms))

    def explain(
        self, study_uid: str, copies_needed: int, now: datetime, stable_after_s: float, kinds_needed: int = 1
    ) -> str:
        """Why `prove` would refuse now, "" when it would not. Changes nothing. Raises: NotCatalogued."""
        terms = _Terms(copies_needed, kinds_needed, now, stable_after_s)

        def work(connection: Connection) -> str:
            try:
                _check(connection, study_id(connection, study_uid), study_uid, terms, lock=False)
            except ReleaseRefused as refused:
                return refused.reason
            return ""

        return self._database.read(work)

    def finish(self, proof: ReleaseProof, now: datetime) -> int:
        """The files of a proof are deleted: RELEASING becomes RELEASED. How many; finishing again changes nothing."""

        def work(connection: Connection) -> int:
            released = step(ONLINE_TABLE, OnlineState.RELEASING, "delete")
            done = 0
            for part in chunks(proof.files):
                done += len(
                    connection.execute(
                        update(Instance)
                        .where(
                            Instance.id.in_([file.instance_id for file in part]),
                            Instance.online_state == OnlineState.RELEASING,
                        )
                        .values(online_state=released.value, pool_directory=None, pool_path=None)
                        .returning(Instance.id)
                    ).all()
                )
            if done:
                add(connection, "info", "study_released", proof.study_instance_uid, {"instances": done}, now)
            return done

        return self._database.write(work)

    def unfinished(self) -> list[ReleaseProof]:
        """The proofs whose files may be partly deleted (after a crash): delete and `finish` them again."""
        return self._database.read(_unfinished)


def _prove(connection: Connection, study_uid: str, terms: _Terms) -> ReleaseProof:
    study = study_id(connection, study_uid, lock=True)
    counting = _check(connection, study, study_uid, terms, lock=True)
    releasing = step(ONLINE_TABLE, OnlineState.ONLINE, "prove")
    rows = connection.execute(
        update(Instance)
        .where(
            Instance.study_fk == study,
            Instance.online_state == OnlineState.ONLINE,
            Instance.pack_fk.in_(sorted(counting)),
        )
        .values(online_state=releasing.value)
        .returning(Instance.id, Instance.pool_directory, Instance.pool_path, Instance.size_bytes)
    ).all()
    files = _files(rows)
    fields = {
        "instances": len(files),
        "size_bytes": sum(file.size_bytes for file in files),
        "copies": {str(pack): list(copies) for pack, copies in counting.items()},
    }
    add(connection, "info", PROVED, study_uid, fields, terms.now)
    return ReleaseProof(StudyUid(study_uid), files, terms.now, counting, PROVER)


def _files(rows: Sequence[AnyRow]) -> tuple[ReleasedFile, ...]:
    files = ((row[0], pool_file(row[1], row[2]), row[3]) for row in rows)
    return tuple(ReleasedFile(i, file, size) for i, file, size in sorted(files, key=lambda f: f[0]) if file is not None)


def _check(connection: Connection, study: int, study_uid: str, terms: _Terms, lock: bool) -> dict[int, tuple[int, ...]]:
    """The copies that count, by pack, for every pack that has something online. Raises: ReleaseRefused."""

    def refuse(reason: str) -> ReleaseRefused:
        return ReleaseRefused(study_uid, reason)

    hold = connection.execute(
        select(Hold.reason).where(Hold.study_fk == study, in_force(terms.now)).order_by(Hold.id).limit(1)
    ).scalar()
    if hold is not None:
        raise refuse(f"it is on hold: {hold}")
    pinned_until, changed_at = connection.execute(
        select(Study.pinned_until, Study.changed_at).where(Study.id == study)
    ).one()
    if pinned_until is not None and pinned_until > terms.now:
        raise refuse(f"it is kept online until {pinned_until:%Y-%m-%d %H:%M} UTC")
    if changed_at + timedelta(seconds=terms.stable_after_s) > terms.now:
        raise refuse(f"its last instance arrived at {changed_at:%Y-%m-%d %H:%M:%S} UTC, more may follow")
    unpacked = connection.execute(
        select(Instance.id).where(Instance.study_fk == study, Instance.pack_fk.is_(None)).limit(1)
    ).first()
    if unpacked is not None:
        raise refuse("some of its instances are in no pack yet")
    recall = connection.execute(
        select(Job.id).where(Job.study_fk == study, Job.kind == JobKind.RECALL, Job.state.in_(ACTIVE)).limit(1)
    ).scalar()
    if recall is not None:
        raise refuse(f"it is being recalled by job {recall}")
    packs = connection.execute(
        select(Pack.id, Pack.digest)
        .where(
            Pack.id.in_(
                select(Instance.pack_fk).where(Instance.study_fk == study, Instance.online_state == OnlineState.ONLINE)
            )
        )
        .order_by(Pack.id)
    ).all()
    if not packs:
        raise refuse("none of it is online")
    return {pack_id: _counting_copies(connection, pack_id, digest, terms, lock, refuse) for pack_id, digest in packs}


def _counting_copies(
    connection: Connection, pack_id: int, digest: str, terms: _Terms, lock: bool, refuse: Any
) -> tuple[int, ...]:
    statement = (
        select(Copy.id, Copy.volume_fk, Copy.kind)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(
            Copy.pack_fk == pack_id,
            Copy.state == CopyState.VERIFIED,
            Volume.state.in_(COUNTING_VOLUMES),
            Volume.place != Place.MISSING,
        )
        .order_by(Copy.id)
    )
    if lock:  # nobody doubts or loses these copies and volumes before the proof is committed
        statement = statement.with_for_update(of=[Copy, Volume], key_share=True)
    rows = connection.execute(statement).all()
    on_volumes = {row.volume_fk: row.id for row in reversed(rows)}  # two copies on one volume count once
    if len(on_volumes) < terms.copies_needed:
        raise refuse(
            f"pack {digest[:12]} has {len(on_volumes)} verified copies on distinct volumes,"
            f" needed are {terms.copies_needed}"
        )
    kinds = {row.kind for row in rows}
    if len(kinds) < terms.kinds_needed:
        raise refuse(
            f"the verified copies of pack {digest[:12]} are all on {', '.join(sorted(kinds))};"
            f" needed are {terms.kinds_needed} kinds of medium"
        )
    return tuple(sorted(on_volumes.values()))


def _unfinished(connection: Connection) -> list[ReleaseProof]:
    rows = connection.execute(
        select(
            Instance.id,
            Instance.pool_directory,
            Instance.pool_path,
            Instance.size_bytes,
            Study.study_instance_uid,
        )
        .join(Study, Study.id == Instance.study_fk)
        .where(Instance.online_state == literal_column("'releasing'"))
        .order_by(Study.id, Instance.id)
    ).all()
    studies: dict[str, list[AnyRow]] = {}
    for row in rows:
        studies.setdefault(row.study_instance_uid, []).append(row)
    return [_proof_again(connection, uid, _files(found)) for uid, found in studies.items()]


def _proof_again(connection: Connection, study_uid: str, files: tuple[ReleasedFile, ...]) -> ReleaseProof:
    """The proof as it was given: it left an event in the same transaction."""
    found = connection.execute(
        select(Event.at, Event.fields)
        .where(Event.subject == study_uid, Event.name == PROVED)
        .order_by(Event.id.desc())
        .limit(1)
    ).first()
    if found is None:  # somebody forgot old events; that the rows are RELEASING still says that there was a proof
        return ReleaseProof(StudyUid(study_uid), files, datetime.fromtimestamp(0, UTC), {}, PROVER)
    copies = {int(pack): tuple(ids) for pack, ids in found.fields["copies"].items()}
    return ReleaseProof(StudyUid(study_uid), files, found.at, copies, PROVER)
