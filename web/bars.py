"""Bars as SVG, drawn here so that pages need no script and no inline style. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

FULL_PCT = 100.0


@dataclass(frozen=True)
class Mark:
    """A line across a bar, such as a water mark."""

    at_pct: float
    name: str


def used_pct(used_bytes: int, capacity_bytes: int) -> float:
    """How full something is, 0 to 100; nothing with no capacity is full."""
    if capacity_bytes <= 0:
        return 0.0
    return min(FULL_PCT, max(0.0, FULL_PCT * used_bytes / capacity_bytes))


def bar(filled_pct: float, label: str, marks: Sequence[Mark] = (), tone: str = "", thin: bool = False) -> Markup:
    """One horizontal bar. The label says everything the drawing says; screen readers get only the label."""
    filled_pct = min(FULL_PCT, max(0.0, filled_pct))
    lines = Markup("").join(
        Markup('<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="-2" y2="22"><title>{1}</title></line>').format(
            mark.at_pct, mark.name
        )
        for mark in marks
        if 0 < mark.at_pct < FULL_PCT
    )
    return Markup(
        '<svg class="bar{thin}" role="img" aria-label="{label}">'
        '<rect class="ground" width="100%" height="100%" rx="3"/>'
        '<rect class="fill {tone}" width="{filled:.2f}%" height="100%" rx="3"/>{lines}</svg>'
    ).format(thin=" thin" if thin else "", label=label, tone=tone, filled=filled_pct, lines=lines)
