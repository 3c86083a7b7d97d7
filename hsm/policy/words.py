"""Numbers as people say them: sizes, lengths of time, lists, times of day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

SIZE_UNITS = {"bytes": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}

_STEPS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_DAYS_A_YEAR = 365.25


def size_words(size_bytes: int) -> str:
    """A size in the largest unit that leaves at least 1, with one decimal below 100: "12.1 MB"."""
    for unit, factor in reversed(SIZE_UNITS.items()):
        if factor > 1 and size_bytes >= factor:
            amount = size_bytes / factor
            return f"{amount:.1f} {unit}" if amount < 100 else f"{amount:.0f} {unit}"
    return count_words(size_bytes, "byte")


def exact_size(size_bytes: int) -> str:
    """A size in the largest unit that divides it without rest, as the policy language writes it: "1500 GB"."""
    for unit, factor in reversed(SIZE_UNITS.items()):
        if size_bytes % factor == 0 and size_bytes >= factor:
            return f"{size_bytes // factor} {unit}"
    return "0 bytes"


def count_words(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "1 study", "2 studies"."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def span_words(span: timedelta) -> str:
    """A length of time in its largest unit, or the two largest from an hour on: "52 seconds", "3 hours 5 minutes"."""
    total_s = max(int(span.total_seconds()), 0)
    days = total_s // 86400
    if days >= 60:
        days += 1  # so that a whole calendar year, or four, is called one
        years, months = int(days / _DAYS_A_YEAR), int(days % _DAYS_A_YEAR / (_DAYS_A_YEAR / 12))
        parts = [count_words(years, "year")] if years else []
        return " ".join([*parts, *([count_words(months, "month")] if months else [])])
    for (noun, length_s), (lesser, lesser_s) in pairwise(_STEPS):
        if total_s >= length_s:
            rest = total_s % length_s // lesser_s
            head = count_words(total_s // length_s, noun)
            return f"{head} {count_words(rest, lesser)}" if rest and noun != "minute" else head
    return count_words(total_s, "second")


def list_words(words: Sequence[str], link: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {link} {words[-1]}"


def time_words(moment: datetime) -> str:
    """A moment to the second, with its zone: "2026-03-01 14:05:09 UTC"."""
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")
