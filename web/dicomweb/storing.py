"""The addresses under /dicom-web that store. Success is said of an object when it is durable and catalogued.

Source: PS3.18 section 10.5, PS3.4 annex GG.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import structlog
from flask import Blueprint, Response, abort, request, url_for
from werkzeug.http import parse_options_header

from hsm.access.roles import Right
from hsm.catalog.errors import CatalogUnavailable
from hsm.format.text import is_uid
from hsm.header import HeaderInvalid
from hsm.incoming import PoolError
from hsm.receive import Announced, Receipt, ReceiptKind
from web.access.gate import known_person, needs
from web.dicomweb import accept
from web.dicomweb.answering import PREFIX
from web.dicomweb.multipart import MultipartInvalid, Part, PartReader
from web.services import services

pages = Blueprint("dicomweb_storing", __name__, url_prefix=PREFIX)
_log = structlog.get_logger()
PROCESSING_FAILURE, OUT_OF_RESOURCES = 0x0110, 0xA700
DOES_NOT_MATCH, CANNOT_UNDERSTAND, CONFLICT = 0xA900, 0xC000, 0x0111
_REASONS = {
    ReceiptKind.CONFLICT: CONFLICT,
    ReceiptKind.MISMATCH: DOES_NOT_MATCH,
    ReceiptKind.INVALID: CANNOT_UNDERSTAND,
}


@pages.post("/studies")
@pages.post("/studies/<study>")
@needs(Right.STORE)
def store(study: str = "") -> Response:
    """Take in the objects of the body; what is said of each is true for ever."""
    if study and not is_uid(study):
        abort(400, "The address holds something that is no UID.")
    if not accept.takes(accept.ranges(request.headers.get("Accept", "")), accept.DICOM_JSON, multipart=False):
        abort(406, "The answer is application/dicom+json.")
    request.max_content_length = None  # an object may be as large as the pool has room for
    referenced: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    broken = ""
    try:
        for part in _parts():
            _take(part, study, referenced, failed)
    except MultipartInvalid as error:  # what came before it is stored; the client must learn of both
        broken = str(error)
        if not referenced and not failed:
            abort(400, f"{broken}.")
    return _answer(study, referenced, failed, broken)


def _parts() -> Iterator[Part]:
    media_type, parameters = parse_options_header(request.headers.get("Content-Type"))
    if media_type.lower() != accept.MULTIPART or parameters.get("type", "").lower() != accept.DICOM:
        abort(415, 'Send multipart/related; type="application/dicom".')
    return PartReader(cast(BinaryIO, request.stream), parameters.get("boundary", "")).parts()


def _take(part: Part, study: str, referenced: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    if part.media_type not in ("", accept.DICOM):
        failed.append(_failure(CANNOT_UNDERSTAND))
        return
    source = f"WEB:{known_person().name}"[:16]
    try:
        announced = Announced(study_instance_uid=study or None)
        receipt = services().archive.receive_file(cast(BinaryIO, part), source, announced, keep_refused=True)
    except HeaderInvalid:
        failed.append(_failure(CANNOT_UNDERSTAND))
        return
    except (PoolError, CatalogUnavailable, OSError) as error:
        _log.error("stow_refused", error=str(error))
        failed.append(_failure(OUT_OF_RESOURCES))
        return
    if receipt.kept:
        referenced.append(_reference(receipt))
    else:
        failed.append(_failure(_REASONS[receipt.kind], receipt))


def _reference(receipt: Receipt) -> dict[str, Any]:
    header = receipt.header
    assert header is not None  # what is kept was understood
    address = url_for(
        "dicomweb.retrieve_instance",
        study=header.study_instance_uid,
        series=header.series_instance_uid,
        instance=header.sop_instance_uid,
        _external=True,
    )
    return {**_sop(receipt), "00081190": {"vr": "UR", "Value": [address]}}


def _failure(reason: int, receipt: Receipt | None = None) -> dict[str, Any]:
    return {**_sop(receipt), "00081197": {"vr": "US", "Value": [reason]}}


def _sop(receipt: Receipt | None) -> dict[str, Any]:
    """Class and instance, as far as they are known."""
    if receipt is None or receipt.header is None:
        return {"00081150": {"vr": "UI"}, "00081155": {"vr": "UI"}}
    return {
        "00081150": {"vr": "UI", "Value": [receipt.header.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [receipt.header.sop_instance_uid]},
    }


def _answer(study: str, referenced: list[dict[str, Any]], failed: list[dict[str, Any]], broken: str) -> Response:
    """Source: PS3.18 table 10.5.3-1: 200 all stored, 202 some, 409 none; 503 when there is no room just now."""
    body: dict[str, Any] = {}
    if study:
        body["00081190"] = {"vr": "UR", "Value": [url_for("dicomweb.retrieve_study", study=study, _external=True)]}
    if failed:
        body["00081198"] = {"vr": "SQ", "Value": failed}
    if referenced:
        body["00081199"] = {"vr": "SQ", "Value": referenced}
    status = 200 if not failed and not broken else 202 if referenced else 409
    if not referenced and all(each["00081197"]["Value"] == [OUT_OF_RESOURCES] for each in failed):
        status = 503
    response = Response(json.dumps(body), status=status, content_type=accept.DICOM_JSON)
    if broken:
        response.headers["Warning"] = f'299 {request.host} "The body was cut or broken: {broken}"'
    return response
