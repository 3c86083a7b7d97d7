"""Answers requests: reads what came by the types of an operation, asks it, and says what came of it as JSON."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Union, get_args, get_origin

from flask import Response, g, request
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hsm.access.people import UserRefused
from hsm.access.tokens import TokenRefused
from hsm.catalog.errors import CatalogError, CatalogUnavailable, NotCatalogued
from hsm.media import MediaRefused
from hsm.pool import PoolError
from hsm.states import IllegalTransition
from web.api.operations import PREFIX, Operation
from web.api.shape import S, Shape
from web.problems import Fault, Refused
from web.reads.policy import DryRunImpossible

JSON = "application/json"
WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
MOST_FAULTS = 20  # that are named
FORBIDDEN: tuple[type[Exception], ...] = (
    CatalogError,
    IllegalTransition,
    MediaRefused,
    UserRefused,
    TokenRefused,
    DryRunImpossible,
)


def view_of(operation: Operation) -> Callable[..., Response]:
    """The Flask view of an operation."""
    arguments = {name: TypeAdapter(kind) for name, kind in operation.arguments.items()}

    def view(**path: Any) -> Response:
        given = {name: _argument(arguments[name], value) for name, value in path.items()}
        query = {} if operation.query is None else {"query": _query(operation.query)}
        body = {} if operation.body is None else {"body": _body(operation.body)}
        try:
            _check_match(operation, given)
            answer = operation.function(**given, **query, **body)
        except NotCatalogued as error:
            raise Refused(404, sentence(error)) from error
        except CatalogUnavailable:
            raise
        except PoolError as error:
            raise Refused(503, "The online pool is not there at the moment; nothing was changed.") from error
        except FORBIDDEN as error:
            raise Refused(409, sentence(error)) from error
        return _answer(operation, answer)

    view.__name__ = operation.name
    view.__doc__ = operation.function.__doc__
    return view


def sentence(error: Exception) -> str:
    """What an error says, as a sentence."""
    text = str(error).strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


# -- what came -------------------------------------------------------------------------------------------------------


def _argument(kind: "TypeAdapter[Any]", text: Any) -> Any:
    try:
        return kind.validate_python(text)
    except ValidationError as error:
        raise Refused(404, "There is nothing of such a name or number.") from error


def _query(kind: type[Shape]) -> Shape:
    found: dict[str, Any] = {}
    for name, values in request.args.lists():
        info = kind.model_fields.get(name)
        if info is not None and len(values) > 1:
            raise _invalid([Fault(f"?{name}", "was given more than once")])
        found[name] = values[0] if info is None else _plain(info, values[0])
    try:
        return kind.model_validate_json(json.dumps(found))
    except ValidationError as error:
        raise _invalid(_faults(error, "?")) from error


def _plain(info: FieldInfo, text: str) -> Any:
    """A word of the address as the JSON value that its field wants; what is none stays a word, and is refused."""
    kinds = _kinds(info.annotation)
    if int in kinds and WHOLE_NUMBER.fullmatch(text):
        return int(text) if len(text) < 20 else text
    if bool in kinds and text in ("true", "false"):
        return text == "true"
    return text


def _kinds(annotation: Any) -> set[Any]:
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return set(get_args(annotation)) - {NoneType}
    return {annotation}


def _body(kind: type[Shape]) -> Shape:
    if request.mimetype != JSON:
        raise Refused(415, f"Send the body as {JSON}.")
    try:
        return kind.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            raise Refused(400, "The body is no JSON.") from error
        raise _invalid(_faults(error, "")) from error


def _faults(error: ValidationError, prefix: str) -> list[Fault]:
    return [
        Fault(prefix + ".".join(str(part) for part in fault["loc"]), fault["msg"])
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[:MOST_FAULTS]
    ]


def _invalid(faults: list[Fault]) -> Refused:
    return Refused(422, "Nothing was changed: see what is wrong with each value.", faults)


# -- what goes -------------------------------------------------------------------------------------------------------


def tag_of(answer: Shape) -> str:
    """The ETag of an answer: equal while what it says is."""
    return f'"{hashlib.sha256(answer.model_dump_json().encode()).hexdigest()[:24]}"'


def _check_match(operation: Operation, given: Mapping[str, Any]) -> None:
    """Refuse a write of somebody who saw another version. Raises: Refused."""
    if operation.matches is None:
        return
    wanted = request.headers.get("If-Match")
    if wanted is None:
        if operation.must_match:
            raise Refused(428, "Say which version you saw: send its ETag in If-Match.")
        return
    current: Shape = operation.matches(**given)
    seen = {tag.strip() for tag in wanted.split(",")}
    if "*" not in seen and tag_of(current) not in seen:
        raise Refused(412, "It is not as you saw it: somebody changed it in the meantime. Read it again.")
    g.matched = current


def matched(kind: type[S]) -> S | None:
    """What the present write was found to match, for a check again in the transaction that writes."""
    found = g.get("matched")
    return found if isinstance(found, kind) else None


def _answer(operation: Operation, answer: Shape | None) -> Response:
    if answer is None:
        return Response(status=operation.status)
    status = next((code for code, kind in operation.also.items() if isinstance(answer, kind)), operation.status)
    response = Response(answer.model_dump_json(), status=status, mimetype=JSON)
    if status == 202:
        response.headers["Retry-After"] = "2"
    if operation.located is not None:
        response.headers["Location"] = PREFIX + operation.located(answer)
    if operation.tagged and status == 200:
        tag = tag_of(answer)
        response.headers["ETag"] = tag
        if tag in {seen.strip().removeprefix("W/") for seen in request.headers.get("If-None-Match", "").split(",")}:
            return Response(status=304, headers={"ETag": tag})
    return response
