"""The peers of this moment: those of the configuration file, and those that people add while the node runs."""

import threading
import time
from collections.abc import Iterator, Mapping

import structlog

from appliance.dimse.settings import Peer
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable

LOOK_EVERY_S = 2.0  # so soon a change on the page counts in every acceptor

log = structlog.get_logger()


class Directory(Mapping[str, Peer]):
    """Peers by AE title, read from the catalog at most every LOOK_EVERY_S; while it is away the last ones count."""

    def __init__(self, configured: Mapping[str, Peer], catalog: Catalog) -> None:
        self._configured = dict(configured)
        self._catalog = catalog
        self._lock = threading.Lock()
        self._known: dict[str, Peer] = dict(configured)
        self._look_at_s = float("-inf")

    def _now(self) -> dict[str, Peer]:
        with self._lock:
            if time.monotonic() >= self._look_at_s:
                self._look_at_s = time.monotonic() + LOOK_EVERY_S
                try:
                    kept = self._catalog.peers.list()
                except CatalogUnavailable as error:
                    log.warning("peers_not_read", reason=str(error))
                else:
                    added = {peer.ae_title: Peer.of(peer) for peer in kept}
                    self._known = added | self._configured
            return self._known

    def __getitem__(self, ae_title: str) -> Peer:
        return self._now()[ae_title]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())
