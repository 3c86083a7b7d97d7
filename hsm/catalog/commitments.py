"""Requests for storage commitment: kept until they are answered, across restarts.

Source: PS3.4 annex J.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select, update

from hsm.catalog.availability import best_volumes
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.events import add
from hsm.catalog.rows import in_chunks, insert_new, one, select_instances
from hsm.commitment.levels import FileSet, Held, Level, Reference, Verdict, decide, next_try_at
from hsm.commitment.tables import CommitmentRequest
from hsm.format.directory import file_set_uid
from hsm.models import Copy, Instance, Study, Volume
from hsm.states import CopyState, OnlineState, Place

LOOK_AGAIN_S = 60.0  # at a request whose objects are on their way to their level
GIVE_UP_AFTER = timedelta(days=7)  # of trying to tell a peer


class CommitmentState(StrEnum):
    """One request."""

    WAITING = "waiting"  # for its objects to reach their level, or for the peer to be told
    ANSWERED = "answered"
    ABANDONED = "abandoned"  # the peer could not be told in days


class TransactionKnown(Exception):
    """A peer uses the Transaction UID of another of its requests again, for other objects; nothing was noted."""


@dataclass(frozen=True)
class CommitmentRecord:
    """One request as it is kept."""

    id: int
    peer_aet: str
    transaction_uid: str
    level: Level
    references: tuple[Reference, ...]
    state: CommitmentState
    asked_at: datetime
    look_at: datetime
    tries: int
    answered_at: datetime | None
    committed: int
    refused: int
    message: str


def _record(row: AnyRow) -> CommitmentRecord:
    return CommitmentRecord(
        id=row.id,
        peer_aet=row.peer_aet,
        transaction_uid=row.transaction_uid,
        level=Level(row.level),
        references=tuple(Reference(*item) for item in row.items),
        state=CommitmentState(row.state),
        asked_at=row.asked_at,
        look_at=row.look_at,
        tries=row.tries,
        answered_at=row.answered_at,
        committed=row.committed,
        refused=row.refused,
        message=row.message,
    )


_COLUMNS = CommitmentRequest.__table__.columns


class Commitments:
    """Requests for storage commitment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self, peer_aet: str, transaction_uid: str, references: Sequence[Reference], level: Level, now: datetime
    ) -> int:
        """Note a request, durably; its number. The same request again is the same request, and is answered again.

        Raises: TransactionKnown.
        """
        items = [[each.sop_class_uid, each.sop_instance_uid] for each in references]
        values = {
            "peer_aet": peer_aet,
            "transaction_uid": transaction_uid,
            "level": level.value,
            "items": items,
            "state": CommitmentState.WAITING.value,
            "asked_at": now,
            "look_at": now,
        }
        same = (CommitmentRequest.peer_aet == peer_aet) & (CommitmentRequest.transaction_uid == transaction_uid)

        def work(connection: Connection) -> int:
            counts = {"tries": 0, "committed": 0, "refused": 0, "message": ""}
            made = insert_new(connection, CommitmentRequest, {**values, **counts})
            if made is not None:
                fields = {"peer": peer_aet, "objects": len(items), "level": level.value}
                add(connection, "info", "commitment_asked", transaction_uid, fields, now)
                return made
            known = one(connection, select(*_COLUMNS).where(same), f"transaction {transaction_uid}")
            if sorted(map(tuple, known.items)) != sorted(map(tuple, items)):
                raise TransactionKnown(f"transaction {transaction_uid} of {peer_aet} asked about other objects before")
            again = {"state": CommitmentState.WAITING.value, "look_at": now, "tries": 0}
            connection.execute(update(CommitmentRequest).where(same).values(**again))
            return int(known.id)

        return self._database.write(work)

    def find(self, peer_aet: str, transaction_uid: str) -> CommitmentRecord | None:
        """One request of a peer."""
        same = (CommitmentRequest.peer_aet == peer_aet) & (CommitmentRequest.transaction_uid == transaction_uid)

        def look(connection: Connection) -> CommitmentRecord | None:
            row = connection.execute(select(*_COLUMNS).where(same)).first()
            return None if row is None else _record(row)

        return self._database.read(look)

    def due(self, now: datetime, limit: int = 20) -> list[CommitmentRecord]:
        """Requests that are to be looked at, the longest due first."""
        waiting = CommitmentRequest.state == CommitmentState.WAITING.value
        statement = (
            select(*_COLUMNS)
            .where(waiting, CommitmentRequest.look_at <= now)
            .order_by(CommitmentRequest.look_at, CommitmentRequest.id)
            .limit(limit)
        )
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def verdict(self, request: CommitmentRecord, now: datetime, patience: timedelta) -> Verdict:
        """What may be promised of its objects at this moment."""
        uids = [each.sop_instance_uid for each in request.references]
        held = self._database.read(lambda connection: _held(connection, uids))
        return decide(request.references, held, request.level, request.asked_at, now, patience)

    def postpone(self, request_id: int, now: datetime) -> None:
        """Its objects are on their way: look again in a while."""
        look_at = now + timedelta(seconds=LOOK_AGAIN_S)
        self._set(request_id, look_at=look_at)

    def answered(self, request: CommitmentRecord, verdict: Verdict, now: datetime) -> None:
        """The peer was told, and has confirmed it."""
        values = {
            "state": CommitmentState.ANSWERED.value,
            "answered_at": now,
            "committed": len(verdict.committed),
            "refused": len(verdict.refused),
            "message": "",
        }

        def work(connection: Connection) -> None:
            connection.execute(update(CommitmentRequest).where(CommitmentRequest.id == request.id).values(**values))
            fields = {"peer": request.peer_aet, "committed": len(verdict.committed), "refused": len(verdict.refused)}
            level = "warning" if verdict.refused else "info"
            add(connection, level, "commitment_answered", request.transaction_uid, fields, now)

        self._database.write(work)

    def not_told(self, request: CommitmentRecord, why: str, now: datetime) -> None:
        """The peer could not be told: later again, and after days no more."""
        tries = request.tries + 1
        values: dict[str, object] = {"tries": tries, "message": why, "look_at": next_try_at(now, tries)}
        over = now - request.asked_at >= GIVE_UP_AFTER and tries > 1
        if over:
            values["state"] = CommitmentState.ABANDONED.value

        def work(connection: Connection) -> None:
            connection.execute(update(CommitmentRequest).where(CommitmentRequest.id == request.id).values(**values))
            if over:
                fields = {"peer": request.peer_aet, "tries": tries, "why": why}
                add(connection, "error", "commitment_abandoned", request.transaction_uid, fields, now)

        self._database.write(work)

    def list(self, waiting_only: bool = False, limit: int = 100) -> list[CommitmentRecord]:
        """Requests, newest first."""
        statement = select(*_COLUMNS).order_by(CommitmentRequest.id.desc()).limit(limit)
        if waiting_only:
            statement = statement.where(CommitmentRequest.state == CommitmentState.WAITING.value)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def _set(self, request_id: int, **values: object) -> None:
        statement = update(CommitmentRequest).where(CommitmentRequest.id == request_id).values(**values)
        self._database.write(lambda connection: connection.execute(statement))


def _held(connection: Connection, uids: Sequence[str]) -> dict[str, Held]:
    """What there is of these objects, by SOP Instance UID."""
    rows = list(in_chunks(connection, select_instances(), Instance.sop_instance_uid, uids))
    packs = {row[13] for row in rows if row[13] is not None}
    verified = _verified(connection, packs)
    away = {row[4] for row in rows if row[10] != OnlineState.ONLINE}
    sets = _file_sets(connection, away)
    return {
        row[1]: Held(
            sop_class_uid=row[2],
            online=row[10] == OnlineState.ONLINE,
            verified=verified.get(row[13], {}),
            file_set=None if row[10] == OnlineState.ONLINE else sets.get(row[4]),
        )
        for row in rows
    }


def _verified(connection: Connection, packs: set[int]) -> dict[int, dict[str, Place]]:
    """By pack: the volumes it was read back from, and where they are. A missing one promises nothing."""
    statement = (
        select(Copy.pack_fk, Volume.barcode, Volume.place)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(Copy.state == CopyState.VERIFIED.value, Volume.place != Place.MISSING.value)
    )
    found: dict[int, dict[str, Place]] = {}
    for pack, barcode, place in in_chunks(connection, statement, Copy.pack_fk, packs):
        found.setdefault(pack, {})[barcode] = Place(place)
    return found


def _file_sets(connection: Connection, study_uids: set[str]) -> dict[str, FileSet]:
    """By study that is not wholly on disk: the volume it is best read from."""
    statement = select(Study.id, Study.study_instance_uid)
    ids = {row[0]: row[1] for row in in_chunks(connection, statement, Study.study_instance_uid, study_uids)}
    found: dict[str, FileSet] = {}
    for study, volumes in (best_volumes(connection, ids) if ids else {}).items():
        first = volumes[0]
        found[ids[study]] = FileSet(str(first.barcode)[:16], file_set_uid(first.uuid) if first.uuid else "")
    return found
