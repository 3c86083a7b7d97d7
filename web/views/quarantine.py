"""What was sent and could not be accepted."""

from flask import Blueprint, render_template

from hsm.access.roles import Right
from web.access.gate import needs
from web.services import services

pages = Blueprint("quarantine", __name__)
SHOWN_FILES = 200


@pages.get("/quarantine")
@needs(Right.LOOK)
def index() -> str:
    """The files in quarantine, newest first."""
    files = services().catalog.intake.quarantine(limit=SHOWN_FILES + 1)
    return render_template("quarantine.html", files=files[:SHOWN_FILES], more=len(files) > SHOWN_FILES)
