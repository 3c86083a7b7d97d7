"""Error pages that say what to do next, and nothing about the inside. Programs get the same as problem details."""

import secrets
import traceback
from pathlib import Path

import structlog
from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException, default_exceptions

from hsm.catalog.errors import CatalogUnavailable
from web import problems

log = structlog.get_logger()

TITLES = {
    400: "This cannot be answered",
    403: "Not accepted",
    404: "Not found",
    405: "Not possible here",
    413: "Too much was sent",
    500: "Something went wrong here",
    503: "Not ready just now",
}
WORDS = {
    401: "Sign in first.",
    404: "There is no page at this address. It may have been mistyped, or what it showed is gone.",
    405: "This address does not take that kind of request.",
    413: "More was sent than a form of these pages ever holds.",
    500: "The fault is not yours, and nothing was changed. Try again; if it happens again, give the reference below to "
    "whoever looks after Firn.",
}
RETRY_AFTER_S = 10


def register(app: Flask) -> None:
    """Give every kind of error its page."""
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(problems.Refused, refused_program)
    app.register_error_handler(CatalogUnavailable, catalog_away)
    app.register_error_handler(Exception, failed)


def page(status: int, message: str, reference: str = "") -> Response:
    """One error page, or what a program reads instead."""
    if problems.for_programs():
        return _retry_after(problems.problem(status, message, reference=reference))
    title = TITLES.get(status, "This did not work")
    response = make_response(render_template("error.html", title=title, message=message, reference=reference), status)
    return _retry_after(response)


def _retry_after(response: Response) -> Response:
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def refused_program(error: problems.Refused) -> Response:
    """A refusal of the API, with what is wrong field by field."""
    return _retry_after(problems.problem(error.status, error.detail, error.faults, headers=error.headers))


def refused(error: HTTPException) -> Response:
    """A refusal with a status of its own; only words written here or by a view are shown."""
    status = error.code or 500
    standard = default_exceptions.get(status)
    description = error.description if standard and error.description != standard.description else None
    response = page(status, description or WORDS.get(status) or "The request was not understood.")
    response.headers.extend({k: v for k, v in error.get_headers() if k in {"Location", "Allow", "Retry-After"}})
    return response


def catalog_away(error: CatalogUnavailable) -> Response:
    """The catalog does not answer: nothing is lost, but nothing can be shown."""
    log.warning("catalog_not_answering", page=request.endpoint, error=type(error).__name__)
    return page(503, "The catalog does not answer at the moment. Nothing is lost. Try again in a few seconds.")


def failed(error: Exception) -> Response:
    """An error nobody expected: the log gets where it happened, the page only a reference to find it by.

    Messages of errors stay out of the log: those of the database quote values, and values name patients.
    """
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("page_failed", page=request.endpoint, reference=reference, error=type(error).__name__, where=where)
    return page(500, WORDS[500], reference)
