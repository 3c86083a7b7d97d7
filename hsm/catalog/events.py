"""What happened, for people to read later."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import Connection, delete, func, select

from hsm.catalog import audit
from hsm.catalog.database import AnySelect, Database
from hsm.catalog.records import EventRecord
from hsm.catalog.rows import narrowed, table_of
from hsm.catalog.text import clean, clean_json
from hsm.models import Event

STREAM_ROWS = 2000  # read at a time, so that a long list keeps no transaction open


def add(connection: Connection, level: str, name: str, subject: str, fields: Mapping[str, Any], now: datetime) -> None:
    """Note an event in the caller's transaction, so that it is there exactly when the change is.

    One whose name is in `audit.AUDITED` is an entry of the audit trail as well.
    """
    fields = audit.signed(name, fields)
    connection.execute(
        table_of(Event)
        .insert()
        .values(at=now, level=level, name=name, subject=clean(subject), fields=clean_json(fields))
    )
    audit.add_of_event(connection, name, subject, fields, now)


class Events:
    """Events, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, level: str, name: str, subject: str, fields: Mapping[str, Any], now: datetime) -> None:
        """Note an event. Fields are JSON values; no patient names."""
        self._database.write(lambda connection: add(connection, level, name, subject, fields, now))

    def prune(self, before: datetime, now: datetime) -> int:
        """Forget events from before a time, as the house decided; how many. That this was done is an event itself."""

        def work(connection: Connection) -> int:
            count = int(
                connection.execute(select(func.count()).select_from(Event).where(Event.at < before)).scalar_one()
            )
            if count:
                connection.execute(delete(Event).where(Event.at < before))
                add(connection, "info", "events_pruned", "", {"events": count, "before": before.isoformat()}, now)
            return count

        return self._database.write(work)

    def stream(self, **confined: Any) -> Iterator[EventRecord]:
        """All events that fit (as `list` is asked), newest first, however many: read in parts."""
        before: int | None = None
        while part := self.list(limit=STREAM_ROWS, before=before, **confined):
            yield from part
            before = part[-1].id

    def list(
        self,
        limit: int = 100,
        level: str | None = None,
        name: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        until: datetime | None = None,
        by: str | None = None,
    ) -> list[EventRecord]:
        """The newest events that fit; `before` is the id of the last one seen, to page on.

        `until` is excluded; `by`: the person of whom the event says that they did it.
        """
        statement: AnySelect = select(Event.id, Event.at, Event.level, Event.name, Event.subject, Event.fields)
        statement = narrowed(
            statement,
            (eq, Event.level, level),
            (eq, Event.name, name),
            (eq, Event.subject, subject),
            (ge, Event.at, since),
            (lt, Event.at, until),
            (eq, Event.fields["by"].as_string(), by),
            (lt, Event.id, before),
        )
        statement = statement.order_by(Event.id.desc()).limit(limit)
        return self._database.read(lambda connection: [EventRecord(*row) for row in connection.execute(statement)])
