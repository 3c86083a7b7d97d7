"""The dry run of a repack: what it would take, by what the catalog says now. Changes nothing."""

from collections.abc import Mapping

from drivers.base import Barcode
from hsm.catalog import Catalog
from hsm.engine.demand import volume_facts
from hsm.engine.health import is_usable
from hsm.facts import VolumePool
from hsm.repack.forecast import Forecast, Means, forecast
from hsm.scheduler import MediaTiming


def what_it_takes(catalog: Catalog, pools: Mapping[str, VolumePool], barcode: Barcode, room_bytes: int) -> Forecast:
    """Estimate the repack of a volume; `room_bytes`: of the staging area. Raises: NotCatalogued."""
    volume, items = catalog.volumes.get(barcode), catalog.repacks.items(barcode)
    facts = volume_facts(catalog.volumes.list(), pools, {}, frozenset())
    drives = [d for d in catalog.drives.list() if d.library == volume.library and d.kind is volume.kind]
    means = Means(facts, sum(is_usable(drive) for drive in drives), room_bytes, MediaTiming())
    return forecast(next(fact for fact in facts if fact.barcode == barcode), items, means)
