"""Who may associate, judged by AE title and address, and how a refusal is made known without filling the catalog.

Source: PS3.8 section 9.3.4 (calling AE title not recognised).
"""

import socket
import threading
import time
from collections.abc import Callable

import structlog

from appliance.dimse.settings import Callers, DimseSettings
from hsm.access.actor import Actor, Via, acting
from hsm.archive import Archive
from hsm.catalog.errors import CatalogError
from hsm.peers.model import among

ASK_NAMES_EVERY_S = 60.0
SAME_AGAIN_S = 3600.0  # the same refusal becomes one event in this time
MOST_KNOWN = 1000  # refusals that are told apart; more of them are only in the log

_log = structlog.get_logger()


def addresses_of(host: str) -> tuple[str, ...]:
    """Every address of a host name, or of an address itself; () when nobody knows it."""
    try:
        return tuple(sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}))
    except OSError:
        return ()


class Doorkeeper:
    """Judges callers; one for all associations of a node."""

    def __init__(
        self,
        archive: Archive,
        settings: DimseSettings,
        resolve: Callable[[str], tuple[str, ...]] = addresses_of,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._resolve = resolve
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._names: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._told: dict[tuple[str, str, str], float] = {}

    def stranger(self, calling_aet: str, address: str) -> str:
        """Why this caller may not associate, "" when it may."""
        peer, callers = self._settings.peers.get(calling_aet), self._settings.callers
        if peer is None:
            return "" if callers is Callers.ANYBODY else f"caller {calling_aet} is no peer"
        if peer.addresses:
            allowed = peer.addresses
        elif callers is Callers.PEERS_AT_THEIR_ADDRESS:
            allowed = self._known(peer.host)
        else:
            return ""
        return "" if among(address, allowed) else f"{calling_aet} does not call from {address}"

    def _known(self, host: str) -> tuple[str, ...]:
        now_s = self._clock_s()
        with self._lock:
            asked_s, found = self._names.get(host, (float("-inf"), ()))
        if now_s - asked_s < ASK_NAMES_EVERY_S:
            return found
        found = self._resolve(host) or found  # a name server that is away does not shut the door
        with self._lock:
            self._names[host] = (now_s, found)
        return found

    def refused(self, calling_aet: str, address: str, why: str) -> None:
        """Log a refusal, and note it as an event unless the same one was noted within the hour. Raises nothing."""
        _log.warning("association_refused", calling_aet=calling_aet or None, address=address, why=why)
        if not self._is_news((calling_aet, address, why.split(":", maxsplit=1)[0])):
            return
        fields = {"address": address, "reason": why}
        try:
            with acting(Actor(calling_aet or address, Via.DICOM, address)):
                self._archive.catalog.events.record(
                    "warning", "association_refused", calling_aet, fields, self._archive.clock.now()
                )
        except CatalogError as error:
            _log.warning("event_not_recorded", reason=str(error))

    def _is_news(self, refusal: tuple[str, str, str]) -> bool:
        now_s = self._clock_s()
        with self._lock:
            if now_s - self._told.get(refusal, float("-inf")) < SAME_AGAIN_S:
                return False
            if len(self._told) >= MOST_KNOWN:
                self._told = {one: at_s for one, at_s in self._told.items() if now_s - at_s < SAME_AGAIN_S}
            if len(self._told) >= MOST_KNOWN:
                return False
            self._told[refusal] = now_s
            return True
