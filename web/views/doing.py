"""What pages with actions share: who may press, what a refusal looks like, where the work is to be seen."""

from collections.abc import Callable

from flask import flash, redirect, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import CatalogUnavailable, JobRefused, NotCatalogued, VolumeRefused
from hsm.media import MediaRefused
from hsm.states import IllegalTransition
from web.access.gate import may

ONLY_LOOKS = "Your account may look at media, not handle them."
REFUSALS = (MediaRefused, VolumeRefused, JobRefused, IllegalTransition, NotCatalogued)


def why_not_media() -> str:
    """Why buttons about media are off for who asks; "" when they are on."""
    return "" if may(Right.MEDIA) else ONLY_LOOKS


def told(job_id: int, words: str) -> None:
    """Say at the top of the next page that a job was asked for, with the way to it."""
    link = Markup('<a href="{}">Job {}</a>').format(url_for("jobs.show", job_id=job_id), job_id)
    flash(Markup("{} {}").format(link, words), "good")


def attempt(action: Callable[[], None], back: str) -> Response:
    """Do something that may be refused in words, and go back to a page that says what became of it."""
    if refusal := refused(action):
        flash(refusal, "warn")
    return redirect(back, 303)


def refused(action: Callable[[], None]) -> str:
    """Do something; the refusal as a sentence, "" when it was done. Raises: CatalogUnavailable."""
    try:
        action()
    except CatalogUnavailable:
        raise
    except REFUSALS as error:
        words = str(error).rstrip(".")
        return f"Nothing was changed: {words}."
    return ""
