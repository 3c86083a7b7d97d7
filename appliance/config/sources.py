"""Where settings come from: one TOML file, and environment variables over it.

`FIRN_DICOM__PORT=104` overrides `port` in `[dicom]`; lists, tables and whole arrays of tables are given as JSON
(`FIRN_ONLINE__DIRECTORIES='["/a", "/b"]'`, `FIRN_PEER='[{"ae_title": "WS1", "host": "192.0.2.10"}]'`).
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.config.faults import Fault
from appliance.config.keys import Table, find, nearest, tables

PREFIX = "FIRN_"
FILE_VARIABLE = "FIRN_CONFIG"  # names the file itself
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass
class Sources:
    """What was written, where it was written, and what could not be understood at all."""

    file: Path | None
    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # of the file
    variables: dict[tuple[str, ...], str] = field(default_factory=dict)  # (section[, key]) -> variable that sets it
    faults: list[Fault] = field(default_factory=list)

    def where(self, location: tuple[str | int, ...]) -> str:
        """The file with its line, or the variable, that a fault at this place speaks about."""
        names = tuple(part for part in location if isinstance(part, str))
        for length in (1, 2):
            if variable := self.variables.get(names[:length]):
                return variable
        if self.file is None:
            return "configuration"
        line = _line(self.text, location)
        return f"{self.file}:{line}" if line else str(self.file)


def read(path: Path | None, environ: Mapping[str, str]) -> Sources:
    """Collect everything that was set. Never raises; what cannot be read becomes a fault."""
    if path is None and environ.get(FILE_VARIABLE):
        path = Path(environ[FILE_VARIABLE])
    sources = Sources(path)
    if path is not None:
        _read_file(path, sources)
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            _read_variable(variable, environ[variable], sources)
    return sources


def _read_file(path: Path, sources: Sources) -> None:
    try:
        sources.text = path.read_text(encoding="utf-8")
        sources.data = tomllib.loads(sources.text)
    except OSError as error:
        remedy = "name another file, or make one from the example (firn config example)"
        sources.faults.append(Fault(str(path), "", f"the file cannot be read ({error.strerror})", remedy))
    except UnicodeDecodeError as error:
        remedy = "save it in UTF-8"
        sources.faults.append(Fault(str(path), "", f"byte {error.start} is not UTF-8", remedy))
    except tomllib.TOMLDecodeError as error:
        remedy = "correct the TOML syntax there; nothing else in the file was looked at"
        sources.faults.append(Fault(str(path), "", f"the file is not TOML: {error}", remedy))


def _read_variable(variable: str, text: str, sources: Sources) -> None:
    section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
    table = next((table for table in tables() if table.name == section), None)
    if separator and name and table is not None and not table.repeated and find(section, name):
        _override(variable, text, table, name, sources)
    elif not separator and table is not None and table.repeated:
        _replace(variable, text, section, sources)
    else:
        key = f"{section}.{name}" if separator else section
        if table is not None and table.repeated:
            wrong, remedy = "entries cannot be set one by one", f"give all of them as JSON in {PREFIX}{section.upper()}"
        elif table is not None and not separator:
            wrong, remedy = "a section cannot be set as a whole", f"set one key, as in {variable}__{_first(table)}"
        else:
            wrong, remedy = "no such setting", f"{nearest(section, name)}; correct or unset the variable"
        sources.faults.append(Fault(variable, key, wrong, remedy))


def _override(variable: str, text: str, table: Table, name: str, sources: Sources) -> None:
    key = find(table.name, name)
    assert key is not None
    value: Any = text
    if key.base is bool:
        value = _WORDS.get(text.strip().lower(), text)
    elif key.base not in (str, Path):
        try:
            value = json.loads(text)
        except ValueError:
            wrong = f"{text!r} cannot be read"
            remedy = f"give it as JSON: {key.values}" if key.base in (tuple, dict) else f"give a {key.values}"
            sources.faults.append(Fault(variable, key.path, wrong, remedy))
            return
    content = sources.data.setdefault(table.name, {})
    if isinstance(content, dict):
        content[name] = value
        sources.variables[(table.name, name)] = variable


def _replace(variable: str, text: str, section: str, sources: Sources) -> None:
    try:
        value = json.loads(text)
    except ValueError as error:
        remedy = "give a JSON list of objects, one an entry"
        sources.faults.append(Fault(variable, section, f"the value is not JSON ({error})", remedy))
        return
    sources.data[section] = value
    sources.variables[(section,)] = variable


def _first(table: Table) -> str:
    return table.keys[0].name.upper()


def _line(text: str, location: tuple[str | int, ...]) -> int | None:
    """The line where a key, or else its table, stands; None when it is not written in the plain way."""
    if not location:
        return None
    entry = next((part for part in location if isinstance(part, int)), 0)
    names = [str(part) for part in location if isinstance(part, str)]
    header = re.compile(rf"\s*\[\[?\s*{re.escape(names[0])}\s*\]\]?\s*(#.*)?$")
    wanted = re.compile(rf"\s*{re.escape(names[1])}\s*=") if len(names) > 1 else None
    found: int | None = None
    inside, seen = False, -1
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = False
            if header.match(line):
                seen += 1
                inside = seen == entry
                found = number if inside else found
        elif inside and wanted and wanted.match(line):
            return number
    return found
