"""A configuration as TOML text, to be read by people and by appliance/config."""

import json
from typing import Any

from appliance.config import Config


def to_toml(config: Config, only_set: bool = False) -> str:
    """All settings, or only those that are not at their default. Reading the text again gives an equal Config."""
    document = json.loads(config.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=only_set))
    blocks = []
    for name, content in document.items():
        if isinstance(content, list):
            blocks += [_table(f"[[{name}]]", entry) for entry in content]
        elif content:
            blocks.append(_table(f"[{name}]", content))
    return "\n".join(blocks)


def _table(head: str, content: dict[str, Any]) -> str:
    lines = [head, *(f"{key} = {_value(value)}" for key, value in content.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
