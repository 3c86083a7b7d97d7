"""Light previews: pictures of a study that stay on disk after it has left it."""

from collections.abc import Collection

from flask import Blueprint, abort, send_file
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.cards import Card
from hsm.cards.shelf import KEY
from hsm.catalog.records import StudyRecord
from hsm.states import Availability
from web.access.gate import needs
from web.services import services

pages = Blueprint("cards", __name__)
# Kept by the browser of this person, and asked about before each use: who signed out sees none of them again.
CACHING = "private, no-cache"


@pages.get("/studies/<uid>/card.jpg")
@needs(Right.LOOK)
def key(uid: str) -> Response:
    """The key image of a study."""
    return _picture(uid, KEY)


@pages.get("/studies/<uid>/series/<series>/card.jpg")
@needs(Right.LOOK)
def thumbnail(uid: str, series: str) -> Response:
    """The small picture of a series."""
    return _picture(uid, series)


def _picture(uid: str, name: str) -> Response:
    cards = services().cards
    path = cards.shelf.picture(uid, name) if cards is not None else None
    if path is None or services().catalog.studies.get(uid) is None:
        abort(404, "There is no preview of this. It is made when the study is on disk.")
    response = send_file(path, mimetype="image/jpeg", conditional=True, max_age=0)
    response.headers["Cache-Control"] = CACHING
    return response


def card_of(study: StudyRecord, availability: Availability) -> tuple[Card | None, bool]:
    """The preview of a study, and whether a new one is being made: where it is on disk and has none, or an old one."""
    cards, uid = services().cards, study.study_instance_uid
    if cards is None:
        return None, False
    card = cards.shelf.card(uid)
    fresh = card is not None and card.instances == study.instance_count
    return card, availability is Availability.ONLINE and not fresh and cards.want(uid)


def with_key(uids: Collection[str]) -> frozenset[str]:
    """Which of some studies have a key image."""
    cards = services().cards
    return frozenset(uid for uid in uids if cards is not None and cards.shelf.picture(uid, KEY) is not None)
