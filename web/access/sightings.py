"""Who saw the images of a study, for the audit trail. One look at a study is hundreds of requests, and one entry."""

import threading
from datetime import datetime, timedelta

from flask import current_app

from hsm.catalog.audit import ObjectKind
from web.access.gate import actor, known_person
from web.services import services

ONE_LOOK = timedelta(minutes=10)
MOST = 10_000  # looks that are remembered; forgetting one costs an entry too many, never one too few

Look = tuple[str, str, str]  # who, from where, which study


class Sightings:
    """The looks of the last minutes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._at: dict[Look, datetime] = {}
        self._lock = threading.Lock()

    def is_new(self, look: Look, now: datetime) -> bool:
        """Whether this begins another look; it is remembered."""
        with self._lock:
            at = self._at.get(look)
            if at is not None and timedelta(0) <= now - at < ONE_LOOK:
                return False
            if len(self._at) >= MOST:
                self._at = {one: then for one, then in self._at.items() if now - then < ONE_LOOK}
            if len(self._at) >= MOST:
                self._at.clear()
            self._at[look] = now
            return True


def saw(study_uid: str, series_uid: str = "", *, anew: bool = False) -> None:
    """Write down that who asks sees images of a study; `anew`: whatever was written a moment ago.

    Raises: CatalogError.
    """
    house, who = services(), actor(known_person().name)
    now = house.clock.now()
    sightings: Sightings = current_app.extensions.setdefault("firn.sightings", Sightings())
    if sightings.is_new((who.name, who.address, study_uid), now) or anew:
        about = {"series": series_uid} if series_uid else {}
        house.catalog.audit.record(who, "study_viewed", ObjectKind.STUDY, study_uid, now, fields=about)
