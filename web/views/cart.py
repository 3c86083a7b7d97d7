"""The cart of the signed-in account: studies put aside, to be asked for together."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hsm.access.roles import Right
from hsm.archive import Asked
from hsm.catalog.carts import MOST
from hsm.catalog.errors import CartFull, NotCatalogued, NotRecallable
from web.access.gate import known_person, needs, within
from web.reads.studies import labels
from web.reads.wishes import cart, picture
from web.services import services
from web.words import count

pages = Blueprint("cart", __name__)
NO_DESTINATION = "Nothing was sent: choose one of the workstations in the list."
NOTHING_TICKED = "No study was ticked: nothing changed."


@pages.get("/cart")
@needs(Right.RECALL)
def show() -> str:
    """What is in it, and what bringing all of it back takes."""
    lines = cart(services().catalog, known_person().id)
    return render_template(
        "cart.html", lines=lines, picture=picture(lines), most=MOST, destinations=services().destinations()
    )


@pages.post("/cart/add")
@needs(Right.RECALL)
def add() -> Response:
    """Put the chosen studies in."""
    house, chosen = services(), ticked()
    if not chosen:
        flash(NOTHING_TICKED, "warn")
        return back()
    try:
        new = house.catalog.carts.add(known_person().id, chosen, house.clock.now())
    except CartFull:
        flash(f"A cart holds {MOST} studies, and these do not fit any more: bring back or take out some first.", "bad")
    else:
        flash(f"{count(new, 'study', 'studies')} put into your cart." if new else "In your cart already.", "good")
    return back()


@pages.post("/cart/remove")
@needs(Right.RECALL)
def remove() -> Response:
    """Take the chosen studies out, or all of them."""
    house, account = services(), known_person().id
    everything = request.form.get("everything") == "yes"
    if not everything and not ticked():
        flash(NOTHING_TICKED, "warn")
        return back()
    gone = house.catalog.carts.remove(account, None if everything else ticked())
    flash(f"{count(gone, 'study', 'studies')} taken out of your cart.", "good")
    return back()


@pages.post("/cart/recall")
@needs(Right.RECALL)
def recall() -> Response:
    """Ask for all that is in it; what was asked for leaves the cart, what cannot come stays with its reason."""
    house, person = services(), known_person()
    wanted = house.catalog.carts.list(person.id)
    if not wanted:
        flash("Your cart is empty: put studies into it first.", "warn")
        return redirect(url_for("cart.show"), 303)
    asked = house.archive.request_recalls(wanted, requested_by=person.name)
    granted = [one.study_instance_uid for one in asked if one.request_id is not None]
    house.catalog.carts.remove(person.id, granted)
    refused = [one for one in asked if one.request_id is None]
    if granted:
        flash(f"Asked for {count(len(granted), 'study', 'studies')}. You may close this page.", "good")
    if refused:
        flash(_refusals(refused), "bad")
    return redirect(url_for("cart.show" if refused and not granted else "requests.index"), 303)


@pages.post("/cart/send")
@needs(Right.RECALL)
def send() -> Response:
    """Have all that is in it sent to a node, what is not on disk after its recall; what cannot come stays."""
    house, person = services(), known_person()
    destination = request.form.get("destination", "")
    if destination not in house.destinations():
        flash(NO_DESTINATION, "bad")
        return redirect(url_for("cart.show"), 303)
    granted, refused = [], []
    for uid in house.catalog.carts.list(person.id):
        try:
            house.archive.deliver(uid, destination, requested_by=person.name)
            granted.append(uid)
        except (NotRecallable, NotCatalogued) as error:
            refused.append(Asked(uid, None, str(error)))
    house.catalog.carts.remove(person.id, granted)
    if granted:
        flash(f"{count(len(granted), 'study', 'studies')} will be sent to {destination}.", "good")
    if refused:
        flash(_refusals(refused), "bad")
    return redirect(url_for("cart.show" if refused and not granted else "deliveries.index"), 303)


def _refusals(refused: list[Asked]) -> str:
    names = labels(services().catalog, [one.study_instance_uid for one in refused[:3]])
    which = "; ".join(names[uid].description or uid for one in refused[:3] if (uid := one.study_instance_uid) in names)
    more = ", and more" if len(refused) > 3 else ""
    number = count(len(refused), "study", "studies")
    return (
        f"{number} cannot be brought back now, for no copy of a part can be read, and stay in your cart: {which}{more}."
    )


def ticked() -> list[str]:
    """The studies a form names: the one whose own button was pressed, else those that are ticked."""
    one = request.form.get("one")
    chosen = [one] if one else request.form.getlist("study")
    return [uid.replace("\x00", "")[:64] for uid in chosen if uid]


def back() -> Response:
    """To the page the form was on."""
    return redirect(within(request.form.get("back", "") or url_for("cart.show")), 303)
