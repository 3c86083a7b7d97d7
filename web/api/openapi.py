"""The OpenAPI 3.1 document, made from the operations. Source: OpenAPI Specification 3.1.1."""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from web.api.operations import PREFIX, Operation
from web.api.shape import Shape
from web.problems import CONTENT_TYPE, title

REF = "#/components/schemas/{model}"
PROBLEM = {
    "type": "object",
    "description": "Why something was not done (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "additionalProperties": False,
    "properties": {
        "type": {
            "type": "string",
            "pattern": "^urn:firn:problem:",
            "description": "What kind of refusal, for programs.",
        },
        "title": {"type": "string", "description": "The same in a few words, always the same."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, and what to do, for people."},
        "instance": {"type": "string", "description": "What was asked."},
        "reference": {"type": "string", "description": "Names the entry of the log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "additionalProperties": False,
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document."""
    every = list(operations)
    models, schemas = _schemas(every)
    paths: dict[str, Any] = {}
    for operation in every:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, models, schemas)
    for query in {operation.query for operation in every} - {None}:
        schemas.pop(_name(models[query, "validation"]), None)  # type: ignore[index] # None is taken out above
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Firn",
            "version": version("firn"),
            "description": "Hierarchical storage management of medical images: what lies where, and having it back.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": subject} for subject in dict.fromkeys(operation.subject for operation in every)],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token of Firn."},
                "session": {"type": "apiKey", "in": "cookie", "name": "firn_session"},
            },
        },
    }


def _schemas(operations: Iterable[Operation]) -> tuple[Mapping[tuple[type, JsonSchemaMode], Any], dict[str, Any]]:
    wanted: dict[tuple[type[Shape], JsonSchemaMode], None] = {}
    for operation in operations:
        for model in (operation.body, operation.query):
            if model is not None:
                wanted[model, "validation"] = None
        for answer in (operation.answer, *operation.also.values()):
            if answer is not None:
                wanted[answer, "serialization"] = None
    found, definitions = models_json_schema(list(wanted), ref_template=REF)
    return found, {name: _tidy(schema) for name, schema in definitions.get("$defs", {}).items()}


def _tidy(schema: Any) -> Any:
    """Leave out the titles that only repeat a field's name."""
    if isinstance(schema, Mapping):
        return {
            key: {name: _tidy(one) for name, one in value.items()} if key in ("properties", "$defs") else _tidy(value)
            for key, value in schema.items()
            if key != "title" or not isinstance(value, str)
        }
    return [_tidy(one) for one in schema] if isinstance(schema, list) else schema


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _operation(operation: Operation, models: Mapping[Any, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.subject],
        "summary": operation.summary.rstrip("."),
        "description": f"Needs the scope `{operation.right.value}`.",
        "x-firn-scope": operation.right.value,
        "parameters": [*_of_path(operation), *_of_query(operation, models, schemas), *_of_headers(operation)],
        "responses": _responses(operation, models),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": models[operation.body, "validation"]}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _of_path(operation: Operation) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", operation.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _tidy(TypeAdapter(operation.arguments[name]).json_schema()),
        }
        for name in names
    ]


def _of_query(operation: Operation, models: Mapping[Any, Any], schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = schemas[_name(models[operation.query, "validation"])]
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": one.get("description", ""),
            "schema": _without_null({key: value for key, value in one.items() if key != "description"}),
        }
        for name, one in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An address has no null: what may be left out is left out."""
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    kept = {key: value for key, value in schema.items() if not (key == "default" and value is None) and key != "anyOf"}
    return {**kept, **options[0]} if len(options) == 1 else schema


def _of_headers(operation: Operation) -> list[dict[str, Any]]:
    if operation.matches is None:
        return []
    words = "The ETag of what you saw; it is changed only if it is still so."
    schema = {"type": "string", "pattern": '^"[0-9a-f]{24}"$'}
    return [
        {"name": "If-Match", "in": "header", "required": operation.must_match, "description": words, "schema": schema}
    ]


def _responses(operation: Operation, models: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, answer in {operation.status: operation.answer, **operation.also}.items():
        made[str(status)] = _response(operation, status, None if answer is None else models[answer, "serialization"])
    if operation.tagged:
        made["304"] = {"description": "It is still as you saw it", "headers": {"ETag": _header("Its version.")}}
    problem = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in operation.refusals:
        made[str(status)] = {"description": title(status), "content": problem}
    return made


def _response(operation: Operation, status: int, schema: Any) -> dict[str, Any]:
    words = {200: "Done", 201: "Made", 202: "Asked for; it is done later", 204: "Done"}
    made: dict[str, Any] = {"description": words[status]}
    if schema is not None:
        made["content"] = {"application/json": {"schema": schema}}
    headers = {}
    if operation.located is not None:
        headers["Location"] = _header("Where to look at it.")
    if operation.tagged and status == 200:
        headers["ETag"] = _header("Its version, for If-Match and If-None-Match.")
    if status == 202:
        headers["Retry-After"] = {
            "description": "Seconds until it is worth asking again.",
            "schema": {"type": "integer"},
        }
    return {**made, "headers": headers} if headers else made


def _header(words: str) -> dict[str, Any]:
    return {"description": words, "required": True, "schema": {"type": "string"}}
