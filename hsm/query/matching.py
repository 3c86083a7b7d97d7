"""How a value matches a key: pure, exact, and linear in the length of what a stranger may send.

The database only narrows down; these functions decide. Text is compared with case, names without case and accents.
Source: PS3.4 C.2.2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from hsm.query.folding import fold_name
from hsm.values import date_of, time_of


class Match(Protocol):
    """A condition on the values of one attribute, each as DICOM JSON has it."""

    def accepts(self, values: Sequence[Any]) -> bool:
        """Whether at least one of the values matches. An absent attribute has no values."""
        ...


def has_wildcards(text: str) -> bool:
    """Whether the text is a pattern."""
    return "*" in text or "?" in text


def wildcard_matches(pattern: str, text: str) -> bool:
    """Whether a pattern with * (any characters) and ? (exactly one) covers the whole text.

    Never looks back further than the last star, so hostile patterns cost length times length at most.
    """
    at = here = 0
    star = -1
    retry_at = 0
    while at < len(text):
        if here < len(pattern) and pattern[here] == "*":
            star, retry_at = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in ("?", text[at]):
            here += 1
            at += 1
        elif star >= 0:
            retry_at += 1
            at, here = retry_at, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[here:])


def literal_parts(pattern: str) -> list[str]:
    """The parts of a pattern between its wildcards, in order; the first is what every match begins with."""
    return pattern.replace("?", "*").split("*")


@dataclass(frozen=True)
class AnyText:
    """One of several texts or patterns, with case. Blanks around mean nothing."""

    patterns: tuple[str, ...]

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any value against any pattern."""
        texts = [str(value).strip() for value in values if value is not None] or [""]
        return any(wildcard_matches(pattern, text) for pattern in self.patterns for text in texts)


@dataclass(frozen=True)
class AnyUid:
    """One of a list of UIDs."""

    uids: tuple[str, ...]
    _set: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_set", frozenset(self.uids))

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any of the values is in the list."""
        return any(value in self._set for value in values)


@dataclass(frozen=True)
class AnyNumber:
    """One of several numbers, compared as numbers."""

    numbers: tuple[float, ...]

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any of the values is one of the numbers."""
        return any(value in self.numbers for value in values if isinstance(value, int | float))


@dataclass(frozen=True)
class NameMatch:
    """A person name without case and accents.

    A pattern with component groups is compared group by group, empty groups standing for anything. A pattern without
    matches when any one group of the name matches: alphabetic, ideographic or phonetic. The order of components counts;
    trailing empty components do not.
    """

    patterns: tuple[str, ...]

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any name against any pattern."""
        return any(self._one(fold_name(p), _groups_of(value)) for p in self.patterns for value in values)

    @staticmethod
    def _one(pattern: str, groups: Sequence[str]) -> bool:
        if "=" not in pattern:
            return any(_group_matches(pattern, group) for group in groups)
        wanted = pattern.split("=")
        return all(
            not part or (index < len(groups) and _group_matches(part, groups[index]))
            for index, part in enumerate(wanted)
        )


def _groups_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = "=".join(str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return fold_name(str(value or "")).split("=")


def _group_matches(pattern: str, group: str) -> bool:
    if not has_wildcards(pattern):
        return pattern == group
    # "doe^*" means Doe with whatever given name, none included
    return any(wildcard_matches(pattern, group + "^" * missing) for missing in range(5))


@dataclass(frozen=True)
class DateRange:
    """Days from first to last, both included; None is open."""

    first: date | None
    last: date | None

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any value within; what is no date never is."""
        days = [date_of(str(value)) for value in values]
        return any(
            day is not None and (self.first is None or day >= self.first) and (self.last is None or day <= self.last)
            for day in days
        )


@dataclass(frozen=True)
class TimeRange:
    """Times of day from first to last as "HHMMSS.FFFFFF", both included; "" is open."""

    first: str
    last: str

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any value within; what is no time never is."""
        times = [time_of(str(value)) for value in values]
        return any(
            time and (not self.first or time >= self.first) and (not self.last or time <= self.last) for time in times
        )


@dataclass(frozen=True)
class MomentRange:
    """DT values from first to last, compared by the digits that both give; zone offsets are not looked at."""

    first: str
    last: str

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any value within."""
        return any(self._one(_digits(str(value))) for value in values if value)

    def _one(self, value: str) -> bool:
        return (
            value[: len(self.first)] >= self.first[: len(value)] and value[: len(self.last)] <= self.last[: len(value)]
        )


def _digits(moment: str) -> str:
    for sign in "+-":
        moment = moment.split(sign, maxsplit=1)[0]
    return moment.replace(".", "").strip()


@dataclass(frozen=True)
class ItemMatch:
    """A sequence with an item that satisfies every condition inside.

    Source: PS3.4 C.2.2.2.6.
    """

    conditions: tuple[tuple[str, Match], ...]  # key of DICOM JSON, condition

    def accepts(self, values: Sequence[Any]) -> bool:
        """Any item that matches whole."""
        return any(
            all(match.accepts(item.get(key, {}).get("Value", ())) for key, match in self.conditions)
            for item in values
            if isinstance(item, dict)
        )
