"""The configuration as it was read when the pages began; it is changed in its file."""

from itertools import groupby

from flask import Blueprint, render_template

from hsm.access.roles import Right
from web import paging
from web.access.gate import needs
from web.services import services

pages = Blueprint("settings", __name__)


@pages.get("/settings")
@needs(Right.ADMINISTER)
def index() -> str:
    """Every key, its value, and where that was said; `only=changed` leaves the defaults out."""
    known = services().configuration
    changed = paging.text("only") == "changed"
    shown = [one for one in known if not (changed and one.is_default)]
    groups = [(table, list(rows)) for table, rows in groupby(shown, key=lambda one: one.table)]
    return render_template(
        "settings.html", groups=groups, changed=changed, total=len(known), set=sum(not one.is_default for one in known)
    )
