"""Where volumes lie that people carry."""

from datetime import datetime

from drivers.base import Barcode
from hsm.catalog import Catalog
from hsm.media.refusal import MediaRefused
from hsm.states import OUTSIDE_PLACES, Place


def set_location(catalog: Catalog, barcode: Barcode, place: Place, location: str, now: datetime) -> None:
    """Note where a volume lies that a person took out of its library, carried elsewhere, or brought to another site.

    One that still lies in the mail slot it was exported to stays on its way: it counts as back only after somebody took
    it. One that is put into a library again is recognised by the robot, and its place outside is forgotten then.

    Raises: MediaRefused, NotCatalogued.
    """
    volume = catalog.volumes.get(barcode)
    if place not in OUTSIDE_PLACES:
        raise MediaRefused("a volume gets into a library by putting it there: the robot sees it by itself")
    if not location.strip():
        raise MediaRefused(f"say where {barcode} lies, so that it is found again")
    catalog.volumes.move(barcode, place, location.strip(), now, leaving=volume.leaving)
