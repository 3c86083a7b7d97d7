"""What keeps other web sites, other machines and hostile content away from the pages."""

import ipaddress
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request, session

from web.access import tokens
from web.dicomweb.crossing import may_cross
from web.problems import for_programs
from web.services import WebSettings

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_FORM_BYTES = 256 * 1024  # a text of rules, with every blank and quote written as three characters
TOKEN_FIELD = "form_token"


def host_is_answered(host: str, trusted: Collection[str]) -> bool:
    """Whether a Host header (port or not) is a loopback name or one of the trusted ones.

    A page of another site can make a browser ask any address, but cannot choose the name it asks for: refusing other
    names makes DNS rebinding useless.
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if not name or "@" in host or "/" in host:
        return False
    name = name.rstrip(".").lower()
    if name == "localhost" or name in {entry.rstrip(".").lower() for entry in trusted}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def form_token() -> str:
    """The token a form must carry to be accepted from this browser; made when first asked for."""
    if TOKEN_FIELD not in session:
        session[TOKEN_FIELD] = secrets.token_urlsafe(32)
    return str(session[TOKEN_FIELD])


def protect(app: Flask, settings: WebSettings) -> None:
    """Put the checks before, and the headers behind, every request."""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="firn_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
    )

    @app.before_request
    def check_host() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if not host_is_answered(host, settings.trusted_hosts):
            abort(
                400,
                "Firn does not answer to the name in this address. Use http://localhost with the port of this page on "
                "the machine itself, or a name that is one of its trusted hosts.",
            )

    @app.before_request
    def check_form() -> None:
        if request.method in SAFE_METHODS:
            return
        if for_programs() and (tokens.offered() is not None or may_cross()):
            return  # no browser adds a token to what another site sends; or it is a site that may
        if urlsplit(request.headers.get("Origin", "")).netloc != request.environ.get("HTTP_HOST"):
            abort(403, "This form was not sent from one of Firn's own pages. Open the page here and press its button.")
        if for_programs():
            return  # a browser tells truly where a request comes from, and this is no form
        expected, given = session.get(TOKEN_FIELD), request.form.get(TOKEN_FIELD, "")
        if not expected or not secrets.compare_digest(str(expected).encode(), given.encode()):
            abort(403, "This page has been open for so long that its form is no longer known. Reload it and try again.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")  # pages name patients
            response.vary.add("HX-Request")
        return response

    app.jinja_env.globals["form_token"] = form_token
