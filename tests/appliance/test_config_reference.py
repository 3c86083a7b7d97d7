"""The example file and the reference page say what the schema says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Config, load
from appliance.config.keys import REQUIRED, Key, find, tables
from appliance.config.reference import EXAMPLE_FILE, example, page, toml

ROOT = Path(__file__).parents[2]


def uncommented() -> dict[str, Any]:
    """The example with everything that is commented out taken in: prose has a space after its #."""
    return tomllib.loads(re.sub(r"^#(?! )", "", EXAMPLE_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE))


def given(data: dict[str, Any], section: str) -> dict[str, Any]:
    content = data[section]
    return dict(content[0] if isinstance(content, list) else content)


def test_the_example_as_it_stands_is_the_default_configuration() -> None:
    assert load(EXAMPLE_FILE, {}) == Config()


def test_the_example_has_every_key_with_its_default_and_no_other() -> None:
    data = uncommented()
    assert set(data) == {table.name for table in tables()}
    for table in tables():
        content = given(data, table.name)
        assert set(content) == {key.name for key in table.keys}
        for key in table.keys:
            if key.default not in (REQUIRED, None):
                assert content[key.name] == key.default, key.path


def test_the_example_taken_in_whole_is_a_valid_configuration(tmp_path: Path) -> None:
    path = tmp_path / "firn.toml"
    path.write_text(re.sub(r"^#(?! )", "", EXAMPLE_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    config = load(path, {})
    assert [pool.library for pool in config.volume_pools] == [library.name for library in config.libraries]


def test_every_key_has_a_meaning_and_a_value_to_show() -> None:
    for table in tables():
        assert table.meaning.endswith(".")
        for key in table.keys:
            assert key.meaning.endswith("."), key.path
            assert key.example is not None or key.default not in (REQUIRED, None), key.path


def test_units_come_from_the_names() -> None:
    def key(section: str, name: str) -> Key:
        found = find(section, name)
        assert found is not None
        return found

    assert key("dicom", "keepalive_s").unit == "seconds"
    assert key("pack", "max_bytes").unit == "bytes"
    assert key("online", "low_water_pct").unit == "%"
    assert key("web", "threads").unit == ""


def test_example_and_page_were_written_from_the_present_schema() -> None:
    """Run `python -m appliance.config` when this fails."""
    assert EXAMPLE_FILE.read_text(encoding="utf-8") == example()
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("value", [True, 3, 2.5, 'a "quoted" \\ text', ["a", "b"], {"a": 1, "b": ["c"]}, {}, []])
def test_values_are_written_as_toml(value: object) -> None:
    assert tomllib.loads(f"key = {toml(value)}")["key"] == value
