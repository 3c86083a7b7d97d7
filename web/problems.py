"""Refusals told to programs: problem details as JSON (RFC 9457) in place of an error page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, request

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
DICOMWEB_PREFIX = "/dicom-web/"
PAGES_OF_IT = frozenset({"/api/v1/docs"})  # for people
METRICS = "/metrics"
KINDS: Mapping[int, str] = {
    400: "malformed",
    401: "not-signed-in",
    403: "no-right",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    412: "stale",
    413: "too-large",
    415: "wrong-media-type",
    422: "invalid",
    428: "precondition-required",
    429: "too-many",
    500: "fault",
    503: "unavailable",
}
TITLES: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "Sign in, or show a token",
    403: "You have no right to this",
    404: "There is no such thing",
    409: "The present state does not allow this",
    412: "It has been changed in the meantime",
    413: "Too much was sent",
    415: "Send JSON",
    422: "Something in it is wrong",
    428: "Say which version you saw",
    429: "Too many at once",
    500: "Something went wrong here",
    503: "Not ready just now",
}
CHALLENGE = 'Bearer realm="Firn"'  # RFC 6750 section 3


@dataclass(frozen=True)
class Fault:
    """What is wrong with one value of a request."""

    field: str  # where: "reason", "scopes.0", "?limit"
    message: str


class Refused(Exception):
    """What a program asked for is not done, for a reason it is told; nothing was changed."""

    def __init__(
        self, status: int, detail: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def for_programs() -> bool:
    """Whether the present request is a program's, which reads no pages."""
    path = request.path
    return (path.startswith((API_PREFIX, DICOMWEB_PREFIX)) and path not in PAGES_OF_IT) or path == METRICS


def title(status: int) -> str:
    """A status in a few words, always the same."""
    return TITLES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int,
    detail: str,
    faults: Sequence[Fault] = (),
    reference: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that tells a program why not."""
    body: dict[str, Any] = {
        "type": f"urn:firn:problem:{KINDS.get(status, 'refused')}",
        "title": title(status),
        "status": status,
        "detail": detail,
        "instance": request.path,
    }
    if faults:
        body["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults]
    if reference:
        body["reference"] = reference
    response = Response(json.dumps(body, ensure_ascii=False), status=status, content_type=CONTENT_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    response.headers.extend(dict(headers or {}))
    return response
