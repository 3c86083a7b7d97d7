"""Pages of other origins that may ask DICOMweb from a browser (CORS), and what the service says of itself (OPTIONS).

An origin counts only when it stands in the configuration, letter by letter. It gets the answers of requests with a
token; those of the browser's own session only where the configuration says so, too.

Source: Fetch standard, section 3.2; PS3.18 section 8.9.
"""

import json
from collections.abc import Collection, Iterable
from xml.etree import ElementTree

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.routing import Rule

from web.access import tokens
from web.dicomweb import accept
from web.dicomweb.answering import PREFIX
from web.problems import DICOMWEB_PREFIX
from web.services import services

pages = Blueprint("dicomweb_crossing", __name__)
WADL, JSON = "application/vnd.sun.wadl+xml", "application/json"
_WADL_SPACE = "http://wadl.dev.java.net/2009/02"
KEEP_S = 600  # a browser asks again whether it may
READABLE = "Content-Location, Content-Type, ETag, Retry-After, Warning"
_METHODS = frozenset({"GET", "HEAD", "POST"})
_FIELDS = "Accept, Authorization, Content-Type, If-None-Match"
_PICTURES = ("image/jpeg", "image/png", "image/gif")
# by endpoint, what its answers may be
_MEDIA = {
    "search": (accept.DICOM_JSON,),
    "metadata": (accept.DICOM_JSON,),
    "dicomweb_storing": (accept.DICOM_JSON,),
    "dicomweb_committing": (accept.DICOM_JSON,),
    "dicomweb_rendered": (*_PICTURES, accept.MULTIPART),
    "dicomweb_wado_uri": (accept.DICOM, *_PICTURES),
    "frames": (accept.MULTIPART,),
    "bulk": (accept.OCTETS, accept.MULTIPART),
}


def crosses(allowed: Collection[str]) -> bool:
    """Whether the present request comes from a page of one of these other origins, for DICOMweb."""
    return request.path.startswith(DICOMWEB_PREFIX) and request.headers.get("Origin", "") in allowed


def may_cross() -> bool:
    """Whether a request that changes something may come from where it comes from: see the head of this file."""
    settings = services().settings
    return crosses(settings.cors_origins) and (settings.cors_credentials or tokens.offered() is not None)


@pages.before_app_request
def ask_first() -> Response | None:
    """Answer a browser that asks whether a page may ask, and everybody who asks what there is; neither signs in."""
    if request.method != "OPTIONS" or not request.path.startswith(DICOMWEB_PREFIX):
        return None
    if "Access-Control-Request-Method" not in request.headers:
        return capabilities()
    response = Response(status=204)
    if crosses(services().settings.cors_origins) and request.headers["Access-Control-Request-Method"] in _METHODS:
        response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(_METHODS))
        response.headers["Access-Control-Allow-Headers"] = _FIELDS
        response.headers["Access-Control-Max-Age"] = str(KEEP_S)
    return response


@pages.after_app_request
def let_read(response: Response) -> Response:
    """Let a page of an origin that may ask read the answer."""
    if not request.path.startswith(DICOMWEB_PREFIX):
        return response
    response.vary.add("Origin")
    settings = services().settings
    if crosses(settings.cors_origins):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = READABLE
        if settings.cors_credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


# -- what there is ---------------------------------------------------------------------------------------------------


def capabilities() -> Response:
    """What the service answers to, as WADL or as JSON. It is made of the addresses there are."""
    wanted = accept.ranges(request.headers.get("Accept", ""), request.args.get("accept", ""))
    found = list(resources(current_app))
    if not accept.takes(wanted, WADL) and accept.takes(wanted, JSON):
        body = json.dumps({"base": request.host_url.rstrip("/") + PREFIX, "resources": found})
        response = Response(body, content_type=JSON)
    else:
        response = Response(_wadl(found), content_type=WADL)
    methods = sorted({method for one in found for method in one["methods"]} | {"OPTIONS"})
    response.headers["Allow"] = ", ".join(methods)
    return response


def resources(app: Flask) -> Iterable[dict[str, list[str] | str]]:
    """Each address of DICOMweb with its methods and the media types of its answers."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: (each.rule, each.endpoint)):
        if rule.rule.startswith(DICOMWEB_PREFIX):
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            yield {"path": _path(rule), "methods": methods, "answers": list(_media(rule.endpoint))}


def _path(rule: Rule) -> str:
    """As WADL writes the parts of an address that vary."""
    text = rule.rule.removeprefix(PREFIX)
    for converter in ("int:", "path:"):
        text = text.replace(f"<{converter}", "<")
    return text.replace("<", "{").replace(">", "}")


def _media(endpoint: str) -> tuple[str, ...]:
    return next((kinds for word, kinds in _MEDIA.items() if word in endpoint), (accept.MULTIPART, accept.DICOM))


def _wadl(found: Iterable[dict[str, list[str] | str]]) -> bytes:
    """Source: Web Application Description Language, W3C member submission of 31 August 2009."""
    ElementTree.register_namespace("", _WADL_SPACE)
    root = ElementTree.Element(f"{{{_WADL_SPACE}}}application")
    top = ElementTree.SubElement(root, f"{{{_WADL_SPACE}}}resources", base=request.host_url.rstrip("/") + PREFIX)
    for one in found:
        resource = ElementTree.SubElement(top, f"{{{_WADL_SPACE}}}resource", path=str(one["path"]))
        for name in one["methods"]:
            method = ElementTree.SubElement(resource, f"{{{_WADL_SPACE}}}method", name=name)
            answer = ElementTree.SubElement(method, f"{{{_WADL_SPACE}}}response")
            for kind in one["answers"]:
                ElementTree.SubElement(answer, f"{{{_WADL_SPACE}}}representation", mediaType=kind)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
