"""What happened, newest first."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, render_template

from hsm.access.roles import Right
from web import csv, paging
from web.access.gate import needs
from web.services import services
from web.words import LEVEL, details

pages = Blueprint("events", __name__)
COLUMNS = ("event", "at", "level", "name", "subject", "details")


def confined() -> dict[str, Any]:
    """What the address asks for, as the catalog is asked."""
    zone = services().settings.zone
    return {
        "level": paging.text("level") or None,
        "name": paging.text("name") or None,
        "subject": paging.text("subject") or None,
        "by": paging.text("by") or None,
        "since": paging.day("from", zone),
        "until": paging.day("to", zone, behind=True),
    }


@pages.get("/events")
@needs(Right.LOOK)
def index() -> str:
    """Events, confined by level, name, subject, person and time."""
    house = services()
    size, before, asked = house.settings.page_size, paging.number("before"), confined()
    events = house.catalog.events.list(limit=size + 1, before=before, **asked)
    shown = events[:size]
    return render_template(
        "events.html",
        events=shown,
        asked=asked,
        day_from=paging.text("from"),
        day_to=paging.text("to"),
        levels=tuple(LEVEL),
        filtered=any(asked.values()),
        csv=paging.query("events.as_csv"),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(events) > size else None,
    )


@pages.get("/events.csv")
@needs(Right.LOOK)
def as_csv() -> Response:
    """The events that fit, all of them, newest first."""
    found = services().catalog.events.stream(**confined())

    def rows() -> Iterator[list[csv.Cell]]:
        for event in found:
            yield [event.id, event.at, event.level, event.name, event.subject, details(event.fields)]

    return csv.download("firn-events", COLUMNS, rows())
