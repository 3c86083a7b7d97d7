"""What happened, newest first."""

from flask import Blueprint, render_template

from hsm.access.roles import Right
from web import paging
from web.access.gate import needs
from web.services import services
from web.words import LEVEL

pages = Blueprint("events", __name__)


@pages.get("/events")
@needs(Right.LOOK)
def index() -> str:
    """Events, confined by level, name and subject."""
    house = services()
    size = house.settings.page_size
    level, name, subject = paging.text("level"), paging.text("name"), paging.text("subject")
    before = paging.number("before")
    events = house.catalog.events.list(
        limit=size + 1, level=level or None, name=name or None, subject=subject or None, before=before
    )
    shown = events[:size]
    return render_template(
        "events.html",
        events=shown,
        level=level,
        name=name,
        subject=subject,
        levels=tuple(LEVEL),
        filtered=bool(level or name or subject),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(events) > size else None,
    )
