"""The libraries as they stand, drives, slots and mail slots side by side, and what their robots are asked."""

from collections.abc import Mapping

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from drivers.base import Barcode
from hsm.access.roles import Right
from hsm.media.robots import ask_export, ask_import, ask_inventory, ask_move
from hsm.states import JobState, Place
from web import paging
from web.access.gate import known_person, needs
from web.reads.inventory import named
from web.reads.library import LibraryView, arrange
from web.services import services
from web.views.doing import attempt, refused, told, why_not_media

pages = Blueprint("library", __name__)
NO_FAULTS: Mapping[str, str] = {}


@pages.get("/library")
@needs(Right.LOOK)
def show() -> Response:
    """All libraries, or the one that is named."""
    return _page(paging.text("library"))


def _page(only: str = "", form: str = "", faults: Mapping[str, str] = NO_FAULTS, status: int = 200) -> Response:
    """The page; `form`: what was filled in wrongly, as "library/action", with the faults beside its fields."""
    catalog = services().catalog
    running = catalog.jobs.list(states=(JobState.RUNNING,), limit=1000)
    elements, drives = catalog.volumes.elements(only or None), catalog.drives.list(only or None)
    held = {barcode for barcode in (*(e.barcode for e in elements), *(d.barcode for d in drives)) if barcode}
    shown = arrange(elements, drives, named(catalog, held), running)
    return make_response(
        render_template(
            "library.html",
            libraries=shown,
            only=only,
            wanted=catalog.shelf.wanted(),
            off=why_not_media(),
            form=form,
            faults=faults,
            typed=request.form if form else {},
        ),
        status,
    )


def _known(name: str) -> LibraryView:
    """The library of that name, or a page that says there is none."""
    catalog = services().catalog
    found = arrange(catalog.volumes.elements(name), catalog.drives.list(name), [], [])
    if not found:
        abort(404, "There is no library of this name. The engine names them when it starts.")
    return found[0]


@pages.post("/library/<name>/inventory")
@needs(Right.MEDIA)
def inventory(name: str) -> Response:
    """Have the robot asked what is where."""
    _known(name)
    house, by = services(), known_person().name

    def ask() -> None:
        told(ask_inventory(house.catalog, name, by, house.clock.now()), f"looks at library {name}.")

    return attempt(ask, url_for("library.show"))


@pages.post("/library/<name>/import")
@needs(Right.MEDIA)
def take_in(name: str) -> Response:
    """Have the robot bring in what lies in its mail slots, or the one volume that is named."""
    house, by, library = services(), known_person().name, _known(name)
    barcode = request.form.get("barcode", "").strip()

    def ask() -> None:
        scan = request.form.get("scan") == "yes"
        job = ask_import(house.catalog, library.name, [barcode] if barcode else [], scan, by, house.clock.now())
        told(job, f"brings {barcode or 'what lies in the mail slots'} into {name}.")

    return attempt(ask, url_for("library.show"))


@pages.post("/library/<name>/export")
@needs(Right.MEDIA)
def take_out(name: str) -> Response:
    """Have the robot lay a volume into a mail slot, for a shelf or a vault."""
    house, by, library = services(), known_person().name, _known(name)
    barcode, location = request.form.get("barcode", "").strip(), request.form.get("location", "").strip()
    place = Place.VAULT if request.form.get("place") == Place.VAULT else Place.SHELF
    faults = {} if location else {"location": "Say where it is taken to, so that it is found again."}
    if fault := _not_here(library, barcode):
        faults["barcode"] = fault
    force = request.form.get("insist", "").strip() == barcode

    def ask() -> None:
        leaving = ask_export(house.catalog, Barcode(barcode), place, location, force, by, house.clock.now())
        offline = len(leaving.offline)
        after = f" {offline} studies can then only be had by bringing it back." if offline else ""
        told(leaving.job_id, f"lays {barcode} into a mail slot, to be taken to {location}.{after}")

    if not faults and (refusal := refused(ask)):
        faults["barcode"] = refusal
    return _answer(f"{name}/export", faults)


@pages.post("/library/<name>/move")
@needs(Right.MEDIA)
def move(name: str) -> Response:
    """Have the robot bring a volume to another slot; without a number out of its drive, to a free one."""
    house, by, library = services(), known_person().name, _known(name)
    barcode, text = request.form.get("barcode", "").strip(), request.form.get("slot", "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
    faults = {"slot": "The number of a slot, or nothing."} if text and number is None else {}
    if number is not None and number not in library.free_slots:
        faults["slot"] = f"Slot {number} is not a free slot of {name}."
    if fault := _not_here(library, barcode):
        faults["barcode"] = fault

    def ask() -> None:
        job = ask_move(house.catalog, Barcode(barcode), number, by, house.clock.now())
        told(job, f"brings {barcode} to {'a free slot' if number is None else f'slot {number}'}.")

    if not faults and (refusal := refused(ask)):
        faults["barcode"] = refusal
    return _answer(f"{name}/move", faults)


def _not_here(library: LibraryView, barcode: str) -> str:
    """What is wrong with a barcode that was typed for a library; "" when it is in it."""
    if not barcode:
        return "Name the volume."
    return "" if barcode in library.barcodes else f"No volume of this barcode was seen in {library.name}."


def _answer(form: str, faults: Mapping[str, str]) -> Response:
    return _page(form=form, faults=faults, status=422) if faults else redirect(url_for("library.show"), 303)
