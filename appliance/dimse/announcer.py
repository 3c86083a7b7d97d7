"""Notices what became of studies and tells the peers that want to know. One process of all does it at a time."""

import structlog

from appliance.dimse.announcing import AnnouncementRefused, announce, notification
from appliance.dimse.outgoing import DestinationRefused
from appliance.dimse.rounds import Rounds
from appliance.dimse.settings import DimseSettings
from hsm.archive import Archive
from hsm.catalog.announcements import Announcement
from hsm.catalog.errors import CatalogUnavailable

_log = structlog.get_logger()
LEASE = "availability-notifications"


class Announcer(Rounds):
    """Looks at what changed, while there is a peer that wants to know."""

    def __init__(self, archive: Archive, settings: DimseSettings) -> None:
        super().__init__(archive, settings, LEASE)

    def has_work(self) -> bool:
        return bool(self._wanted())

    def _wanted(self) -> list[str]:
        """The peers that want to know."""
        return sorted(aet for aet, peer in self._settings.peers.items() if peer.announce)

    def look(self) -> int:
        """Look once at what changed, and tell what is due; how many notifications were taken.

        Raises: CatalogUnavailable.
        """
        announcements, clock = self._archive.catalog.announcements, self._archive.clock
        announcements.look(self._wanted(), clock.now())
        told = 0
        silent: set[str] = set()  # who did not answer is not called again in this round
        for one in announcements.due(clock.now()):
            if one.peer_aet in silent:
                continue
            if not self.may_go_on():
                break
            if self._tell(one):
                told += 1
            else:
                silent.add(one.peer_aet)
        announcements.prune(clock.now())
        return told

    def _tell(self, one: Announcement) -> bool:
        catalog, clock = self._archive.catalog, self._archive.clock
        peer = self._settings.peers.get(one.peer_aet)
        if peer is None or not peer.announce:
            catalog.announcements.not_told(one, f"{one.peer_aet} is no peer any more that wants to know", clock.now())
            return False
        try:
            announce(self._settings, peer, one, notification(catalog, one.study_instance_uid, self._settings.ae_title))
        except (AnnouncementRefused, DestinationRefused) as error:
            _log.warning("availability_not_told", peer=one.peer_aet, study=one.study_instance_uid, why=str(error))
            catalog.announcements.not_told(one, str(error), clock.now())
            return False
        except CatalogUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one bad study must not silence all others
            _log.exception("availability_not_told", peer=one.peer_aet, study=one.study_instance_uid)
            catalog.announcements.not_told(one, f"internal error: {type(error).__name__}", clock.now())
            return False
        catalog.announcements.told(one, clock.now())
        _log.info("availability_told", peer=one.peer_aet, study=one.study_instance_uid, value=one.availability.value)
        return True
