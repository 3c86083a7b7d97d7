"""Settings of a driver: what a kind of library takes from [library.options], and what is wrong with what was given."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any


class OptionType(StrEnum):
    """What a value may be."""

    NUMBER = "number"  # whole or not
    COUNT = "whole number"
    TEXT = "text"
    TRUTH = "true or false"
    TEXTS = "list of texts"


@dataclass(frozen=True)
class Option:
    """One setting, as a person reads about it. The unit is part of its name."""

    name: str
    type: OptionType
    default: Any  # None: unset
    meaning: str
    choices: tuple[str, ...] = ()  # of a text
    low: float | None = None  # the least a number may be
    high: float | None = None

    @property
    def values(self) -> str:
        """Which values are allowed, in words."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        limits = f"{self.low:g} to {self.high:g}" if self.low is not None and self.high is not None else ""
        limits = limits or (f"at least {self.low:g}" if self.low is not None else "")
        limits = limits or (f"at most {self.high:g}" if self.high is not None else "")
        return f"{self.type.value}, {limits}" if limits else self.type.value

    def allows(self, value: object) -> bool:
        """Whether a value may be given."""
        match self.type:
            case OptionType.TRUTH:
                return isinstance(value, bool)
            case OptionType.TEXT:
                return isinstance(value, str) and (not self.choices or value in self.choices)
            case OptionType.TEXTS:
                return isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value)
            case OptionType.COUNT:
                return isinstance(value, int) and self._within(value)
            case OptionType.NUMBER:
                return isinstance(value, int | float) and self._within(value)

    def _within(self, value: float) -> bool:
        if isinstance(value, bool):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class OptionFault:
    """One thing that is wrong with one option, and what to do about it."""

    option: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"option {self.option}: {self.wrong}; {self.remedy}"


def faults(options: Sequence[Option], given: Mapping[str, Any]) -> Iterator[OptionFault]:
    """Every option that was given and does not exist, or has a value that is not allowed."""
    known = {option.name: option for option in options}
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            yield OptionFault(name, "there is no such option", _nearest(name, list(known)))
        elif not option.allows(value):
            yield OptionFault(name, f"{value!r} is not allowed", f"it must be: {option.values} ({option.meaning})")


def settled(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value: what was given, else the default."""
    return {option.name: given.get(option.name, option.default) for option in options}


def _nearest(name: str, known: list[str]) -> str:
    if close := get_close_matches(name, known, n=1):
        return f"the nearest known option is {close[0]}"
    return f"known options are {', '.join(known)}" if known else "this driver has no options"
