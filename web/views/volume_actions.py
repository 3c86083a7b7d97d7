"""What a person does with one volume; each through the same function as the command line."""

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from drivers.base import Barcode
from hsm.access.roles import Right
from hsm.facts import VolumeRecord
from hsm.media.labelling import ask_label
from hsm.media.places import set_location
from hsm.media.robots import ask_export, ask_import, ask_move, ask_scan
from hsm.media.verifying import ask_verify_volume
from hsm.states import Place
from web.access.gate import known_person, needs
from web.services import services
from web.views.doing import attempt, refused, told
from web.views.volumes import known, page
from web.words import count, size

pages = Blueprint("volume_actions", __name__, url_prefix="/volumes/<barcode>")
LONGEST_REASON = 500
TYPE_IT = "Type the barcode of this volume exactly: {barcode}"
WHERE = "Say where it lies, so that it is found again."
WHY = "Say why, in words: it is kept with the volume."
Faults = dict[str, str]


def _back(volume: VolumeRecord) -> str:
    return url_for("volumes.show", barcode=volume.barcode)


def _text(name: str) -> str:
    return request.form.get(name, "").replace("\x00", "").strip()[:LONGEST_REASON]


def _typed(volume: VolumeRecord) -> Faults:
    """What is wrong with the barcode that has to be typed before something that cannot be taken back."""
    return {} if _text("typed") == volume.barcode else {"typed": TYPE_IT.format(barcode=volume.barcode)}


def _finish(volume: VolumeRecord, form: str, faults: Faults, action: Callable[[], None], field: str) -> Response:
    """Do it unless something is wrong; a refusal stands beside `field`."""
    if not faults and (refusal := refused(action)):
        faults[field] = refusal
    return page(volume.barcode, form, faults, 422) if faults else redirect(_back(volume), 303)


@pages.post("/label")
@needs(Right.MEDIA)
def label(barcode: str) -> Response:
    """Write our label on a blank or scratch tape, after its barcode was typed."""
    house, volume, by = services(), known(barcode), known_person().name

    def ask() -> None:
        pool = _text("pool") or None
        told(ask_label(house.catalog, house.volume_pools, volume.barcode, pool, by, house.clock.now()), "labels it.")

    return _finish(volume, "label", _typed(volume), ask, "pool")


@pages.post("/verify")
@needs(Right.MEDIA)
def verify(barcode: str) -> Response:
    """Read back everything that is on it."""
    house, volume, by = services(), known(barcode), known_person().name

    def ask() -> None:
        asked = ask_verify_volume(house.catalog, volume.barcode, by, house.clock.now())
        flash(f"{count(len(asked.copies), 'copy', 'copies')}, {size(asked.size_bytes)}, will be read back.", "good")

    return attempt(ask, _back(volume))


@pages.post("/scan")
@needs(Right.MEDIA)
def scan(barcode: str) -> Response:
    """Look at the medium: blank, ours, foreign or unreadable; nothing is written."""
    house, volume, by = services(), known(barcode), known_person().name

    def ask() -> None:
        told(ask_scan(house.catalog, volume.barcode, by, house.clock.now()), "looks what it is; nothing is written.")

    return attempt(ask, _back(volume))


@pages.post("/export")
@needs(Right.MEDIA)
def export(barcode: str) -> Response:
    """Have it laid into a mail slot, for a shelf or a vault."""
    house, volume, by = services(), known(barcode), known_person().name
    place, location = _place(), _text("location")
    force = _text("insist") == volume.barcode
    faults = {} if location else {"location": WHERE}

    def ask() -> None:
        leaving = ask_export(house.catalog, volume.barcode, place, location, force, by, house.clock.now())
        after = f" {count(len(leaving.offline), 'study', 'studies')} will be offline then." if leaving.offline else ""
        told(leaving.job_id, f"lays it into a mail slot, to be taken to {location}.{after}")

    return _finish(volume, "export", faults, ask, "insist")


@pages.post("/unload")
@needs(Right.MEDIA)
def unload(barcode: str) -> Response:
    """Have it brought out of its drive."""
    house, volume, by = services(), known(barcode), known_person().name

    def ask() -> None:
        told(ask_move(house.catalog, volume.barcode, None, by, house.clock.now()), "brings it to a free slot.")

    return attempt(ask, _back(volume))


@pages.post("/bring-back")
@needs(Right.MEDIA)
def bring_back(barcode: str) -> Response:
    """Have the robot take it in from a mail slot, where a person laid it."""
    house, volume, by = services(), known(barcode), known_person().name

    def ask() -> None:
        library = _text("library") or str(volume.library or "")
        told(ask_import(house.catalog, library, [volume.barcode], True, by, house.clock.now()), "takes it in.")

    return attempt(ask, _back(volume))


@pages.post("/place")
@needs(Right.MEDIA)
def place(barcode: str) -> Response:
    """Note where it lies outside the libraries."""
    house, volume = services(), known(barcode)
    where, location = _place(), _text("location")
    faults = {} if location else {"location": WHERE}
    if not faults and _text("was") not in ("", f"{volume.place.value} {volume.location}"):
        faults["location"] = "Somebody else said in the meantime where it lies: look above, then say it again."

    def note() -> None:
        set_location(house.catalog, volume.barcode, where, location, house.clock.now())
        flash(f"Noted: it lies at {location}.", "good")

    return _finish(volume, "place", faults, note, "location")


def _place() -> Place:
    return Place.VAULT if request.form.get("place") == Place.VAULT else Place.SHELF


@pages.post("/close")
@needs(Right.MEDIA)
def close(barcode: str) -> Response:
    """Write nothing more on it."""
    house, volume = services(), known(barcode)

    def decide() -> None:
        house.catalog.volumes.close(volume.barcode, house.clock.now())
        flash("Nothing more is written on it.", "good")

    return attempt(decide, _back(volume))


@pages.post("/doubt")
@needs(Right.MEDIA)
def doubt(barcode: str) -> Response:
    """Set it aside."""
    house, volume, reason = services(), known(barcode), _text("reason")

    def decide() -> None:
        house.catalog.volumes.doubt(volume.barcode, reason, house.clock.now())
        flash("It is set aside: read if it must be, and never written.", "good")

    return _finish(volume, "doubt", {} if reason else {"reason": WHY}, decide, "reason")


@pages.post("/clear")
@needs(Right.MEDIA)
def clear(barcode: str) -> Response:
    """Trust it again, for reading."""
    house, volume = services(), known(barcode)

    def decide() -> None:
        house.catalog.volumes.clear(volume.barcode, house.clock.now())
        flash("It is trusted again, for reading.", "good")

    return attempt(decide, _back(volume))


@pages.post("/repack")
@needs(Right.MEDIA)
def repack(barcode: str) -> Response:
    """Have everything on it made again elsewhere, so that it can be emptied."""
    house, volume, by, reason = services(), known(barcode), known_person().name, _text("reason")

    def begin() -> None:
        begun = house.catalog.repacks.begin(volume.barcode, reason, by, house.clock.now())
        flash(
            f"{count(begun.copies, 'copy', 'copies')}, {size(begun.size_bytes)}, will be made again elsewhere.", "good"
        )

    return _finish(volume, "repack", {} if reason else {"reason": WHY}, begin, "reason")


@pages.post("/repack/<step>")
@needs(Right.MEDIA)
def repack_step(barcode: str, step: str) -> Response:
    """Pause a repack, go on with it, or give it up."""
    house, volume, by = services(), known(barcode), known_person().name
    repacks = house.catalog.repacks
    steps: dict[str, tuple[Callable[[Barcode, str, datetime], object], str]] = {
        "pause": (repacks.pause, "It is paused: nothing further is begun."),
        "resume": (repacks.resume, "It goes on."),
        "cancel": (repacks.cancel, "It is given up; the volume is what it was before. New copies are kept."),
    }
    if step not in steps:
        abort(404)
    change, words = steps[step]

    def decide() -> None:
        change(volume.barcode, by, house.clock.now())
        flash(words, "good")

    return attempt(decide, _back(volume))


@pages.post("/erase")
@needs(Right.MEDIA)
def erase(barcode: str) -> Response:
    """Give a drained tape free to be labelled again, after its barcode was typed."""
    house, volume, by = services(), known(barcode), known_person().name

    def decide() -> None:
        house.catalog.volumes.erase(volume.barcode, by, house.clock.now())
        flash("It is scratch: it may be labelled again.", "good")

    return _finish(volume, "erase", _typed(volume), decide, "typed")


@pages.post("/lost")
@needs(Right.MEDIA)
def lost(barcode: str) -> Response:
    """Declare it lost, and every copy on it."""
    house = services()
    return _for_good(barcode, "lost", house.catalog.volumes.lose, "It is declared lost, and so is every copy on it.")


@pages.post("/retire")
@needs(Right.MEDIA)
def retire(barcode: str) -> Response:
    """Take it out of use for good."""
    return _for_good(barcode, "retire", services().catalog.volumes.retire, "It is out of use for good.")


def _for_good(barcode: str, form: str, change: Callable[..., None], done: str) -> Response:
    """Something that cannot be taken back: with a reason, and after the barcode was typed."""
    house, volume, reason = services(), known(barcode), _text("reason")
    faults = {**({} if reason else {"reason": WHY}), **_typed(volume)}

    def decide() -> None:
        change(Barcode(volume.barcode), reason, house.clock.now())
        flash(done, "good")

    return _finish(volume, form, faults, decide, "typed")
