"""The DICOM nodes around the archive: who they are, what they may do, and whether they answer."""

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.commitment.levels import Level
from hsm.peers.model import PeerRecord, PeerRefused, PeerRight, checked, overlaid
from web.access.gate import known_person, needs
from web.services import services

pages = Blueprint("peers", __name__)
MEANINGS = {
    PeerRight.STORE: "sends studies in",
    PeerRight.QUERY: "searches",
    PeerRight.RETRIEVE: "has studies sent, to itself or to others",
    PeerRight.COMMIT: "asks for storage commitment",
    PeerRight.RECEIVE: "is sent studies that others ask for",
}
LEVELS = (
    (Level.DISK.value, "when it is on disk"),
    (Level.TWO_COPIES.value, "when it was read back from two volumes"),
    (Level.TWO_SITES.value, "when it was read back from two volumes, one of them in a vault"),
)
NOBODY_ASKS = "Peers are asked by an appliance that runs; this one was started without its DICOM part."


def configured() -> tuple[PeerRecord, ...]:
    """The peers of the configuration file."""
    house = services()
    return house.peering.configured if house.peering else ()


def known(ae_title: str) -> PeerRecord:
    """The peer, or a page that says there is none."""
    peers = {peer.ae_title: peer for peer in overlaid(configured(), services().catalog.peers.list())}
    return peers.get(ae_title) or abort(404, "There is no peer with this AE title.")


def editable(ae_title: str) -> PeerRecord:
    """The peer, if it is changed here."""
    peer = known(ae_title)
    if peer.configured:
        abort(409, f"{ae_title} stands in the configuration file and is changed there.")
    return peer


def typed(ae_title: str | None = None) -> PeerRecord:
    """The peer of the form, under a title that is given or typed. Raises: PeerRefused."""
    form = request.form
    return checked(
        form.get("ae_title", "") if ae_title is None else ae_title,
        form.get("host", ""),
        form.get("port", ""),
        form.get("patience_s", ""),
        form.getlist("rights"),
        commit=form.get("commit", Level.DISK),
        tls="tls" in form,
        recalls_per_day=form.get("recalls_per_day", ""),
        addresses=form.get("addresses", ""),
    )


def _index(status: int = 200, faults: dict[str, str] | None = None) -> Response:
    house = services()
    return make_response(
        render_template(
            "peers.html",
            peers=overlaid(configured(), house.catalog.peers.list()),
            checks=house.catalog.peers.checks(),
            meanings=MEANINGS,
            levels=LEVELS,
            faults=faults or {},
            typed=request.form if faults else {},
            chosen=request.form.getlist("rights") if faults else [right.value for right in PeerRight],
            not_asked="" if house.peering else NOBODY_ASKS,
        ),
        status,
    )


def _one(peer: PeerRecord, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    house = services()
    form = request.form if faults else None
    return make_response(
        render_template(
            "peer.html",
            peer=peer,
            check=house.catalog.peers.checks().get(peer.ae_title),
            meanings=MEANINGS,
            faults=faults or {},
            levels=LEVELS,
            typed=form or _filled(peer),
            chosen=form.getlist("rights") if form else [right.value for right in peer.rights],
            not_asked="" if house.peering else NOBODY_ASKS,
            events=house.catalog.events.list(limit=10, subject=peer.ae_title),
        ),
        status,
    )


def _filled(peer: PeerRecord) -> dict[str, object]:
    """The fields of the form as the peer is now."""
    return {
        "host": peer.host,
        "port": peer.port,
        "patience_s": _plain(peer.patience_s),
        "commit": peer.commit.value,
        "tls": peer.tls,
        "recalls_per_day": _plain(peer.recalls_per_day),
        "addresses": ", ".join(peer.addresses),
    }


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


@pages.get("/peers")
@needs(Right.ADMINISTER)
def index() -> Response:
    """All peers."""
    return _index()


@pages.post("/peers")
@needs(Right.ADMINISTER)
def add() -> Response:
    """Know another peer; the DICOM services do at once."""
    house = services()
    try:
        peer = typed()
        taken = [other.ae_title for other in configured()]
        house.catalog.peers.add(peer, taken, known_person().name, house.clock.now())
    except PeerRefused as refused:
        return _index(422, refused.faults)
    flash(f"{peer.ae_title} is known now.", "good")
    return redirect(url_for("peers.show", ae_title=peer.ae_title), 303)


@pages.get("/peers/<ae_title>")
@needs(Right.ADMINISTER)
def show(ae_title: str) -> Response:
    """One peer."""
    return _one(known(ae_title))


@pages.post("/peers/<ae_title>")
@needs(Right.ADMINISTER)
def change(ae_title: str) -> Response:
    """Change a peer that nobody else changed since."""
    house, peer = services(), editable(ae_title)
    seen = request.form.get("version", "")
    try:
        wanted = typed(ae_title)
        version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else -1
        house.catalog.peers.change(wanted, version, known_person().name, house.clock.now())
    except PeerRefused as refused:
        return _one(peer, 409 if "" in refused.faults else 422, refused.faults)
    flash(f"{ae_title} is changed; the DICOM services know it at once.", "good")
    return redirect(url_for("peers.show", ae_title=ae_title), 303)


@pages.post("/peers/<ae_title>/check")
@needs(Right.ADMINISTER)
def check(ae_title: str) -> Response:
    """Send a C-ECHO now and say what came of it."""
    house, peer = services(), known(ae_title)
    if house.peering is None:
        abort(409, NOBODY_ASKS)
    answer = house.peering.echo(peer)
    house.catalog.peers.checked(ae_title, answer, house.clock.now())
    if answer.answered:
        flash(f"{ae_title} answered the C-ECHO after {answer.took_s * 1000:.0f} ms.", "good")
    else:
        flash(f"{ae_title} did not answer: {answer.text}.", "warn")
    back = request.form.get("back") == "one"
    return redirect(url_for("peers.show", ae_title=ae_title) if back else url_for("peers.index"), 303)


@pages.post("/peers/<ae_title>/remove")
@needs(Right.ADMINISTER)
def remove(ae_title: str) -> Response:
    """Forget a peer, whose title was typed to be sure."""
    house, peer = services(), editable(ae_title)
    if request.form.get("typed", "").strip(" ") != ae_title:
        return _one(peer, 422, {"typed": f"Type {ae_title} to remove it."})
    try:
        house.catalog.peers.remove(ae_title, known_person().name, house.clock.now())
    except NotCatalogued:
        abort(404, "Somebody removed this peer before you.")
    flash(f"{ae_title} is no longer a peer.", "good")
    return redirect(url_for("peers.index"), 303)
