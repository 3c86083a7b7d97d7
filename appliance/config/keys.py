"""The keys of the schema as data: for messages, the example file and the reference page."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic.fields import FieldInfo

from appliance.config.base import Section
from appliance.config.schema import Config

_UNITS = {"_s": "seconds", "_bytes": "bytes", "_pct": "%", "_days": "days"}
REQUIRED = object()  # the default of a key that has none


@dataclass(frozen=True)
class Key:
    """One setting, as a person reads about it."""

    section: str
    name: str
    base: type  # bool, int, float, str, Path, tuple or dict
    values: str  # which values are allowed, in words
    unit: str  # empty for a plain number or text
    default: Any  # as TOML would give it; None when unset; REQUIRED
    meaning: str
    example: Any  # for what has no default; else None

    @property
    def path(self) -> str:
        """The dotted name."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class Table:
    """One table of the file, or one kind of entry of an array of tables."""

    name: str
    repeated: bool
    meaning: str
    keys: tuple[Key, ...]


@cache
def tables() -> tuple[Table, ...]:
    """Every table of the schema, in the order of the file."""
    return tuple(_tables())


def find(section: str, name: str) -> Key | None:
    """The key of that name, or None."""
    return next((key for table in tables() if table.name == section for key in table.keys if key.name == name), None)


def nearest(section: str, name: str) -> str:
    """What somebody who wrote an unknown name may have meant, as a sentence for the remedy."""
    known = {table.name: [key.name for key in table.keys] for table in tables()}
    if section in known:
        if match := _closest(name, known[section]):
            return f"the nearest known key is {section}.{match}"
        if elsewhere := [other for other, names in known.items() if name in names]:
            return f"that key belongs to [{elsewhere[0]}]"
        return f"[{section}] knows {', '.join(known[section])}"
    if section:
        name = section
    if match := _closest(name, list(known)):
        return f"the nearest known section is [{match}]"
    if elsewhere := [other for other, names in known.items() if name in names]:
        return f"write it below [{elsewhere[0]}]"
    return f"known sections are {', '.join(known)}"


def _closest(name: str, known: list[str]) -> str | None:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return next(iter(close), None) or next((other for other in known if len(name) > 1 and other.startswith(name)), None)


def _tables() -> Iterator[Table]:
    for field_name, field in Config.model_fields.items():
        name = field.alias or field_name
        repeated = get_origin(field.annotation) is tuple
        model = get_args(field.annotation)[0] if repeated else field.annotation
        assert isinstance(model, type) and issubclass(model, Section)
        keys = tuple(_key(name, key, info) for key, info in model.model_fields.items())
        yield Table(name, repeated, (model.__doc__ or "").strip(), keys)


def _key(section: str, name: str, info: FieldInfo) -> Key:
    base, choices = _base(info.annotation)
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    default = REQUIRED if info.is_required() else _plain(info.get_default(call_default_factory=True))
    example = info.examples[0] if info.examples else None
    return Key(section, name, base, _values(base, choices, info), unit, default, info.description or "", example)


def _base(annotation: Any) -> tuple[type, tuple[str, ...]]:
    """The plain type behind an annotation, and the words a Literal allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _base(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _base(next(part for part in get_args(annotation) if part is not types.NoneType))
    if origin is Literal:
        return str, get_args(annotation)
    return origin or annotation, ()


def _values(base: type, choices: tuple[str, ...], info: FieldInfo) -> str:
    if choices:
        return " or ".join(f'"{choice}"' for choice in choices)
    words = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    words |= {tuple: "list of texts", dict: "table"}
    low = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    above = next((m.gt for m in info.metadata if isinstance(m, Gt)), None)
    high = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    limits = [f"{low} to {high}"] if low is not None and high is not None else []
    if not limits:
        limits += [f"at least {low}"] if low is not None else []
        limits += [f"above {above}"] if above is not None else []
        limits += [f"at most {high}"] if high is not None else []
    limits += ["not empty"] if base is tuple and any(isinstance(m, MinLen) for m in info.metadata) else []
    return ", ".join([words[base], *limits])


def _plain(value: Any) -> Any:
    """A default as it would stand in a TOML file."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
