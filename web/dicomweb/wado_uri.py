"""WADO-URI: one object by the parameters of an address, as older programs ask for it.

Source: PS3.18 chapter 9.
"""

from collections.abc import Sequence

from flask import Blueprint, Response, abort, request

from hsm.access.roles import Right
from hsm.facts import StoredInstance
from hsm.rendering.wish import Form
from hsm.transcoding import can_decode, is_native
from web.access.gate import needs
from web.dicomweb import accept, pictures
from web.dicomweb.answering import PREFIX, instances_at, streamed, touched
from web.dicomweb.awaiting import not_online
from web.dicomweb.rendering import CACHING, answers_refusals, draw
from web.dicomweb.views import one_object

pages = Blueprint("dicomweb_wado_uri", __name__, url_prefix=PREFIX)
answers_refusals(pages)
# what is not done, and what to do instead
_NOT_DONE = {
    "anonymize": "Objects are not de-identified here.",
    "presentationUID": "Presentation states are not applied here.",
    "region": "A part of an image is had with the parameter viewport of /rendered.",
}


@pages.get("/wado")
@needs(Right.LOOK)
def retrieve() -> Response:
    """One object: whole, or as a picture."""
    given = request.args
    if given.get("requestType") != "WADO":
        abort(400, "requestType is WADO.")
    missing = [name for name in ("studyUID", "seriesUID", "objectUID") if not given.get(name)]
    if missing:
        abort(400, f"These parameters are missing: {', '.join(missing)}.")
    for name, words in _NOT_DONE.items():
        if given.get(name):
            abort(406, words)
    found = instances_at(given["studyUID"], given["seriesUID"], given["objectUID"])
    wanted = _wanted()
    if accept.takes(wanted[:1], accept.DICOM, multipart=False) and wanted[0].media_type != "*/*":
        return _whole(found)
    chosen = pictures.form_wanted(wanted, multipart=False)
    if chosen is None:
        if accept.takes(wanted, accept.DICOM, multipart=False):
            return _whole(found)
        abort(
            406, f"Objects are given as {accept.DICOM}, pictures as {', '.join(form.value for form in pictures.FORMS)}."
        )
    return _picture(found, chosen[0])


def _wanted() -> tuple[accept.Range, ...]:
    """What the parameter contentType names, else the header; a picture where neither says anything."""
    text = request.args.get("contentType", "")
    return accept.ranges(request.headers.get("Accept", ""), text)


def _whole(found: Sequence[StoredInstance]) -> Response:
    for name in ("rows", "columns", "windowCenter", "windowWidth", "frameNumber", "imageQuality", "annotation"):
        if name in request.args:
            abort(400, f"{name} is of pictures: a whole object has none of it.")
    stored, wanted = found[0].transfer_syntax_uid, request.args.get("transferSyntax") or accept.EXPLICIT
    target = accept.target_syntax(stored, (wanted,), is_native(stored), can_decode(stored))
    if target is None:
        abort(406, f"The object is stored as {stored} and cannot be given otherwise: ask for transferSyntax=*.")
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    return streamed(one_object(found[0], target), f"{accept.DICOM}; transfer-syntax={target}")


def _picture(found: Sequence[StoredInstance], form: Form) -> Response:
    try:
        wish = pictures.older(request.args, form)
    except pictures.PictureInvalid as error:
        abort(400, f"{error}.")
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    response = Response(draw(found[0], wish).data, content_type=form.value)
    response.headers["Cache-Control"] = CACHING
    return response
