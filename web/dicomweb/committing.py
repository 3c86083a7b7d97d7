"""Storage commitment over the web: who sent objects asks whether it may forget its own.

Source: PS3.18 chapter 13.
"""

import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, request

from hsm.access.roles import Right
from hsm.catalog.commitments import CommitmentRecord, CommitmentState, TransactionKnown
from hsm.commitment.levels import FileSet, Reference, Verdict, web_asker
from hsm.format.text import is_uid
from web.access.gate import known_person, needs
from web.dicomweb import accept
from web.dicomweb.answering import PREFIX, wanted_types
from web.services import services

pages = Blueprint("dicomweb_committing", __name__, url_prefix=PREFIX)
LOOK_AGAIN_S = 60
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_REFERENCES = 100_000
_CLASS, _INSTANCE, _REFERENCED, _FAILED = "00081150", "00081155", "00081199", "00081198"


@pages.post("/commitment-requests/<transaction>")
@needs(Right.STORE)
def ask(transaction: str) -> Response:
    """Ask for the safekeeping of objects: 200 with what is promised, or 202 when that is not known yet."""
    _takes_json()
    if not is_uid(transaction):
        abort(400, "The transaction of the address is no UID.")
    request.max_content_length = MAX_BODY_BYTES
    if (request.mimetype or "") not in (accept.DICOM_JSON, "application/json"):
        abort(415, f"Send {accept.DICOM_JSON}.")
    house = services()
    asker, level, now = web_asker(known_person().name), house.settings.commit, house.clock.now()
    try:
        house.catalog.commitments.ask(asker, transaction, _references(request.get_data()), level, now)
    except TransactionKnown:
        abort(409, "This Transaction UID asked about other objects before.")
    return _result(transaction)


@pages.get("/commitment-requests/<transaction>")
@needs(Right.STORE)
def check(transaction: str) -> Response:
    """What became of a request of one's own."""
    _takes_json()
    return _result(transaction)


def _takes_json() -> None:
    wanted = wanted_types()
    if not any(accept.takes(wanted, kind, multipart=False) for kind in (accept.DICOM_JSON, "application/json")):
        abort(406, f"Answers are given as {accept.DICOM_JSON}.")


def _result(transaction: str) -> Response:
    house = services()
    now, commitments = house.clock.now(), house.catalog.commitments
    found = commitments.find(web_asker(known_person().name), transaction)
    if found is None:
        abort(404, "You have asked for no commitment with this Transaction UID.")
    verdict = commitments.verdict(found, now, house.settings.commitment_patience)
    if not verdict.final:
        response = Response(status=202)
        response.headers["Retry-After"] = str(LOOK_AGAIN_S)
        return response
    _answered(found, verdict)
    return Response(json.dumps(_said(verdict)), content_type=accept.DICOM_JSON)


def _answered(found: CommitmentRecord, verdict: Verdict) -> None:
    if found.state is CommitmentState.WAITING:
        services().catalog.commitments.answered(found, verdict, services().clock.now())


def _references(body: bytes) -> Sequence[Reference]:
    """The objects of a request. Source: PS3.18 section J.1."""
    try:
        said = json.loads(body)
        (dataset,) = said if isinstance(said, list) else [said]
        items = dataset[_REFERENCED]["Value"]
        found = [Reference(item[_CLASS]["Value"][0], item[_INSTANCE]["Value"][0]) for item in items]
        valid = all(is_uid(uid) for one in found for uid in (one.sop_class_uid, one.sop_instance_uid))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        abort(400, "The body is no DICOM JSON with a Referenced SOP Sequence (0008,1199) of classes and instances.")
    if not valid or not 1 <= len(found) <= MAX_REFERENCES:
        abort(400, f"Referenced SOP Sequence names from 1 to {MAX_REFERENCES} objects, each by two UIDs.")
    return found


def _said(verdict: Verdict) -> dict[str, Any]:
    """Source: PS3.18 section J.2."""
    body: dict[str, Any] = {}
    if verdict.committed:
        items = [{**_item(each.reference), **_file_set(each.file_set)} for each in verdict.committed]
        body[_REFERENCED] = {"vr": "SQ", "Value": items}
    if verdict.refused:
        failed = [
            {**_item(each.reference), "00081197": {"vr": "US", "Value": [int(each.reason)]}} for each in verdict.refused
        ]
        body[_FAILED] = {"vr": "SQ", "Value": failed}
    return dict(sorted(body.items()))


def _item(reference: Reference) -> dict[str, Any]:
    return {
        _CLASS: {"vr": "UI", "Value": [reference.sop_class_uid]},
        _INSTANCE: {"vr": "UI", "Value": [reference.sop_instance_uid]},
    }


def _file_set(found: FileSet | None) -> dict[str, Any]:
    if found is None:
        return {}
    said = {"00880130": {"vr": "SH", "Value": [found.file_set_id]}}
    return {**said, "00880140": {"vr": "UI", "Value": [found.file_set_uid]}} if found.file_set_uid else said
