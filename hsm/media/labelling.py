"""Which blank volumes get our label, for which pool; what holds data is refused, nothing is ever written over."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from drivers.base import Barcode, MediumKind
from hsm.catalog import Catalog
from hsm.catalog.records import JobRequest
from hsm.facts import VolumePool, VolumeRecord
from hsm.media.refusal import MediaRefused, in_words
from hsm.states import LABEL_VOLUMES, JobKind, Place


def fitting_pool(pools: Mapping[str, VolumePool], volume: VolumeRecord) -> str | None:
    """The pool whose pattern names a volume. Pure."""
    for pool in pools.values():
        named = any(fnmatchcase(volume.barcode, pattern) for pattern in pool.barcodes)
        if named and pool.kind is volume.kind and volume.library in (None, pool.library):
            return pool.name
    return None


def possible_pools(pools: Mapping[str, VolumePool], volume: VolumeRecord) -> list[str]:
    """The pools a volume could be labelled for, the one whose pattern names it first. Pure."""
    fitting = fitting_pool(pools, volume)
    others = [p.name for p in pools.values() if p.kind is volume.kind and volume.library in (None, p.library)]
    return [*([fitting] if fitting else []), *(name for name in others if name != fitting)]


def why_not_labelled(volume: VolumeRecord) -> str:
    """Why a volume gets no label, in a sentence without a full stop; "" when it may get one. Pure."""
    if volume.kind is MediumKind.DISC:
        return "a disc gets its label when it is burnt"
    if volume.state not in LABEL_VOLUMES:
        because = f" ({volume.reason})" if volume.reason else ""
        return f"it is {in_words(volume.state)}{because}; only a blank or scratch volume can be labelled"
    return ""


def why_not_now(volume: VolumeRecord) -> str:
    """Why a volume that may get a label waits for a person first; "" when it does not. Pure."""
    if volume.place is Place.LIBRARY:
        return ""
    return f"it is {in_words(volume.place)} {volume.location}".rstrip()


def ask_label(
    catalog: Catalog, pools: Mapping[str, VolumePool], barcode: Barcode, pool: str | None, by: str, now: datetime
) -> int:
    """Have our label written on a blank tape; the number of the job. `pool`: None for the one whose pattern fits.

    The engine looks at the tape before it writes: one that holds data it does not know stays as it is.

    Raises: MediaRefused, NotCatalogued.
    """
    volume = catalog.volumes.get(barcode)
    name = pool or fitting_pool(pools, volume)
    if why := why_not_labelled(volume):
        raise MediaRefused(f"{barcode} is not labelled: {why}")
    if name is None:
        raise MediaRefused(
            f"{barcode} is not labelled: no volume pool of its library names it; choose one with --pool (configured: "
            f"{_names(pools)})"
        )
    if name not in pools:
        raise MediaRefused(f"{barcode} is not labelled: there is no volume pool {name} (configured: {_names(pools)})")
    return catalog.jobs.submit(label_request(volume, name, by), now)[0]


def label_request(volume: VolumeRecord, pool: str, by: str) -> JobRequest:
    """The job that writes our label."""
    return JobRequest(
        kind=JobKind.LABEL,
        key=f"label:{volume.barcode}",
        pool=pool,
        barcode=volume.barcode,
        payload={"barcode": volume.barcode, "pool": pool},
        requested_by=by,
        reason=f"label {volume.barcode} for {pool}",
    )


def _names(pools: Iterable[str]) -> str:
    return ", ".join(pools) or "none"
