"""A thread that does one round of work after another, in one process of all at a time: who holds the lease works."""

import os
import socket
import threading
from abc import ABC, abstractmethod

import structlog

from appliance.dimse.settings import DimseSettings
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable

_log = structlog.get_logger()
LEASE_S = 120.0  # longer than a peer may take to answer; renewed before each is called


class Rounds(ABC):
    """What tells peers something, every `report_poll_s`. Nothing that goes wrong in a round ends the rounds."""

    def __init__(self, archive: Archive, settings: DimseSettings, lease: str) -> None:
        """`lease`: the name of this work in the catalog, and of the thread."""
        self._archive = archive
        self._settings = settings
        self._lease = lease
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=lease)

    @abstractmethod
    def look(self) -> int:
        """One round; how many peers were told. Raises: CatalogUnavailable."""

    def has_work(self) -> bool:
        """Whether there may be anything to look at."""
        return True

    def start(self) -> None:
        """Begin. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the peer that is being told."""
        self._stopping.set()
        self._thread.join()

    def may_go_on(self) -> bool:
        """Whether the next peer is ours to be told; asked before each. Raises: CatalogUnavailable."""
        return not self._stopping.is_set() and self._holds()

    def _holds(self) -> bool:
        return self._archive.catalog.leases.take(self._lease, self._holder, self._archive.clock.now(), LEASE_S)

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.report_poll_s):
            try:
                if self.has_work() and self._holds():
                    self.look()
            except CatalogUnavailable as error:
                _log.warning("round_waits_for_catalog", work=self._lease, error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of the thread: a silent end would silence all that comes after
                _log.exception("round_failed", work=self._lease)
        try:
            self._archive.catalog.leases.drop(self._lease, self._holder)
        except CatalogUnavailable:
            _log.info("lease_left_to_expire", lease=self._lease)
