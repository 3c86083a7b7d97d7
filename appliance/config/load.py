"""From what was written to a `Config`, or to everything that is wrong with it, at once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.config.cross import CHECKS, Checked
from appliance.config.drivers import DRIVER_CHECKS
from appliance.config.faults import ConfigInvalid, Fault, Severity
from appliance.config.keys import find, nearest, tables
from appliance.config.schema import Config
from appliance.config.sources import Sources, read


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of this file with the FIRN_ variables of this environment over it.

    Without a path: the file that FIRN_CONFIG names, else the defaults. Where else to look, the command line decides.

    Raises: ConfigInvalid with every fault.
    """
    config, faults = _examine(read(path, environ))
    serious = [fault for fault in faults if fault.severity is Severity.FAULT]
    if config is None or serious:
        raise ConfigInvalid(serious)
    return config


def check(path: Path | None, environ: Mapping[str, str]) -> list[Fault]:
    """Everything `load` would complain about, the notes it keeps to itself, and what the drivers say to their options.

    Drivers are not loaded by `load`: most commands open no library, and the engine asks them when it does.
    """
    return _examine(read(path, environ), (*CHECKS, *DRIVER_CHECKS))[1]


def _examine(sources: Sources, checks: Sequence[Checked] = CHECKS) -> tuple[Config | None, list[Fault]]:
    """The configuration, as far as it can be had, and all faults in the order: unreadable, wrong, contradicting."""
    faults = list(sources.faults)
    broken: set[str] = set()
    config: Config | None = None
    try:
        config = _validate(sources.data)
    except ValidationError as error:
        for entry in error.errors():
            location = tuple(part for part in entry["loc"])
            broken.add(str(location[0]))
            faults.append(_fault(sources, location, entry))
    # What can be understood is still held against itself, so that one visit is enough.
    rest = config or _validate({name: value for name, value in sources.data.items() if name not in broken})
    for sections, contradictions in checks:
        if sections.isdisjoint(broken):
            for found in contradictions(rest):
                where = sources.where(found.location)
                faults.append(Fault(where, _dotted(found.location), found.wrong, found.remedy, found.severity))
    return config, faults


def _validate(data: Mapping[str, Any]) -> Config:
    """By way of JSON: there a list may become a tuple and a text a path, and still no text becomes a number."""
    return Config.model_validate_json(json.dumps(data, default=str), strict=True)


def _fault(sources: Sources, location: tuple[str | int, ...], entry: Mapping[str, Any]) -> Fault:
    section = str(location[0])
    name = next((part for part in location[1:] if isinstance(part, str)), "")
    kind, given = entry["type"], entry["input"]
    where, dotted = sources.where(location), _dotted(location)
    key = find(section, name)
    if kind == "extra_forbidden":
        return Fault(where, dotted, "no such setting", nearest(section if name else "", name or section))
    if key is None:
        return Fault(where, dotted, _misplaced(section, given), _brackets(section))
    if kind == "missing":
        return Fault(where, dotted, "it is missing", f"add {name} = ... ({key.values}): {key.meaning}")
    unit = f", in {key.unit}" if key.unit else ""
    reason = str(entry["ctx"]["error"]) if kind == "value_error" else f"it must be {_article(key.values)}{unit}"
    return Fault(where, dotted, f"{_shown(given)} is not allowed", f"{reason} ({key.meaning.rstrip(',.')})")


def _misplaced(section: str, given: object) -> str:
    return f"{_shown(given)} stands where the settings of {section!r} belong"


def _brackets(section: str) -> str:
    table = next(table for table in tables() if table.name == section)
    return f"begin each entry with [[{section}]]" if table.repeated else f"begin the section with [{section}]"


def _article(values: str) -> str:
    if values.startswith(('"', "true", "text")):
        return values
    return f"a {values}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def _dotted(location: Sequence[str | int]) -> str:
    """The place in dotted form, entries counted from 1 as people do."""
    dotted = ""
    for part in location:
        dotted += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if dotted else part
    return dotted
