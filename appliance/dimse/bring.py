"""Brings what is wanted onto the disk before it is sent, and says in a few words why something cannot come.

No network here: whoever waits passes in how it waits.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

import structlog

from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status
from hsm.archive import Archive
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.catalog.records import RecallStatus
from hsm.facts import StoredInstance
from hsm.states import Availability, OnlineState, Place

_log = structlog.get_logger()


@dataclass(frozen=True)
class Obstacle:
    """Why something cannot be sent now."""

    status: Status  # the final status if nothing at all can be sent
    text: str
    recall: int | None = None  # the request by which it will come back


Stuck = list[tuple[StoredInstance, Obstacle]]


class Bringer:
    """Recalls for one request of one peer."""

    def __init__(self, archive: Archive, settings: DimseSettings, calling_aet: str) -> None:
        self._archive = archive
        self._settings = settings
        self._calling_aet = calling_aet
        self._recalls: dict[str, int] = {}  # by study, what is waited for

    def bring(
        self, instances: Sequence[StoredInstance], wait: Callable[[float], None]
    ) -> tuple[list[StoredInstance], Stuck]:
        """The instances that are on disk when the waiting is over, in order, and the others with their obstacle.

        `wait(seconds)` is called again and again while a recall goes on; what it raises goes through.

        Raises: CatalogUnavailable.
        """
        away: dict[str, list[StoredInstance]] = {}
        for instance in instances:
            if instance.online_state is not OnlineState.ONLINE:
                away.setdefault(instance.study_instance_uid, []).append(instance)
        if not away:
            return list(instances), []
        stuck: Stuck = []
        recalls = self._recalls
        barred = self._barred(away)
        for study_uid, missing in away.items():
            if study_uid in barred:
                stuck.extend((instance, barred[study_uid]) for instance in missing)
                continue
            reachable, out_of_reach = self._sorted_out(study_uid, missing)
            stuck.extend(out_of_reach)
            if reachable:
                self._request(study_uid, reachable, recalls, stuck)
        texts = self._wait_for_all(recalls, wait)
        return self._look_again(instances, stuck, texts)

    def unfinished(self, instances: Sequence[StoredInstance]) -> Stuck:
        """Of these instances what is still waited for, when the waiting ended by an error of `wait`.

        Raises: CatalogUnavailable.
        """
        waiting = {}
        for study_uid, number in self._recalls.items():
            status = self._archive.recall_state(number)
            if not (status.done or status.failed):
                waiting[study_uid] = Obstacle(Status.RECALL_GOES_ON, _when(status), number)
        away = [one for one in instances if one.online_state is not OnlineState.ONLINE]
        return [(one, waiting[one.study_instance_uid]) for one in away if one.study_instance_uid in waiting]

    def _barred(self, away: Iterable[str]) -> dict[str, Obstacle]:
        """Which of these studies are more than this peer may have brought back in a day; in their order.

        Raises: CatalogUnavailable.
        """
        most = self._settings.recalls_of(self._calling_aet)
        if most is None:
            return {}
        since = self._archive.clock.now() - timedelta(days=1)
        known = self._archive.catalog.requests.studies_recalled(self._calling_aet, since)
        left = most - len(known)
        text = f"recalls are barred here: {most} studies a day" if most else "this peer may have nothing recalled"
        barred = {}
        for study_uid in away:
            if study_uid in known:
                continue  # it was asked for before, and counts once
            left -= 1
            if left < 0:
                barred[study_uid] = Obstacle(Status.RECALLS_BARRED, text)
        if barred:
            fields = {"studies": len(barred), "limit_per_day": most}
            self._archive.catalog.events.record(
                "warning", "recalls_barred", self._calling_aet, fields, self._archive.clock.now()
            )
        return barred

    def _sorted_out(self, study_uid: str, missing: Sequence[StoredInstance]) -> tuple[list[StoredInstance], Stuck]:
        """What a library can reach, and what not."""
        known = self._archive.catalog.studies.instance_availabilities(study_uid)
        reachable, stuck, offline = [], [], []
        for instance in missing:
            availability = known.get(instance.sop_instance_uid, Availability.UNAVAILABLE)
            if availability is Availability.UNAVAILABLE:
                stuck.append((instance, Obstacle(Status.UNAVAILABLE, "no copy of this study can be read")))
            elif availability is Availability.OFFLINE:
                offline.append(instance)
            else:
                reachable.append(instance)
        if offline:
            obstacle = self._offline(study_uid, offline)
            stuck.extend((instance, obstacle) for instance in offline)
        return reachable, stuck

    def _offline(self, study_uid: str, offline: Sequence[StoredInstance]) -> Obstacle:
        """Names the volumes to bring, and puts them on the operator's list."""
        volumes = self._archive.catalog.studies.volumes_of([study_uid]).get(study_uid, ())
        names = ", ".join(str(volume.barcode) for volume in volumes if volume.place is not Place.LIBRARY)
        text, number = f"offline: bring {names or 'its volume'}", None
        try:
            uids = [instance.sop_instance_uid for instance in offline]
            number = self._archive.request_recall(study_uid, (), uids, requested_by=self._calling_aet)
            text = f"{text} (recall {number})"
        except (NotRecallable, NotCatalogued) as error:
            _log.warning("offline_recall_refused", study=study_uid, error=str(error))
        return Obstacle(Status.OFFLINE, text, number)

    def _request(self, study_uid: str, wanted: Sequence[StoredInstance], recalls: dict[str, int], stuck: Stuck) -> None:
        uids = [instance.sop_instance_uid for instance in wanted]
        try:
            recalls[study_uid] = self._archive.request_recall(study_uid, (), uids, requested_by=self._calling_aet)
        except (NotRecallable, NotCatalogued) as error:
            obstacle = Obstacle(Status.UNAVAILABLE, "no copy of this study can be read")
            _log.warning("recall_refused", study=study_uid, error=str(error))
            stuck.extend((instance, obstacle) for instance in wanted)

    def _wait_for_all(self, recalls: dict[str, int], wait: Callable[[float], None]) -> dict[str, Obstacle]:
        """Wait until every recall is done or has failed, or patience is over; obstacles by study."""
        deadline = time.monotonic() + self._settings.patience_of(self._calling_aet)
        obstacles: dict[str, Obstacle] = {}
        waiting = dict(recalls)
        while waiting:
            for study_uid, number in list(waiting.items()):
                status = self._archive.recall_state(number)
                if status.done:
                    del waiting[study_uid]
                elif status.failed:
                    del waiting[study_uid]
                    obstacles[study_uid] = Obstacle(Status.RECALL_FAILED, f"recall {number} failed: {status.message}")
                else:
                    obstacles[study_uid] = Obstacle(Status.RECALL_GOES_ON, _when(status), number)
            left_s = deadline - time.monotonic()
            if waiting and left_s <= 0:
                return obstacles
            if waiting:
                wait(min(self._settings.recall_poll_s, left_s))
        return obstacles

    def _look_again(
        self, instances: Sequence[StoredInstance], stuck: Stuck, obstacles: dict[str, Obstacle]
    ) -> tuple[list[StoredInstance], Stuck]:
        known_stuck = {instance.sop_instance_uid for instance, _ in stuck}
        now = self._archive.catalog.intake.find_many([instance.sop_instance_uid for instance in instances])
        ready = []
        for instance in instances:
            if instance.sop_instance_uid in known_stuck:
                continue
            found = now.get(instance.sop_instance_uid, instance)
            if found.online_state is OnlineState.ONLINE:
                ready.append(found)
            else:
                gone = Obstacle(Status.RECALL_FAILED, "released again before it could be sent")
                stuck.append((instance, obstacles.get(instance.study_instance_uid, gone)))
        return ready, stuck


def _when(status: RecallStatus) -> str:
    if status.eta_at is None:
        return f"recall {status.request_id} goes on"
    return f"recall {status.request_id}, ready about {status.eta_at.astimezone(UTC):%H:%M} UTC"
