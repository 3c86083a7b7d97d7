"""Puts the API together: every operation gets its address, and all of them the document and its page."""

import json
import re
from functools import cache
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin

from flask import Blueprint, Response, render_template

from hsm.access.roles import Right
from web.access.gate import needs
from web.api.answering import JSON, view_of
from web.api.openapi import document
from web.api.operations import PREFIX, Operation
from web.api.resources import (
    deliveries,
    events,
    holds,
    jobs,
    libraries,
    me,
    orders,
    people,
    policies,
    recalls,
    status,
    studies,
    volume_actions,
    volumes,
)

RESOURCES: tuple[ModuleType, ...] = (
    me,
    status,
    studies,
    recalls,
    orders,
    deliveries,
    jobs,
    volumes,
    volume_actions,
    libraries,
    policies,
    holds,
    events,
    people,
)
pages = Blueprint("api", __name__, url_prefix=PREFIX)


def operations() -> tuple[Operation, ...]:
    """Every operation of the API."""
    return tuple(operation for resource in RESOURCES for operation in resource.operations.all)


@cache
def openapi() -> str:
    """The OpenAPI document as text."""
    return json.dumps(document(operations()), ensure_ascii=False, indent=1)


@pages.get("/openapi.json")
@needs(Right.LOOK)
def openapi_json() -> Response:
    """The OpenAPI 3.1 document."""
    return Response(openapi(), mimetype=JSON)


@pages.get("/docs")
@needs(Right.LOOK)
def docs() -> str:
    """The same for people to read."""
    return render_template("api.html", document=json.loads(openapi()), prefix=PREFIX)


def _mount(operation: Operation) -> None:
    def place(found: re.Match[str]) -> str:
        kind = "int:" if _is_int(operation.arguments[found[1]]) else ""
        return f"<{kind}{found[1]}>"

    rule = re.sub(r"\{(\w+)\}", place, operation.path)
    view = needs(operation.right)(view_of(operation))
    pages.add_url_rule(rule, operation.name, view, methods=[operation.method])


def _is_int(kind: Any) -> bool:
    return (get_args(kind)[0] if get_origin(kind) is Annotated else kind) is int


for _operation in operations():
    _mount(_operation)
