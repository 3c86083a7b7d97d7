"""Received text and numbers made fit for any database: the object itself keeps them as they came."""

from collections.abc import Mapping
from typing import Any

MAX_TEXT = 600  # characters; 4 bytes each stay below what a B-tree page of PostgreSQL can index
_LIMIT = 2**31


def clean(text: str) -> str:
    """The text without what a database cannot store (NUL, lone surrogates), cut where an index would break."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def clean_number(value: int | None) -> int | None:
    """The number, or None when no integer string of the standard could hold it (PS3.5 6.2, VR IS)."""
    return value if value is None or -_LIMIT <= value < _LIMIT else None


def clean_json(value: Any) -> Any:
    """The same JSON value, with text made storable at every depth, and without numbers that JSON cannot say."""
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {clean_json(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
