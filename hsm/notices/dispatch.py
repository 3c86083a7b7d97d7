"""One round of telling: route what happened, then send what is due."""

from datetime import UTC, datetime, timedelta, tzinfo

import structlog

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.notices.model import Message, Note, NotTold, Target, bundles, message
from hsm.notices.sending import SendSettings, hand_over

KEPT = timedelta(days=90)
EVERY_S = 5.0

log = structlog.get_logger()


class Dispatcher:
    """Tells targets. One thread at a time."""

    def __init__(self, catalog: Catalog, settings: SendSettings, clock: Clock, zone: tzinfo = UTC) -> None:
        self._catalog = catalog
        self._settings = settings
        self._clock = clock
        self._zone = zone

    def round(self) -> int:
        """Route and send; how many messages were handed over. Raises: CatalogUnavailable."""
        notices = self._catalog.notices
        notices.route(self._zone, self._clock.now())
        sent = 0
        for (kind, address), pending in notices.waiting().items():
            now = self._clock.now()
            for bundle in bundles(pending, notices.told_lately(kind, address, now), now):
                text = self._message([item.note for item in bundle.items])
                try:
                    answer = hand_over(self._settings, kind, address, text, now)
                except NotTold as error:
                    notices.not_told(pending, str(error), self._clock.now())
                    log.warning("notice_not_handed_over", kind=kind, events=len(bundle.items), reason=str(error))
                    break  # the others to the same address would fare no better: all wait
                notices.told(bundle.items, answer, self._clock.now())
                log.info("notice_handed_over", kind=kind, events=len(bundle.items))
                sent += 1
        return sent

    def tidy(self) -> None:
        """Forget what was told long ago. Raises: CatalogUnavailable."""
        self._catalog.notices.prune(self._clock.now() - KEPT)

    def _message(self, notes: list[Note]) -> Message:
        return message(notes, self._settings.house, self._settings.pages)


def send_test(settings: SendSettings, target: Target, by: str, now: datetime) -> str:
    """Send a test to a target at once and return the answer. Raises: NotTold."""
    note = Note(now, "info", "test", target.name, {"sent_by": by})
    return hand_over(settings, target.kind.value, target.address, message([note], settings.house, settings.pages), now)
