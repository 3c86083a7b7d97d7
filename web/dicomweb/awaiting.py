"""What a client is told when what it wants is not on disk: that it is being fetched, and when to ask again.

Source: PS3.18 section 8.5 (status codes), RFC 9110 sections 10.2.3 (Retry-After) and 15.6.4 (503).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.catalog.records import RecallStatus
from hsm.facts import StoredInstance
from hsm.states import Availability, OnlineState, Place
from web.access.gate import known_person, may
from web.services import services

LEAST_WAIT_S, USUAL_WAIT_S, LONGEST_WAIT_S = 5, 60, 3600


def not_online(instances: Sequence[StoredInstance]) -> Response | None:
    """The answer to who wants these instances of one study, or None when they are all on disk.

    Who may have studies brought back starts that by asking; equal wishes share one recall.
    """
    missing = [each for each in instances if each.online_state is not OnlineState.ONLINE]
    if not missing:
        return None
    house = services()
    study_uid = missing[0].study_instance_uid
    known = house.catalog.studies.instance_availabilities(study_uid)
    worst = worst_of([known.get(each.sop_instance_uid, Availability.UNAVAILABLE) for each in missing])
    if worst is Availability.UNAVAILABLE:
        return _answer(worst, "A part of it has no copy that can be read now.", None)
    if not may(Right.RECALL):
        return _answer(worst, "It is not on disk, and your account or token may not have studies brought back.", None)
    try:
        number = house.archive.request_recall(
            study_uid, (), [each.sop_instance_uid for each in missing], requested_by=known_person().name
        )
    except (NotRecallable, NotCatalogued):
        return _answer(Availability.UNAVAILABLE, "A part of it has no copy that can be read now.", None)
    status = house.archive.recall_state(number)
    if worst is Availability.OFFLINE:
        volumes = house.catalog.studies.volumes_of([study_uid]).get(study_uid, ())
        names = [str(volume.barcode) for volume in volumes if volume.place is not Place.LIBRARY]
        words = f"It waits for an operator to bring {', '.join(names) or 'its volume'}; ask again later."
        return _answer(worst, words, status, names)
    return _answer(worst, "It is being brought back from a volume; ask again later.", status)


def not_online_and_not_wanted(instances: Sequence[StoredInstance]) -> Response:
    """The answer to who looks for a small picture of what is away, of which none was kept: nothing is brought back."""
    known = services().catalog.studies.instance_availabilities(instances[0].study_instance_uid)
    worst = worst_of([known.get(each.sop_instance_uid, Availability.UNAVAILABLE) for each in instances])
    return _answer(worst, "It is not on disk, and no small picture of it was kept. Its frames can be asked for.", None)


def worst_of(found: Sequence[Availability]) -> Availability:
    """The least rapidly available of several. Source: PS3.4 C.4.1.1.3.2."""
    order = (Availability.ONLINE, Availability.NEARLINE, Availability.OFFLINE, Availability.UNAVAILABLE)
    return max(found, key=order.index)


def retry_after_s(eta_at: datetime | None, now: datetime) -> int:
    """When to ask again, in seconds: when it should be there, but neither at once nor in the far future."""
    if eta_at is None:
        return USUAL_WAIT_S
    return round(min(LONGEST_WAIT_S, max(LEAST_WAIT_S, (eta_at - now).total_seconds())))


def _answer(
    availability: Availability, words: str, recall: RecallStatus | None, volumes: Sequence[str] = ()
) -> Response:
    body: dict[str, Any] = {"status": 503, "title": "Not on disk", "detail": words, "availability": availability.value}
    response = Response(status=503, content_type="application/problem+json")
    if recall is not None:
        body["recall"] = {"id": recall.request_id, "eta": recall.eta_at.isoformat() if recall.eta_at else None}
        wait_s = (
            LONGEST_WAIT_S
            if availability is Availability.OFFLINE
            else retry_after_s(recall.eta_at, services().clock.now())
        )
        response.headers["Retry-After"] = str(wait_s)
    if volumes:
        body["volumes"] = list(volumes)
    response.set_data(json.dumps(body))
    return response
