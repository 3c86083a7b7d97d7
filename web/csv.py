"""Lists as CSV, however long: written while they are read, and harmless when a spreadsheet opens them."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from flask import Response

from web.words import visible

ROWS_AT_ONCE = 500
# What makes a spreadsheet take a cell for a formula, also in the width of East Asian type.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_MARK = "\ufeff"  # tells spreadsheets that the file is UTF-8

Cell = str | int | float | datetime | None


def cell(value: Cell) -> str:
    """One cell: times in UTC, control characters made visible, and nothing that a spreadsheet would work out.

    Source: OWASP, CSV injection.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, int | float):
        return str(value)
    text = str(visible(value.replace("\r\n", "\n").replace("\r", "\n")))
    return f"'{text}" if text.lstrip(" \t\n\u00a0\u3000").startswith(_FORMULA) or text[:1] in ("\t", "\n") else text


def lines(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The file in parts, each of some hundred rows."""
    yield _MARK + _written([columns])
    each = iter(rows)
    while part := list(islice(each, ROWS_AT_ONCE)):
        yield _written([[cell(value) for value in row] for row in part])


def _written(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def download(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """The answer to a request; nothing of it is kept in memory. When reading fails, the transfer breaks off."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(lines(columns, rows), mimetype="text/csv", headers=headers)
