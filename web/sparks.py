"""Small drawings of a row of numbers as SVG, made here so that pages need no script. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, GAP = 300.0, 40.0, 1.0


def columns(values: Sequence[float], titles: Sequence[str], label: str) -> Markup:
    """One column for each value, the last at the right; each says its own title when pointed at.

    The label says what the drawing says; screen readers get only the label. Of nothing but zeros only the ground is
    drawn.
    """
    most = max(values, default=0.0)
    each = WIDTH / max(1, len(values))
    parts = Markup("").join(
        Markup(
            '<g><title>{title}</title><rect class="reach" x="{x:.2f}" y="0" width="{each:.2f}" height="{full:.2f}"/>'
            '<rect class="fill" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/></g>'
        ).format(
            title=title,
            x=number * each,
            each=each,
            full=HEIGHT,
            y=HEIGHT - _high(value, most),
            width=max(0.5, each - GAP),
            height=_high(value, most),
        )
        for number, (value, title) in enumerate(zip(values, titles, strict=True))
    )
    return _drawing("columns", label, parts)


def line(values: Sequence[float], label: str, ceiling: float | None = None) -> Markup:
    """A line through the values from left to right, over an axis that begins at nothing and ends at the ceiling."""
    if len(values) < 2:
        return Markup("")
    most = max(ceiling or 0.0, *values) or 1.0
    step = WIDTH / (len(values) - 1)
    points = " ".join(f"{n * step:.1f},{HEIGHT - value / most * (HEIGHT - 2):.1f}" for n, value in enumerate(values))
    return _drawing("line", label, Markup('<polyline class="stroke" points="{}"/>').format(points))


def _high(value: float, most: float) -> float:
    """How high a column stands; what is there at all is seen."""
    return max(1.5, value / most * HEIGHT) if value > 0 and most > 0 else 0.0


def _drawing(kind: str, label: str, parts: Markup) -> Markup:
    return Markup(
        '<svg class="spark {kind}" role="img" aria-label="{label}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'preserveAspectRatio="none">{parts}</svg>'
    ).format(kind=kind, label=label, width=WIDTH, height=HEIGHT, parts=parts)
