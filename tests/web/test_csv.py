"""Lists as CSV: harmless in a spreadsheet, whole, and never in memory as a whole."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from web.csv import ROWS_AT_ONCE, cell, download, lines


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("  =1+1", "'  =1+1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\n=1"),
        ("\uff1d1", "'\uff1d1"),
        ("Meyer^Anna", "Meyer^Anna"),
        ("a=b", "a=b"),
        ("\x00\x1b[31m", "\u2400\u241b[31m"),
        (-5, "-5"),
        (None, ""),
        (2.5, "2.5"),
        (datetime(2026, 3, 1, 8, 0, tzinfo=UTC), "2026-03-01T08:00:00+00:00"),
    ],
)
def test_a_cell_is_never_a_formula(value: str | int | float | datetime | None, shown: str) -> None:
    assert cell(value) == shown


def test_what_is_read_back_is_what_was_written() -> None:
    text = "".join(lines(["a", "b"], [["x,y", 'he said "no"'], ["line\nbreak", "王"]]))
    assert list(csv.reader(io.StringIO(text.removeprefix("\ufeff")))) == [
        ["a", "b"],
        ["x,y", 'he said "no"'],
        ["line\nbreak", "王"],
    ]


def test_rows_are_written_while_they_are_read_and_none_is_kept() -> None:
    taken = 0

    def rows() -> Iterator[list[int]]:
        nonlocal taken
        for number in range(100_000):
            taken += 1
            yield [number]

    parts = lines(["n"], rows())
    next(parts)
    assert taken == 0
    next(parts)
    assert taken == ROWS_AT_ONCE
    assert sum(part.count("\r\n") for part in parts) == 100_000 - ROWS_AT_ONCE


def test_a_download_says_what_it_is() -> None:
    app = Flask(__name__)
    with app.test_request_context():
        answer = download("firn-x", ["a"], [["1"]])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="firn-x.csv"'
    assert answer.mimetype == "text/csv"
    assert answer.is_streamed
