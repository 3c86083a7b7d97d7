"""The listener for orders, with what it does with a message."""

from appliance.mllp.server import MllpServer, MllpSettings
from hsm.archive import Archive
from hsm.catalog.errors import CatalogError
from hsm.orders.hl7_answer import take


def orders_server(archive: Archive, settings: MllpSettings) -> MllpServer:
    """A listener that is not started yet."""
    catalog, clock = archive.catalog, archive.clock

    def done(raw: bytes, address: str) -> bytes:
        return take(raw, address, catalog, settings.zone, clock.now())

    def refused(address: str) -> None:
        try:
            catalog.events.record("warning", "hl7_sender_refused", address, {}, clock.now())
        except CatalogError:
            return  # the log has it

    return MllpServer(done, settings, refused)
