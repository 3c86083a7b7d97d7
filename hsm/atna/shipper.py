"""Sends the audit trail, entry by entry, to a syslog server, and remembers in the catalog how far it is.

The trail itself is the spool: it is durable, outlives restarts, and is bounded by `audit.keep_days`. An entry may
arrive twice, after a connection that broke, and never not at all while the trail keeps it.
"""

from datetime import datetime, timedelta

import structlog

from drivers.clock import Clock
from hsm.atna.messages import Station, message
from hsm.atna.syslog import SyslogSettings, SyslogUnreachable, framed, send
from hsm.catalog import Catalog
from hsm.catalog.audit import AuditRecord, ObjectKind

FIGURE = "audit_sent"
EVERY_S = 2.0
BATCH = 200
TELL_AGAIN = timedelta(hours=1)

log = structlog.get_logger()


class Shipper:
    """One thread at a time, in one process at a time."""

    def __init__(self, catalog: Catalog, settings: SyslogSettings, station: Station, clock: Clock) -> None:
        self._catalog = catalog
        self._settings = settings
        self._station = station
        self._clock = clock
        self._told_at: datetime | None = None

    def round(self) -> int:
        """Send what is new; how many entries were handed over. Raises: CatalogUnavailable."""
        sent = 0
        while entries := self._catalog.audit.after(self._up_to(), BATCH):
            try:
                send(self._settings, [self._framed(entry) for entry in entries])
            except SyslogUnreachable as error:
                self._failed(str(error))
                return sent
            self._note(entries[-1].id, "")
            sent += len(entries)
            if self._told_at is not None:
                self._told_at = None
                self._catalog.events.record("info", "audit_syslog_again", self._settings.host, {}, self._clock.now())
        return sent

    def _framed(self, entry: AuditRecord) -> bytes:
        patient_id = ""
        if entry.kind == ObjectKind.STUDY and (study := self._catalog.studies.get(entry.object)) is not None:
            patient_id = study.patient_id
        return framed(message(entry, self._station, patient_id), entry.at, self._station.host)

    def _up_to(self) -> int:
        known = self._catalog.figures.latest([FIGURE]).get(FIGURE)
        if known is not None:
            return int(known.value["up_to"])
        newest = self._catalog.audit.newest_id()  # what was before the server was named stays here
        self._note(newest, "")
        return newest

    def _note(self, up_to: int, error: str) -> None:
        self._catalog.figures.publish({FIGURE: {"up_to": up_to, "error": error}}, self._clock.now())

    def _failed(self, why: str) -> None:
        now = self._clock.now()
        self._note(self._up_to(), why)
        log.warning("audit_not_sent", reason=why)
        if self._told_at is None or now - self._told_at >= TELL_AGAIN:
            self._told_at = now
            self._catalog.events.record("error", "audit_syslog_unreachable", self._settings.host, {"reason": why}, now)
