"""What happened."""

from typing import Any, Literal

from hsm.access.roles import Right
from hsm.catalog.records import EventRecord
from web.api.operations import Operations
from web.api.shape import Page, Paged, Shape, Time, Words, before
from web.services import services

operations = Operations("Events")


class EventQuery(Paged):
    """Which events."""

    level: Literal["info", "warning", "error"] | None = None
    name: Words = ""
    subject: Words = ""


class Event(Shape):
    """Something that happened."""

    id: int
    at: Time
    level: str
    name: str
    subject: str
    fields: dict[str, Any]


@operations.get("/events", Right.LOOK)
def list_events(query: EventQuery) -> Page[Event]:
    """Events that fit, newest first."""
    found = services().catalog.events.list(
        limit=query.limit + 1,
        level=query.level,
        name=query.name or None,
        subject=query.subject or None,
        before=before(query),
    )
    shown = found[: query.limit]
    following = str(shown[-1].id) if len(found) > query.limit else None
    return Page(items=tuple(_event(event) for event in shown), next_cursor=following)


def _event(event: EventRecord) -> Event:
    return Event(
        id=event.id, at=event.at, level=event.level, name=event.name, subject=event.subject, fields=dict(event.fields)
    )
