"""Numbers and choices in addresses, read with forgiveness: a mistyped one shows the ordinary list."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from flask import request, url_for

E = TypeVar("E", bound=StrEnum)
MAX_NUMBER = 2**53  # what every database takes


def number(name: str) -> int | None:
    """A whole number from 0 of the query string, or None."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= MAX_NUMBER else None


def form_number(name: str) -> int | None:
    """A whole number from 0 of a form, or None."""
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def choice(name: str, choices: type[E]) -> E | None:
    """A value of an enum from the query string, or None."""
    text = request.args.get(name, "")
    return choices(text) if text in set(choices) else None


def text(name: str, limit: int = 200) -> str:
    """A text of the query string, without blanks around it and without NUL (no database takes it), cut to a length."""
    return request.args.get(name, "").replace("\x00", "").strip()[:limit]


def day(name: str, zone: tzinfo, behind: bool = False) -> datetime | None:
    """The beginning of a day (2026-03-01) of the query string in a zone, or with `behind` its end; else None."""
    try:
        found = date.fromisoformat(text(name))
        begin = datetime(found.year, found.month, found.day, tzinfo=zone)
        return (begin + timedelta(days=1) if behind else begin).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def here(**changes: str | int | None) -> str:
    """The address of this page with some parameters changed; None takes one away."""
    values: dict[str, str | int] = dict(request.args.items())
    for name, value in changes.items():
        values.pop(name, None)
        if value is not None:
            values[name] = value
    address = url_for(request.endpoint or "dashboard.show", **(request.view_args or {}))
    return f"{address}?{urlencode(values)}" if values else address


def query(endpoint: str) -> str:
    """The address of another page with the parameters of this one, page numbers left out."""
    values = {name: value for name, value in request.args.items() if name not in ("page", "before") and value}
    address = url_for(endpoint)
    return f"{address}?{urlencode(values)}" if values else address
