"""The configuration as it was read: each key with its value, and where it was said. Secrets are left out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from appliance.config.keys import Key, tables
from appliance.config.schema import Config
from appliance.config.sources import Sources, read
from hsm.settings_read import SettingRead

HIDDEN = "(not shown)"
_SECRET_WORDS = ("password", "secret", "token", "passphrase", "credential")


def effective(config: Config, path: Path | None, environ: Mapping[str, str]) -> tuple[SettingRead, ...]:
    """Every setting in the order of the reference. The file is read again for where each was said; `config` counts."""
    sources = read(path, environ)
    values = json.loads(config.model_dump_json(by_alias=True))
    return tuple(_rows(values, sources))


def _rows(values: Mapping[str, Any], sources: Sources) -> Iterator[SettingRead]:
    for table in tables():
        if not table.repeated:
            for key in table.keys:
                yield _row(table.name, key, values[table.name], (table.name,), sources)
            continue
        for number, entry in enumerate(values[table.name]):
            for key in table.keys:
                yield _row(f"{table.name} {number + 1}", key, entry, (table.name, number), sources)


def _row(
    title: str, key: Key, entry: Mapping[str, Any], location: tuple[str | int, ...], sources: Sources
) -> SettingRead:
    given = _given(sources.data, (*location, key.name))
    where = sources.where((*location, key.name)) if given else "default"
    return SettingRead(title, key.name, shown(key.name, entry[key.name]), where, key.meaning, not given)


def _given(data: Any, location: tuple[str | int, ...]) -> bool:
    """Whether something was written at this place."""
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def shown(name: str, value: Any) -> str:
    """A value as people may see it: no password of an address, nothing that is a secret itself. Pure.

    The name of a file that holds a secret is shown: it is where to look, and not the secret.
    """
    if any(word in name.lower() for word in _SECRET_WORDS) and not name.endswith("_file"):
        return HIDDEN if value else ""
    if isinstance(value, Mapping):
        return json.dumps({key: shown(key, item) for key, item in value.items()}, ensure_ascii=False)
    if isinstance(value, str):
        return _without_password(value) if "://" in value else value
    return json.dumps(value, ensure_ascii=False)


def _without_password(address: str) -> str:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return HIDDEN
    hidden = {name: HIDDEN for name in url.query if any(word in name.lower() for word in _SECRET_WORDS)}
    return url.update_query_dict(hidden).render_as_string(hide_password=True) if hidden else str(url)
