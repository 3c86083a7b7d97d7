"""The addresses of rendered pictures and thumbnails. What may be wished is read elsewhere, and drawn elsewhere.

Source: PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from flask import Blueprint, Response, abort, request

from hsm.access.roles import Right
from hsm.archive import NotOnline
from hsm.cards.shelf import KEY, Card, CardShelf
from hsm.facts import StoredInstance
from hsm.pool import PoolFileMissing
from hsm.rendering import NotRendered, Rendered, RenderersBusy, Wish
from hsm.rendering.wish import Form
from hsm.states import OnlineState
from web.access.gate import needs
from web.dicomweb import frames, pictures
from web.dicomweb.answering import PREFIX, headers_of, instances_at, shelf, streamed, touched, wanted_types
from web.dicomweb.awaiting import not_online, not_online_and_not_wanted
from web.dicomweb.multipart import Writer
from web.errors import page
from web.services import services

pages = Blueprint("dicomweb_rendered", __name__, url_prefix=PREFIX)
KEPT_WARNING = "A small picture that stayed on disk; the study itself is away."
# Kept by the browser of this person, and asked about before each use: who signed out sees none of them again.
CACHING = "private, no-cache"
MOST_PARTS = 2_000  # pictures in one answer: an object may claim any number of frames
_INSTANCE = "/studies/<study>/series/<series>/instances/<instance>"


# -- rendered --------------------------------------------------------------------------------------------------------


@pages.get("/studies/<study>/rendered")
@pages.get("/studies/<study>/series/<series>/rendered")
@needs(Right.LOOK)
def several(study: str, series: str = "") -> Response:
    """A picture of each instance that has one, of a study or a series.

    Who takes no parts gets the one that stands for all.
    """
    found = instances_at(study, series)
    form, parts = _form(), _as_parts(len(found))
    wish = _wish(form)
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    if parts:
        return _parts(_each([(one, wish, "/rendered") for one in found], leave_out=True), form)
    return _single(next(_each([(one, wish, "/rendered") for one in _middle_first(found)], leave_out=True)))


@pages.get(f"{_INSTANCE}/rendered")
@needs(Right.LOOK)
def of_instance(study: str, series: str, instance: str) -> Response:
    """A picture of one instance: of the frame that stands for it, or of all as parts or as a moving GIF."""
    found = instances_at(study, series, instance)
    form, parts = _form(), _as_parts(1)
    wish = _wish(form)
    if (kept := _kept(found[0], wish)) is not None:
        return kept
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    if parts:
        if (count := _frames_of(found[0])) > MOST_PARTS:
            abort(406, f"It has {count} frames: ask for some of them, with /frames/1,2,3/rendered.")
        each = [(found[0], _wish(form, number), f"/frames/{number}/rendered") for number in range(1, count + 1)]
        return _parts(_each(each), form)
    return _single(next(_each([(found[0], wish, "/rendered")])))


@pages.get(f"{_INSTANCE}/frames/<numbers>/rendered")
@needs(Right.LOOK)
def of_frames(study: str, series: str, instance: str, numbers: str) -> Response:
    """Pictures of some frames of an instance, in the order asked for."""
    found = instances_at(study, series, instance)
    try:
        asked = frames.numbers_of(numbers)
    except frames.NoSuchFrame as error:
        abort(400, f"{error}.")
    form = _form(multipart=None if len(asked) == 1 else True)
    parts = _as_parts(len(asked))
    wishes = [_wish(form, number) for number in asked]
    if len(asked) == 1 and (kept := _kept(found[0], wishes[0])) is not None:
        return kept
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    made = _each([(found[0], wish, f"/frames/{wish.frame}/rendered") for wish in wishes])
    return _parts(made, form) if parts else _single(next(made))


# -- thumbnails ------------------------------------------------------------------------------------------------------


@pages.get("/studies/<study>/thumbnail")
@pages.get("/studies/<study>/series/<series>/thumbnail")
@pages.get(f"{_INSTANCE}/thumbnail")
@needs(Right.LOOK)
def thumbnail(study: str, series: str = "", instance: str = "") -> Response:
    """One small picture that stands for a study, a series or an instance. It never starts a recall."""
    return _thumbnail(study, series, instance)


@pages.get(f"{_INSTANCE}/frames/<int:number>/thumbnail")
@needs(Right.LOOK)
def thumbnail_of_frame(study: str, series: str, instance: str, number: int) -> Response:
    """One small picture of a frame."""
    return _thumbnail(study, series, instance, number)


def _thumbnail(study: str, series: str, instance: str, number: int | None = None) -> Response:
    found = instances_at(study, series, instance)
    form = _form(multipart=False)
    try:
        wish = pictures.thumbnail(request.args, form, number)
    except pictures.PictureInvalid as error:
        abort(400, f"{error}.")
    name = series or KEY
    if not instance and form is Form.JPEG and "viewport" not in request.args:
        path = _picture(study, name)
        if path is not None:
            return _file(path)
    here = [one for one in found if one.online_state is OnlineState.ONLINE]
    if not here:
        kept = _kept(found[0], wish) if instance else _kept_file(study, name, wish)
        return kept or not_online_and_not_wanted(found)
    return _single(next(_each([(one, wish, "/thumbnail") for one in _middle_first(here)], leave_out=not instance)))


# -- what stayed on disk ---------------------------------------------------------------------------------------------


def _kept(instance: StoredInstance, wish: Wish) -> Response | None:
    """The picture that was kept of an instance that is away, if it shows what is wished."""
    cards = shelf()
    if cards is None or instance.online_state is OnlineState.ONLINE or not wish.plain:
        return None
    study = instance.study_instance_uid
    card = cards.card(study)
    name = None if card is None else _name_of(card, instance, wish.frame)
    return None if name is None else _kept_file(study, name, wish)


def _name_of(card: Card, instance: StoredInstance, frame: int | None) -> str | None:
    """Which of the pictures that are kept shows an instance, the larger before the smaller."""
    for name in (KEY, instance.series_instance_uid):
        shown = card.shown.get(name)
        if name not in card.pictures or shown is None or shown.sop_instance_uid != instance.sop_instance_uid:
            continue
        if frame in (None, shown.frame):
            return name
    return None


def _kept_file(study: str, name: str, wish: Wish) -> Response | None:
    """A picture that is kept, as it is, with a word that says so."""
    path = _picture(study, name)
    if path is None or wish.form is not Form.JPEG:
        return None
    response = _file(path)
    response.headers["Warning"] = f'299 {request.host} "{KEPT_WARNING}"'
    return response


def _picture(study: str, name: str) -> Path | None:
    cards: CardShelf | None = shelf()
    return None if cards is None else cards.picture(study, name)


def _file(path: Path) -> Response:
    response = Response(path.read_bytes(), content_type=Form.JPEG.value)
    response.headers["Cache-Control"] = CACHING
    return response


# -- drawing ---------------------------------------------------------------------------------------------------------


def draw(instance: StoredInstance, wish: Wish) -> Rendered:
    """One picture of an instance that is on disk.

    Raises: NotRendered, RenderersBusy, NotOnline, PoolFileMissing.
    """
    house = services()
    if house.renderers is None:
        raise NotRendered("no pictures are drawn here: web.renderers is 0")
    with house.archive.open(instance) as stream:
        return house.renderers.render(stream, wish)


def _form(multipart: bool | None = None) -> Form:
    wanted = pictures.form_wanted(wanted_types(), multipart)
    if wanted is None:
        kinds = ", ".join(form.value for form in pictures.FORMS)
        several = ' Several come as multipart/related; type="image/jpeg".' if multipart else ""
        abort(406, f"Pictures are given as {kinds}.{several}")
    return wanted[0]


def _as_parts(count: int) -> bool:
    """Whether a client gets pictures as parts: it asked for that, or takes anything and there are several."""
    best = next(each for each in wanted_types() if pictures.form_wanted([each]) is not None)
    return best.multipart or (best.media_type == "*/*" and count > 1)


def _middle_first(found: Sequence[StoredInstance]) -> list[StoredInstance]:
    """In the order in which they may stand for all."""
    half = len(found) // 2
    return [*found[half:], *found[:half]]


def _wish(form: Form, frame: int | None = None) -> Wish:
    try:
        return pictures.rendered(request.args, form, frame)
    except pictures.PictureInvalid as error:
        abort(400, f"{error}.")


def _frames_of(instance: StoredInstance) -> int:
    try:
        with services().archive.open(instance) as stream:
            return frames.FrameReader(stream).frames
    except frames.FramesUnreadable as error:
        abort(406, f"{error}.")


Made = tuple[StoredInstance, str, Rendered]


def _each(wanted: Sequence[tuple[StoredInstance, Wish, str]], leave_out: bool = False) -> Iterator[Made]:
    """Pictures, each drawn when it is asked for. With `leave_out` what has no picture is passed over."""
    why = NotRendered("it has no picture")
    made = 0
    for instance, wish, below in wanted:
        try:
            yield instance, below, draw(instance, wish)
            made += 1
        except NotRendered as error:
            if not leave_out:
                raise
            why = error
    if not made:
        raise why


def _single(made: Made) -> Response:
    response = Response(made[2].data, content_type=made[2].form.value)
    response.headers["Cache-Control"] = CACHING
    return response


def _parts(made: Iterator[Made], form: Form) -> Response:
    writer = Writer()
    parts = ((headers_of(one, form.value, below), [picture.data]) for one, below, picture in made)
    return streamed(writer.body(parts), writer.content_type(form.value))


def answers_refusals(blueprint: Blueprint) -> None:
    """Have the addresses of a blueprint say why there is no picture."""
    blueprint.register_error_handler(NotRendered, not_rendered)
    for kind in (RenderersBusy, NotOnline, PoolFileMissing):
        blueprint.register_error_handler(kind, not_now)


def not_rendered(error: NotRendered) -> Response:
    """There is no such picture, or none that can be drawn."""
    return page(404 if error.missing else 406, f"No picture: {error}.")


def not_now(error: Exception) -> Response:
    """A moment later there may be one."""
    return page(503, f"{error}." if isinstance(error, RenderersBusy) else "It was moved at this moment. Ask again.")


answers_refusals(pages)
