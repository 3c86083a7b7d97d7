"""The example file and docs/CONFIGURATION.md, written from the schema.

`python -m appliance.config` writes both again; a test fails while they differ from the schema.
"""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.config.keys import REQUIRED, Key, Table, tables
from drivers.kinds import DriverKind, own

EXAMPLE_FILE = Path(__file__).with_name("example.toml")

_EXAMPLE_HEAD = """\
# Firn: every setting, each with its default. Delete what you do not change; unknown names are refused.
# Check the file with `firn config check`. A variable FIRN_SECTION__KEY in the environment overrides a key.
# Lines that begin with "#" and no space are settings that have no default: take the "#" away to use them.
"""

_PAGE_HEAD = """\
# Configuration

Firn reads one TOML file: the one named with `--config` or in the environment variable `FIRN_CONFIG`, else the first
that exists of `firn.toml`, `var/firn.toml` and `/etc/firn/firn.toml`. `firn config check` reads it without starting
anything and names every fault at once: the file and line, the key, what is wrong and what to do. Unknown keys are
refused. `firn config show` prints what is in force.

A file with every key, its default and its meaning is `appliance/config/example.toml` (`firn config example` prints it).

An environment variable overrides one key: `FIRN_DICOM__PORT=104` sets `port` in `[dicom]`. Lists are given as JSON
(`FIRN_ONLINE__DIRECTORIES='["/disk1", "/disk2"]'`), and so is a whole array of tables
(`FIRN_PEER='[{"ae_title": "WS1", "host": "192.0.2.10", "port": 104}]'`). A variable that begins with `FIRN_` and names
no setting is refused like an unknown key.

Units are part of the names: `_s` seconds, `_bytes` bytes, `_pct` percent, `_days` days. Relative paths begin at
`archive.data_dir`.
"""


_DRIVERS_HEAD = """
## Drivers

The driver of a `[[library]]` says what its `path` is and which `options` it has:
`options = {time_scale = 10}` or, one a line, below `[library.options]`. `firn config check` checks them.

Other packages may bring further drivers. Such a package derives a class from `drivers.kinds.DriverKind`, which opens
the devices and says which options and media it has, and names it in its metadata; once the package is installed beside
Firn, that name is a driver like those below. What a changer, a drive and a recorder must do is said in
`drivers/base.py` and tested by the suites in `tests/drivers/contract`; `tests/drivers/third_party` is such a package.

```toml
[project.entry-points."firn.drivers"]
vault = "vault_driver:VaultKind"
```
"""


def example() -> str:
    """The text of example.toml."""
    return _EXAMPLE_HEAD + "".join("\n" + "\n".join(_example_table(table)) + "\n" for table in tables())


def page() -> str:
    """The text of docs/CONFIGURATION.md."""
    pages = "".join("\n" + "\n".join(_page_table(table)) + "\n" for table in tables())
    return _PAGE_HEAD + pages + _DRIVERS_HEAD + "".join("\n" + "\n".join(_driver(*kind)) + "\n" for kind in own())


def toml(value: Any) -> str:
    """A plain value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def _example_table(table: Table) -> Iterator[str]:
    yield from textwrap.wrap(table.meaning, 110, initial_indent="# ", subsequent_indent="# ")
    yield f"#[[{table.name}]]" if table.repeated else f"[{table.name}]"
    for key in table.keys:
        words = f"{key.meaning} ({_kind(key)})"
        yield from textwrap.wrap(words, 110, initial_indent="# ", subsequent_indent="#   ")
        unset = key.default is REQUIRED or key.default is None
        yield f"{'#' if table.repeated or unset else ''}{key.name} = {toml(key.example if unset else key.default)}"


def _kind(key: Key) -> str:
    parts = [f"{key.unit}, {key.values}" if key.unit else key.values]
    if key.default is REQUIRED:
        parts.append("required")
    elif key.default is None:
        parts.append("optional")
    return ", ".join(parts)


def _page_table(table: Table) -> Iterator[str]:
    yield f"## `[[{table.name}]]`" if table.repeated else f"## `[{table.name}]`"
    yield ""
    yield table.meaning + (" Repeat the table for each one." if table.repeated else "")
    yield ""
    yield "| key | default | unit | values | meaning |"
    yield "|---|---|---|---|---|"
    for key in table.keys:
        default = "*required*" if key.default is REQUIRED else "*unset*" if key.default is None else _code(key.default)
        yield f"| `{key.name}` | {default} | {key.unit} | {key.values} | {key.meaning} |"


def _driver(name: str, kind: DriverKind) -> Iterator[str]:
    yield f"### `{name}`"
    yield ""
    yield f"{kind.meaning} " + (f"Path: {kind.path[0].lower()}{kind.path[1:]}" if kind.path else "It needs no path.")
    if not kind.options:
        return
    yield ""
    yield "| option | default | values | meaning |"
    yield "|---|---|---|---|"
    for option in kind.options:
        default = "*unset*" if option.default is None else _code(option.default)
        yield f"| `{option.name}` | {default} | {option.values} | {option.meaning} |"


def _code(value: Any) -> str:
    return f"`{toml(value)}`"
