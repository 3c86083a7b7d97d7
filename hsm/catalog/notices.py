"""Targets, rules and the outbox of notifications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from hsm.access.tables import User
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.events import add
from hsm.catalog.recalls import state_in
from hsm.catalog.rows import insert_new, table_of
from hsm.catalog.text import clean, clean_json
from hsm.models import Counter, Event, RecallRequest, Study
from hsm.notices.model import (
    SAME_AGAIN,
    Calendar,
    Note,
    NoticeChanged,
    NoticeRefused,
    Pending,
    Rule,
    Target,
    TargetKind,
    Told,
    matches,
    retry_at,
    version_of,
)
from hsm.notices.tables import NoticeRule, NoticeTarget, OutboxItem

CURSOR = "notices"  # the last event that was routed
ROUTED_AT_ONCE = 500
READY_FOR = timedelta(days=30)  # older wishes are told of no more
PENDING, TOLD, GIVEN_UP = "pending", "told", "given_up"


@dataclass(frozen=True)
class OutboxRecord:
    """One row of the outbox, for the page."""

    id: int
    target: str
    address: str
    note: Note
    state: str
    tries: int
    queued_at: datetime
    not_before: datetime | None
    told_at: datetime | None
    answer: str


class Notices:
    """Targets by name, rules by number, the outbox by address. `by` is who asks for a change, for the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- targets and rules ---------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """All targets, by name."""
        statement = select(NoticeTarget.name, NoticeTarget.kind, NoticeTarget.address).order_by(NoticeTarget.name)
        return self._database.read(
            lambda c: [Target(name, TargetKind(kind), to) for name, kind, to in c.execute(statement)]
        )

    def rules(self) -> list[Rule]:
        """All rules, in the order in which they were made."""
        return self._database.read(_rules)

    def add_target(self, target: Target, by: str, now: datetime) -> None:
        """Raises: NoticeRefused when there is one of that name."""

        def work(connection: Connection) -> None:
            taken = select(NoticeTarget.name).where(NoticeTarget.name == target.name)
            if connection.execute(taken).first() is not None:
                raise NoticeRefused({"name": f"There is a target {target.name} already."})
            values = {"name": target.name, "kind": target.kind.value, "address": target.address}
            connection.execute(table_of(NoticeTarget).insert().values(**values))
            fields = {"kind": target.kind.value, "by": by}
            add(connection, "info", "notification_target_added", target.name, fields, now)

        self._database.write(work)

    def remove_target(self, name: str, by: str, now: datetime) -> None:
        """Forget a target, its rules and what it was still to be told. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            connection.execute(delete(NoticeRule).where(NoticeRule.target == name))
            if not connection.execute(delete(NoticeTarget).where(NoticeTarget.name == name)).rowcount:
                raise NotCatalogued(f"there is no target {name[:64]!r}")
            connection.execute(delete(OutboxItem).where(OutboxItem.target == name, OutboxItem.state == PENDING))
            add(connection, "info", "notification_target_removed", name, {"by": by}, now)

        self._database.write(work)

    def add_rule(self, rule: Rule, by: str, now: datetime) -> int:
        """Route further events; its number. Raises: NoticeRefused when the target went meanwhile."""

        def work(connection: Connection) -> int:
            there = select(NoticeTarget.name).where(NoticeTarget.name == rule.target)
            if connection.execute(there).first() is None:
                raise NoticeRefused({"target": "This target was removed meanwhile."})
            values = {"target": rule.target, "level": rule.level, "events": rule.events, "subject": rule.subject}
            statement = table_of(NoticeRule).insert().values(**values, calendar=rule.calendar.value)
            made = int(connection.execute(statement.returning(table_of(NoticeRule).c.id)).scalar_one())
            add(connection, "info", "notification_rule_added", rule.target, {"rule": made, **values, "by": by}, now)
            return made

        return self._database.write(work)

    def change_target(self, target: Target, seen: str, by: str, now: datetime) -> None:
        """Give a target another way or address; what it is still to be told goes there, too.

        `seen`: version_of what was looked at. Raises: NoticeChanged, NotCatalogued.
        """

        def work(connection: Connection) -> None:
            columns = (NoticeTarget.name, NoticeTarget.kind, NoticeTarget.address)
            row = connection.execute(select(*columns).where(NoticeTarget.name == target.name).with_for_update()).first()
            if row is None:
                raise NotCatalogued(f"there is no target {target.name[:64]!r}")
            if version_of(Target(row.name, TargetKind(row.kind), row.address)) != seen:
                raise NoticeChanged(f"somebody changed the target {target.name} in the meantime; look at it again")
            values = {"kind": target.kind.value, "address": target.address}
            connection.execute(update(NoticeTarget).where(NoticeTarget.name == target.name).values(**values))
            waits = (OutboxItem.target == target.name) & (OutboxItem.state == PENDING)
            connection.execute(update(OutboxItem).where(waits).values(**values, not_before=None))
            fields = {"kind": target.kind.value, "by": by}
            add(connection, "info", "notification_target_changed", target.name, fields, now)

        self._database.write(work)

    def change_rule(self, rule: Rule, seen: str, by: str, now: datetime) -> None:
        """Let a rule, named by its number, say something else from now on.

        `seen`: version_of what was looked at. Raises: NoticeChanged, NotCatalogued, NoticeRefused.
        """

        def work(connection: Connection) -> None:
            known = next((one for one in _rules(connection) if one.id == rule.id), None)
            if known is None:
                raise NotCatalogued(f"there is no rule {rule.id}")
            if version_of(known) != seen:
                raise NoticeChanged(f"somebody changed rule {rule.id} in the meantime; look at it again")
            there = select(NoticeTarget.name).where(NoticeTarget.name == rule.target)
            if connection.execute(there).first() is None:
                raise NoticeRefused({"target": "This target was removed meanwhile."})
            values = {"target": rule.target, "level": rule.level, "events": rule.events, "subject": rule.subject}
            changed = update(NoticeRule).where(NoticeRule.id == rule.id)
            connection.execute(changed.values(**values, calendar=rule.calendar.value))
            add(
                connection, "info", "notification_rule_changed", rule.target, {"rule": rule.id, **values, "by": by}, now
            )

        self._database.write(work)

    def remove_rule(self, rule_id: int, by: str, now: datetime) -> None:
        """Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            statement = delete(NoticeRule).where(NoticeRule.id == rule_id).returning(NoticeRule.target)
            gone = connection.execute(statement).first()
            if gone is None:
                raise NotCatalogued(f"there is no rule {rule_id}")
            add(connection, "info", "notification_rule_removed", gone[0], {"rule": rule_id, "by": by}, now)

        self._database.write(work)

    # -- from events to the outbox -------------------------------------------------------------------------------

    def route(self, zone: tzinfo, now: datetime) -> int:
        """Put what happened since the last time into the outbox; how many rows came of it.

        The first call ever only notes where events stand: nobody is told of the past.
        """
        return self._database.write(lambda connection: _route(connection, zone, now))

    # -- the outbox ----------------------------------------------------------------------------------------------

    def waiting(self) -> dict[tuple[str, str], list[Pending]]:
        """What is still to be told, by (kind, address), oldest first."""
        statement = select(OutboxItem.__table__).where(OutboxItem.state == PENDING).order_by(OutboxItem.id)

        def look(connection: Connection) -> dict[tuple[str, str], list[Pending]]:
            found: dict[tuple[str, str], list[Pending]] = {}
            for row in connection.execute(statement):
                one = Pending(row.id, _note(row.note), row.tries, row.not_before, row.queued_at)
                found.setdefault((row.kind, row.address), []).append(one)
            return found

        return self._database.read(look)

    def told_lately(self, kind: str, address: str, now: datetime) -> list[Told]:
        """What an address was told within the time that counts for a repetition."""
        here = (OutboxItem.kind == kind) & (OutboxItem.address == address) & (OutboxItem.state == TOLD)
        statement = select(OutboxItem.told_at, OutboxItem.note).where(here, OutboxItem.told_at > now - SAME_AGAIN)
        return self._database.read(
            lambda c: [Told(at, note["name"], note["subject"]) for at, note in c.execute(statement) if at is not None]
        )

    def told(self, items: Sequence[Pending], answer: str, now: datetime) -> None:
        """They were handed over."""
        values = {"state": TOLD, "told_at": now, "answer": clean(answer), "not_before": None}
        ids = [one.id for one in items]
        self._database.write(lambda c: c.execute(update(OutboxItem).where(OutboxItem.id.in_(ids)).values(**values)))

    def not_told(self, items: Sequence[Pending], answer: str, now: datetime) -> None:
        """They could not be handed over: tried again later, or given up, which becomes an event."""

        def work(connection: Connection) -> None:
            for one in items:
                again = retry_at(one.tries, one.queued_at, now)
                values = {"tries": one.tries + 1, "answer": clean(answer), "not_before": again}
                state = PENDING if again else GIVEN_UP
                connection.execute(update(OutboxItem).where(OutboxItem.id == one.id).values(state=state, **values))
                if again is None:
                    fields = {"event": one.note.name, "about": one.note.subject, "reason": answer}
                    add(connection, "error", "notice_given_up", one.note.subject, fields, now)

        self._database.write(work)

    def outbox(self, limit: int = 50) -> list[OutboxRecord]:
        """The newest rows."""
        statement = select(OutboxItem.__table__).order_by(OutboxItem.id.desc()).limit(limit)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def prune(self, before: datetime) -> int:
        """Forget what was told or given up before a time; how many rows went."""
        old = (OutboxItem.state != PENDING) & (OutboxItem.queued_at < before)
        return self._database.write(lambda connection: connection.execute(delete(OutboxItem).where(old)).rowcount)


def _rules(connection: Connection) -> list[Rule]:
    table = NoticeRule
    columns = (table.id, table.target, table.level, table.events, table.subject, table.calendar)
    return [Rule(*row[:5], Calendar(row[5])) for row in connection.execute(select(*columns).order_by(table.id))]


def _route(connection: Connection, zone: tzinfo, now: datetime) -> int:
    cursor = connection.execute(select(Counter.value).where(Counter.name == CURSOR).with_for_update()).scalar()
    if cursor is None:
        newest = connection.execute(select(func.max(Event.id))).scalar() or 0
        connection.execute(table_of(Counter).insert().values(name=CURSOR, value=newest))
        return 0
    columns = (Event.id, Event.at, Event.level, Event.name, Event.subject, Event.fields)
    statement = select(*columns).where(Event.id > cursor).order_by(Event.id).limit(ROUTED_AT_ONCE)
    events = connection.execute(statement).all()
    if not events:
        return 0
    rules = _rules(connection)
    targets = select(NoticeTarget.name, NoticeTarget.kind, NoticeTarget.address)
    known = {name: (kind, address) for name, kind, address in connection.execute(targets)}
    made = 0
    for event_id, *about in events:
        note = Note(*about)
        for name in sorted({rule.target for rule in rules if matches(rule, note, zone)}):
            kind, address = known[name]
            made += _put(connection, f"event:{event_id}:{name}", kind, address, name, note, now)
        if note.name == "study_recalled":
            made += _tell_who_waited(connection, note, now)
    connection.execute(update(Counter).where(Counter.name == CURSOR).values(value=events[-1][0]))
    return made


def _tell_who_waited(connection: Connection, note: Note, now: datetime) -> int:
    """Mail to those accounts with an address whose wish for this study is of late and was not told of yet."""
    wished = (
        select(RecallRequest.id, RecallRequest.requested_by, User.mail)
        .join(Study, Study.id == RecallRequest.study_fk)
        .join(User, User.name == RecallRequest.requested_by)
        .where(Study.study_instance_uid == note.subject, RecallRequest.created_at > now - READY_FOR)
        .where(User.mail != "", User.disabled.is_(False))
    )
    made = 0
    for request_id, name, mail in connection.execute(wished).all():
        if state_in(connection, request_id).done:
            fields = {"request": request_id, "requested_by": name}
            ready = Note(note.at, "info", "recall_ready", note.subject, fields)
            made += _put(connection, f"ready:{request_id}", TargetKind.MAIL.value, mail, "", ready, now)
    return made


def _put(connection: Connection, key: str, kind: str, address: str, target: str, note: Note, now: datetime) -> int:
    values: Mapping[str, Any] = {
        "key": key,
        "kind": kind,
        "address": address,
        "target": target,
        "note": clean_json({**note.__dict__, "at": note.at.isoformat(), "fields": dict(note.fields)}),
        "state": PENDING,
        "tries": 0,
        "queued_at": now,
        "answer": "",
    }
    return 0 if insert_new(connection, OutboxItem, values) is None else 1


def _note(value: Mapping[str, Any]) -> Note:
    return Note(datetime.fromisoformat(value["at"]), value["level"], value["name"], value["subject"], value["fields"])


def _record(row: AnyRow) -> OutboxRecord:
    return OutboxRecord(
        id=row.id,
        target=row.target,
        address=row.address,
        note=_note(row.note),
        state=row.state,
        tries=row.tries,
        queued_at=row.queued_at,
        not_before=row.not_before,
        told_at=row.told_at,
        answer=row.answer,
    )
