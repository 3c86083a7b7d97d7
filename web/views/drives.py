"""One drive: what it does and says of itself, and what a person decides about it."""

from dataclasses import dataclass

from flask import Blueprint, abort, flash, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from drivers.base import MediumKind
from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import DriveRecord
from hsm.media import drives
from hsm.media.robots import ask_clean, ask_move
from hsm.states import DriveState, JobState
from web import paging
from web.access.gate import known_person, needs
from web.services import services
from web.views.doing import attempt, told, why_not_media

pages = Blueprint("drives", __name__, url_prefix="/library/<name>/drives/<int:index>")
SHOWN_EVENTS = 20
IDLE = frozenset({DriveState.EMPTY, DriveState.MOUNTED, DriveState.DOWN, DriveState.FAILED})


@dataclass(frozen=True)
class Buttons:
    """Why each button of a drive is off; "" where it is on."""

    up: str
    down: str
    clean: str
    unload: str


def buttons(drive: DriveRecord, off: str) -> Buttons:
    """Why each button is off. Pure; `off`: why all are."""
    clean = "" if drive.kind is MediumKind.TAPE else "It is a recorder; cleaning cartridges are for tape drives."
    unload = "" if drive.barcode else "It holds nothing."
    unload = unload or ("" if drive.state in IDLE else "It is being used.")
    down = "It is set aside already." if drive.state is DriveState.DOWN else ""
    up = drives.why_not_up(drive)
    return Buttons(off or (up and f"{up[0].upper()}{up[1:]}."), off or down, off or clean, off or unload)


def known(name: str, index: int) -> DriveRecord:
    """The drive, or a page that says there is none."""
    if index > paging.MAX_NUMBER:
        abort(404, "There is no such drive.")
    try:
        return services().catalog.drives.get(name, index)
    except NotCatalogued:
        abort(404, "There is no such drive. The page of the library has all that are known.")


@pages.get("")
@needs(Right.LOOK)
def show(name: str, index: int) -> Response:
    """One drive."""
    return _page(name, index)


def _page(name: str, index: int, fault: str = "", status: int = 200) -> Response:
    catalog, drive = services().catalog, known(name, index)
    return make_response(
        render_template(
            "drive.html",
            drive=drive,
            job=drives.at_work(drive, catalog.jobs.list(states=(JobState.RUNNING,), limit=1000)),
            buttons=buttons(drive, why_not_media()),
            off=why_not_media(),
            fault=fault,
            typed=request.form if fault else {},
            events=catalog.events.list(limit=SHOWN_EVENTS, subject=drive.serial),
        ),
        status,
    )


def _back(name: str, index: int) -> str:
    return url_for("drives.show", name=name, index=index)


@pages.post("/down")
@needs(Right.MEDIA)
def down(name: str, index: int) -> Response:
    """Set it aside, for a reason."""
    house, reason = services(), request.form.get("reason", "").strip()
    known(name, index)
    if not reason:
        return _page(name, index, "Say why, so that others know when to use it again.", 422)

    def decide() -> None:
        drives.set_down(house.catalog, name, index, reason[:500], house.clock.now())
        flash("It is set aside. What it does now is brought to its end.", "good")

    return attempt(decide, _back(name, index))


@pages.post("/up")
@needs(Right.MEDIA)
def up(name: str, index: int) -> Response:
    """Use it again."""
    house = services()

    def decide() -> None:
        drives.set_up(house.catalog, name, index, house.clock.now())
        flash("It is used again.", "good")

    return attempt(decide, _back(name, index))


@pages.post("/reserve")
@needs(Right.MEDIA)
def reserve(name: str, index: int) -> Response:
    """Keep it for recalls, or let it do everything again."""
    house, keep = services(), request.form.get("recalls_only") == "yes"

    def decide() -> None:
        drives.reserve(house.catalog, name, index, keep, house.clock.now())
        flash("It is kept for recalls." if keep else "It does everything again.", "good")

    return attempt(decide, _back(name, index))


@pages.post("/clean")
@needs(Right.MEDIA)
def clean(name: str, index: int) -> Response:
    """Have it cleaned as soon as it is idle."""
    house, by = services(), known_person().name

    def ask() -> None:
        told(ask_clean(house.catalog, name, index, by, house.clock.now()), "cleans it as soon as it is idle.")

    return attempt(ask, _back(name, index))


@pages.post("/unload")
@needs(Right.MEDIA)
def unload(name: str, index: int) -> Response:
    """Have what it holds brought to a free slot."""
    house, by, drive = services(), known_person().name, known(name, index)

    def ask() -> None:
        if drive.barcode is None:
            flash("Nothing was changed: it holds nothing.", "warn")
            return
        told(ask_move(house.catalog, drive.barcode, None, by, house.clock.now()), f"brings {drive.barcode} to a slot.")

    return attempt(ask, _back(name, index))
