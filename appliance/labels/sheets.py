"""Paper, and where labels lie on it. Millimetres, from the left and from the bottom."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A sheet."""

    width_mm: float
    height_mm: float


@dataclass(frozen=True)
class Place:
    """Where a label lies."""

    page: int  # from 0
    x_mm: float  # of its lower left corner
    y_mm: float


PAPERS = {"a4": Paper(210.0, 297.0), "letter": Paper(215.9, 279.4)}
MARGIN_MM = 10.0  # printers do not print at the edge


def grid(
    paper: Paper, width_mm: float, height_mm: float, gap_x_mm: float, gap_y_mm: float, count: int, skip: int = 0
) -> Iterator[Place]:
    """Places for labels of one size, in rows from the top, the whole in the middle of the sheet.

    `skip`: so many places on the first sheet stay empty.
    """
    columns = fitting(paper.width_mm, width_mm, gap_x_mm)
    rows = fitting(paper.height_mm, height_mm, gap_y_mm)
    left = (paper.width_mm - columns * width_mm - (columns - 1) * gap_x_mm) / 2
    top = (paper.height_mm + rows * height_mm + (rows - 1) * gap_y_mm) / 2
    for number in range(skip, skip + count):
        page, place = divmod(number, columns * rows)
        row, column = divmod(place, columns)
        x_mm = left + column * (width_mm + gap_x_mm)
        yield Place(page, x_mm, top - height_mm - row * (height_mm + gap_y_mm))


def fitting(length_mm: float, label_mm: float, gap_mm: float) -> int:
    """How many labels lie side by side on a length, margins left out; at least one."""
    return max(1, int((length_mm - 2 * MARGIN_MM + gap_mm) // (label_mm + gap_mm)))
