"""Tapes and discs: what each holds, where it is, how worn it is; as a list, as CSV, as labels to print."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, abort, make_response, render_template, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from drivers.base import Barcode, MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.facts import VolumeRecord
from hsm.policy.risk import risk
from hsm.states import Place, VolumeState
from web import csv, paging
from web.access.gate import needs
from web.reads.inventory import BY_POOL, SORTS, VolumeFilter, every, page_of
from web.reads.studies import labels
from web.reads.volumes import packs_on, repack_of
from web.services import LabelsRefused, services
from web.views.doing import why_not_media
from web.views.volume_buttons import buttons

pages = Blueprint("volumes", __name__)
SHOWN_EVENTS = 10
PAGE_VOLUMES = 100
MOST_LABELS = 1000  # of one sheet
STALE_DAYS = (30, 90, 365)
NO_FAULTS: Mapping[str, str] = {}
COLUMNS = (
    *("barcode", "kind", "generation", "pool", "state", "reason", "place", "library", "location", "leaving"),
    *("capacity_bytes", "used_bytes", "packs", "labelled_at", "first_filled_at", "verified_at"),
    *("mounts", "errors", "written_bytes", "read_bytes", "corrected_errors", "uncorrected_errors", "uuid"),
)


@dataclass(frozen=True)
class Heading:
    """A column by which the list can be put in order."""

    words: str
    address: str
    order: str  # ascending, descending or none, as aria-sort has it


def wanted() -> VolumeFilter:
    """What the address asks for."""
    days = paging.number("stale")
    now = services().clock.now()
    return VolumeFilter(
        kind=paging.choice("kind", MediumKind),
        pool=paging.text("pool"),
        place=paging.choice("place", Place),
        state=paging.choice("state", VolumeState),
        text=paging.text("q"),
        unverified_since=now - timedelta(days=min(days, 36500)) if days else None,
    )


def order() -> tuple[str, bool]:
    """The name in SORTS and whether it runs downwards."""
    text = paging.text("sort")
    name = text.removeprefix("-")
    return (name, text.startswith("-")) if name in SORTS else (BY_POOL, False)


def heading(name: str, words: str) -> Heading:
    """A heading that leads to the list in its order, and to the other way round when it is so already."""
    now, down = order()
    turned = f"-{name}" if now == name and not down else name
    state = ("descending" if down else "ascending") if now == name else "none"
    return Heading(words, paging.here(sort=turned, page=None), state)


def by_pool(volumes: Iterable[VolumeRecord]) -> list[tuple[str, list[VolumeRecord]]]:
    """The volumes of each pool, in the order in which they come. Pure."""
    groups: dict[str, list[VolumeRecord]] = {}
    for volume in volumes:
        groups.setdefault(volume.pool or "", []).append(volume)
    return list(groups.items())


@pages.get("/volumes")
@needs(Right.LOOK)
def index() -> str:
    """All volumes, or those that fit; grouped by pool unless another order is wished."""
    house, confined, (sort, down) = services(), wanted(), order()
    number = max(1, paging.number("page") or 1)
    offset = min((number - 1) * PAGE_VOLUMES, paging.MAX_NUMBER)
    found = page_of(house.catalog, confined, sort, down, PAGE_VOLUMES, offset)
    grouped = by_pool(found.volumes) if sort == BY_POOL else [(None, found.volumes)] if found.volumes else []
    return render_template(
        "volumes.html",
        wanted=confined,
        stale=paging.number("stale"),
        stale_choices=STALE_DAYS,
        total=found.total,
        groups=grouped,
        heading=heading,
        sort=paging.text("sort"),
        pools=sorted({*house.volume_pools, *(v.pool for v in found.volumes if v.pool)}),
        kinds=MediumKind,
        place_choices=Place,
        state_choices=VolumeState,
        filtered=confined != VolumeFilter(),
        prints=house.label_sheet is not None,
        csv=paging.query("volumes.as_csv"),
        first=offset + 1,
        last=offset + len(found.volumes),
        previous=paging.here(page=number - 1 if number > 2 else None) if number > 1 else None,
        following=paging.here(page=number + 1) if offset + len(found.volumes) < found.total else None,
    )


@pages.get("/volumes.csv")
@needs(Right.LOOK)
def as_csv() -> Response:
    """The volumes that fit, all of them, by barcode."""

    def rows(volumes: Iterable[VolumeRecord]) -> Iterator[list[csv.Cell]]:
        for v in volumes:
            yield [
                *(v.barcode, v.kind.value, v.generation, v.pool, v.state.value, v.reason, v.place.value, v.library),
                *(v.location, "yes" if v.leaving else "", v.capacity_bytes, v.used_bytes, v.last_sequence),
                *(v.labelled_at, v.first_filled_at, v.verified_at, v.mounts, v.errors, v.written_bytes, v.read_bytes),
                *(v.corrected_errors, v.uncorrected_errors, v.uuid),
            ]

    return csv.download("firn-volumes", COLUMNS, rows(every(services().catalog, wanted())))


@pages.get("/volume-labels.pdf")
@needs(Right.LOOK)
def label_sheet() -> AnyResponse:
    """Labels to print, of the volumes that are named or of all that fit."""
    import io

    house = services()
    if house.label_sheet is None:
        abort(404)
    named = list(dict.fromkeys(request.args.getlist("barcode")))
    found = [volume for volume in map(house.catalog.volumes.find, map(Barcode, named[: MOST_LABELS + 1])) if volume]
    if not named:
        found = [v for v, _ in zip(every(house.catalog, wanted()), range(MOST_LABELS + 1), strict=False)]
    if not found:
        abort(400, "Choose the volumes whose labels are to be printed, on the page of the volumes.")
    if len(found) > MOST_LABELS:
        abort(400, f"More than {MOST_LABELS} labels at once are too many: choose fewer, or confine the list.")
    paper = "letter" if paging.text("paper") == "letter" else "a4"
    skip = min(paging.number("skip") or 0, 200)
    try:
        pdf = house.label_sheet(found, paper, paging.text("plain") != "yes", skip)
    except LabelsRefused as error:
        abort(400, f"Nothing was printed: {error}.")
    name = f"firn-label-{found[0].barcode}.pdf" if len(found) == 1 else "firn-labels.pdf"
    return send_file(io.BytesIO(pdf), "application/pdf", as_attachment=True, download_name=name)


def known(barcode: str) -> VolumeRecord:
    """The volume, or a page that says there is none."""
    try:
        return services().catalog.volumes.get(Barcode(barcode))
    except NotCatalogued:
        abort(404, "No volume with this barcode was ever seen. The list of volumes has all that are known.")


@pages.get("/volumes/<barcode>")
@needs(Right.LOOK)
def show(barcode: str) -> AnyResponse:
    """One volume, the packs on it, and what can be done with it."""
    return page(barcode)


def page(barcode: str, form: str = "", faults: Mapping[str, str] = NO_FAULTS, status: int = 200) -> AnyResponse:
    """The page; `form`: the action that was filled in wrongly, with the faults beside its fields."""
    house = services()
    catalog = house.catalog
    volume = known(barcode)
    page_number = max(1, paging.number("page") or 1)
    size = house.settings.page_size
    offset = min((page_number - 1) * size, paging.MAX_NUMBER)
    packs = packs_on(catalog, volume.barcode, size, offset)
    further = offset + len(packs.packs) < packs.total
    return make_response(
        render_template(
            "volume.html",
            volume=volume,
            buttons=buttons(volume, house.volume_pools, packs.total, why_not_media()),
            form=form,
            faults=faults,
            typed=request.form if form else {},
            page=packs,
            first=offset + 1,
            last=offset + len(packs.packs),
            previous=paging.here(page=page_number - 1 if page_number > 2 else None) if page_number > 1 else None,
            following=paging.here(page=page_number + 1) if further else None,
            labels=labels(catalog, [pack.study_instance_uid for pack in packs.packs]),
            prints=house.label_sheet is not None,
            repack=repack_of(catalog, volume),
            risk=risk(volume, catalog.volumes.bad_writers(volume.barcode).get(volume.barcode, ()), house.clock.now()),
            events=catalog.events.list(limit=SHOWN_EVENTS, subject=volume.barcode),
        ),
        status,
    )
