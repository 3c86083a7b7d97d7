"""What the terminal adds to the words of the pages (web/words): signs, bars and the times of --json."""

from datetime import UTC, datetime

from rich.markup import escape

from hsm.states import Availability
from web.words import person, relative, visible

AVAILABILITY_SIGNS = {
    Availability.ONLINE: ("●", "green"),
    Availability.NEARLINE: ("◐", "cyan"),
    Availability.OFFLINE: ("○", "yellow"),
    Availability.UNAVAILABLE: ("✗", "red"),
}


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC: what --json prints."""
    return None if moment is None else moment.astimezone(UTC).isoformat()


def ago(moment: datetime | None, now: datetime, missing: str = "never") -> str:
    """How far away a moment is: '5 min ago', 'in 2 h'."""
    return missing if moment is None else relative(moment, now)


def availability(value: Availability) -> str:
    """Sign and word, in the markup of rich."""
    sign, colour = AVAILABILITY_SIGNS[value]
    return f"[{colour}]{sign} {value.value}[/{colour}]"


def safe(text: object) -> str:
    """Text from outside, unable to steer the terminal or to be taken for markup."""
    return escape(str(visible(str(text))))


def named(name: str) -> str:
    """A person's name as people write it, safe for the terminal."""
    return safe(person(name))


def used_pct(used: int, capacity: int) -> float:
    """How full something is, in per cent; 0 for something without capacity."""
    return 100.0 * used / capacity if capacity else 0.0


def bar(percent: float, width: int = 20, marks: tuple[float, ...] = ()) -> str:
    """A bar of text; marks (in per cent) are shown as strokes where they fall."""
    cells = ["█" if (position + 0.5) * 100 / width <= percent else "·" for position in range(width)]
    for mark in marks:
        position = min(width - 1, int(mark * width / 100))
        cells[position] = "┃" if cells[position] == "█" else "|"
    return "".join(cells)
