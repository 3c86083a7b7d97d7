"""Tapes and discs: what each holds, where it is, how well it is."""

from collections.abc import Iterable

from flask import Blueprint, abort, render_template

from drivers.base import Barcode, MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.facts import VolumeRecord
from hsm.states import Place, VolumeState
from web import paging
from web.access.gate import needs
from web.reads.studies import labels
from web.reads.volumes import packs_on
from web.services import services

pages = Blueprint("volumes", __name__)
SHOWN_EVENTS = 10


def by_pool(volumes: Iterable[VolumeRecord]) -> list[tuple[str, list[VolumeRecord]]]:
    """The volumes of each pool by barcode, pools by name; those in no pool come last, under "". Pure."""
    groups: dict[str, list[VolumeRecord]] = {}
    for volume in sorted(volumes, key=lambda volume: volume.barcode):
        groups.setdefault(volume.pool or "", []).append(volume)
    return sorted(groups.items(), key=lambda group: (not group[0], group[0]))


@pages.get("/volumes")
@needs(Right.LOOK)
def index() -> str:
    """All volumes, or those of one kind, pool, place or state; grouped by pool."""
    catalog = services().catalog
    kind, place = paging.choice("kind", MediumKind), paging.choice("place", Place)
    state, pool = paging.choice("state", VolumeState), paging.text("pool")
    volumes = catalog.volumes.list(kind=kind, pool=pool or None, place=place, state=state)
    return render_template(
        "volumes.html",
        total=len(volumes),
        groups=by_pool(volumes),
        pools=sorted({*services().volume_pools, *(v.pool for v in volumes if v.pool)}),
        kind=kind,
        place=place,
        state=state,
        pool=pool,
        kinds=MediumKind,
        place_choices=Place,
        state_choices=VolumeState,
        filtered=bool(kind or place or state or pool),
    )


@pages.get("/volumes/<barcode>")
@needs(Right.LOOK)
def show(barcode: str) -> str:
    """One volume and the packs on it."""
    house = services()
    catalog = house.catalog
    try:
        volume = catalog.volumes.get(Barcode(barcode))
    except NotCatalogued:
        abort(404, "No volume with this barcode was ever seen. The list of volumes has all that are known.")
    page_number = max(1, paging.number("page") or 1)
    size = house.settings.page_size
    offset = min((page_number - 1) * size, paging.MAX_NUMBER)
    page = packs_on(catalog, volume.barcode, size, offset)
    return render_template(
        "volume.html",
        volume=volume,
        page=page,
        first=offset + 1,
        last=offset + len(page.packs),
        previous=paging.here(page=page_number - 1 if page_number > 2 else None) if page_number > 1 else None,
        following=paging.here(page=page_number + 1) if offset + len(page.packs) < page.total else None,
        labels=labels(catalog, [pack.study_instance_uid for pack in page.packs]),
        events=catalog.events.list(limit=SHOWN_EVENTS, subject=volume.barcode),
    )
