"""Whom to tell that a study can be had sooner or later than before: noticed from what happened, kept until it was told.

Source: PS3.4 annex R.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from sqlalchemy import Connection, delete, func, select, update

from hsm.announcing.tables import AnnouncementRow, AvailabilityRow
from hsm.catalog.availability import availability_of, study_rank
from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.events import add
from hsm.catalog.rows import chunks, table_of
from hsm.commitment.levels import next_try_at
from hsm.models import Copy, Counter, Event, Pack, Study, Volume
from hsm.states import Availability

PENDING, TOLD, GIVEN_UP = "pending", "told", "given_up"
GIVE_UP_AFTER = timedelta(days=7)
KEPT = timedelta(days=30)  # what is over
EVENTS_AT_ONCE, STUDIES_AT_ONCE = 200, 500
SETTLE = timedelta(seconds=5)  # events so young may have older ones that are not committed yet
STABLE = timedelta(seconds=60)  # without a new object: a study is told of when it has come whole
_EVENTS, _STUDIES = "announced_events", "announced_studies"  # how far was looked
_OF_STUDY = ("study_released", "study_recalled", "pack_found", "pack_dissolved", "instance_replaced")


@dataclass(frozen=True)
class Announcement:
    """One study to tell one peer of."""

    id: int
    peer_aet: str
    study_instance_uid: str
    availability: Availability  # what changed; what is told is what is true when it is told
    sop_instance_uid: str  # of the notification
    state: str
    tries: int
    queued_at: datetime
    not_before: datetime
    told_at: datetime | None
    message: str


class Announcements:
    """What changed, and who is to be told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, peers: Sequence[str], now: datetime) -> int:
        """Look at what happened since the last look, and queue what these peers are to be told; how many that are.

        The first look notes where it begins: what was before is told to nobody, and of a study from before then once
        when something happens to it.
        """
        if not self._database.write(_begun):
            return 0
        made = 0
        for study_ids in self._changed(now):
            for part in chunks(study_ids, STUDIES_AT_ONCE):
                made += self._database.write(partial(_note, study_ids=part, peers=peers, now=now))
        return made

    def _changed(self, now: datetime) -> Iterator[list[int]]:
        """Studies whose availability may have changed, in lists; how far was looked is noted behind each."""
        while True:
            studies, last, whole = self._database.read(lambda connection: _new_studies(connection, now))
            if last is not None:
                yield studies
                self._database.write(partial(_advance, name=_STUDIES, value=last))
            if whole:
                break
        while True:
            found, last, whole = self._database.read(lambda connection: _touched(connection, now))
            if last is not None:
                yield found
                self._database.write(partial(_advance, name=_EVENTS, value=last))
            if whole:
                return

    def due(self, now: datetime, limit: int = 50) -> list[Announcement]:
        """What is to be told now, the oldest first."""
        wanted = _select().where(AnnouncementRow.state == PENDING, AnnouncementRow.not_before <= now)
        statement = wanted.order_by(AnnouncementRow.id).limit(limit)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def list(self, pending_only: bool = False, limit: int = 100) -> list[Announcement]:
        """Newest first."""
        statement = _select().order_by(AnnouncementRow.id.desc()).limit(limit)
        if pending_only:
            statement = statement.where(AnnouncementRow.state == PENDING)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def told(self, one: Announcement, now: datetime) -> None:
        """The peer has confirmed it."""
        self._set(one.id, state=TOLD, told_at=now, message="")

    def not_told(self, one: Announcement, why: str, now: datetime) -> None:
        """The peer could not be told: later again, and after days no more, which is an event."""
        tries = one.tries + 1
        over = now - one.queued_at >= GIVE_UP_AFTER
        values = {"tries": tries, "message": why, "not_before": next_try_at(now, tries)}
        state = GIVEN_UP if over else PENDING

        def work(connection: Connection) -> None:
            same = AnnouncementRow.id == one.id
            connection.execute(update(AnnouncementRow).where(same).values(state=state, **values))
            if over:
                fields = {"peer": one.peer_aet, "availability": one.availability.value, "tries": tries, "why": why}
                add(connection, "error", "availability_not_told", one.study_instance_uid, fields, now)

        self._database.write(work)

    def prune(self, now: datetime) -> int:
        """Forget what was told or given up long ago; how many."""
        old = (AnnouncementRow.state != PENDING) & (AnnouncementRow.queued_at < now - KEPT)
        return self._database.write(lambda connection: connection.execute(delete(AnnouncementRow).where(old)).rowcount)

    def _set(self, number: int, **values: object) -> None:
        statement = update(AnnouncementRow).where(AnnouncementRow.id == number).values(**values)
        self._database.write(lambda connection: connection.execute(statement))


def _begun(connection: Connection) -> bool:
    """Whether there was a look before; else it is noted where the first begins."""
    if connection.execute(select(Counter.value).where(Counter.name == _EVENTS)).first() is not None:
        return True
    for name, newest in ((_EVENTS, func.max(Event.id)), (_STUDIES, func.max(Study.id))):
        value = connection.execute(select(newest)).scalar() or 0
        connection.execute(table_of(Counter).insert().values(name=name, value=value))
    return False


def _advance(connection: Connection, name: str, value: int) -> None:
    connection.execute(update(Counter).where(Counter.name == name).values(value=value))


def _cursor(connection: Connection, name: str) -> int:
    return int(connection.execute(select(Counter.value).where(Counter.name == name)).scalar_one())


def _new_studies(connection: Connection, now: datetime) -> tuple[list[int], int | None, bool]:
    """Studies that came whole since, in the order they came; one that still grows keeps those behind it waiting."""
    statement = select(Study.id, Study.changed_at).where(Study.id > _cursor(connection, _STUDIES)).order_by(Study.id)
    rows = connection.execute(statement.limit(STUDIES_AT_ONCE)).all()
    ready: list[int] = []
    for study, changed_at in rows:
        if changed_at > now - STABLE:
            break
        ready.append(study)
    return ready, ready[-1] if ready else None, len(ready) < STUDIES_AT_ONCE


def _touched(connection: Connection, now: datetime) -> tuple[list[int], int | None, bool]:
    """Studies that the next events are about, by themselves or by a volume that holds them."""
    statement = select(Event.id, Event.name, Event.subject)
    statement = statement.where(Event.id > _cursor(connection, _EVENTS), Event.at <= now - SETTLE).order_by(Event.id)
    events = connection.execute(statement.limit(EVENTS_AT_ONCE)).all()
    if not events:
        return [], None, True
    uids = {subject for _, name, subject in events if name in _OF_STUDY}
    barcodes = {subject for _, name, subject in events if name.startswith(("volume_", "copy_"))}
    found: set[int] = set()
    for part in chunks(sorted(uids)):
        found |= set(connection.execute(select(Study.id).where(Study.study_instance_uid.in_(part))).scalars())
    for part in chunks(sorted(barcodes)):
        held = (
            select(Pack.study_fk)
            .join(Copy, Copy.pack_fk == Pack.id)
            .join(Volume, Volume.id == Copy.volume_fk)
            .where(Volume.barcode.in_(part))
        )
        found |= set(connection.execute(held).scalars())
    return sorted(found), int(events[-1][0]), len(events) < EVENTS_AT_ONCE


def _note(connection: Connection, study_ids: Collection[int], peers: Sequence[str], now: datetime) -> int:
    """Queue what is not as it was; what waits of the same study for the same peer is old news, and goes."""
    ids = list(study_ids)
    ranks = connection.execute(select(Study.id, study_rank(Study.id)).select_from(Study).where(Study.id.in_(ids)))
    present = {study: availability_of(rank) for study, rank in ranks}
    known_rows = select(AvailabilityRow.study_fk, AvailabilityRow.availability).where(AvailabilityRow.study_fk.in_(ids))
    known = {row[0]: row[1] for row in connection.execute(known_rows)}
    made = 0
    for study, availability in present.items():
        if known.get(study) == availability.value:
            continue
        values = {"availability": availability.value, "changed_at": now}
        if study in known:
            connection.execute(update(AvailabilityRow).where(AvailabilityRow.study_fk == study).values(**values))
        else:
            connection.execute(table_of(AvailabilityRow).insert().values(study_fk=study, **values))
        for peer in peers:
            old = (AnnouncementRow.study_fk == study) & (AnnouncementRow.peer_aet == peer)
            connection.execute(delete(AnnouncementRow).where(old & (AnnouncementRow.state == PENDING)))
            row = {
                "peer_aet": peer,
                "study_fk": study,
                "availability": availability.value,
                "sop_instance_uid": f"2.25.{uuid4().int}",
                "state": PENDING,
                "tries": 0,
                "queued_at": now,
                "not_before": now,
                "message": "",
            }
            connection.execute(table_of(AnnouncementRow).insert().values(**row))
            made += 1
    return made


def _select() -> AnySelect:
    return select(*AnnouncementRow.__table__.columns, Study.study_instance_uid).join(
        Study, Study.id == AnnouncementRow.study_fk
    )


def _record(row: AnyRow) -> Announcement:
    return Announcement(
        id=row.id,
        peer_aet=row.peer_aet,
        study_instance_uid=row.study_instance_uid,
        availability=Availability(row.availability),
        sop_instance_uid=row.sop_instance_uid,
        state=row.state,
        tries=row.tries,
        queued_at=row.queued_at,
        not_before=row.not_before,
        told_at=row.told_at,
        message=row.message,
    )
