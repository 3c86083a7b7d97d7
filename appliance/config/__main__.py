"""Writes example.toml and docs/CONFIGURATION.md again, after the schema has changed."""

from pathlib import Path

from appliance.config import reference

reference.EXAMPLE_FILE.write_text(reference.example(), encoding="utf-8")
page = Path(__file__).parents[2] / "docs" / "CONFIGURATION.md"
page.parent.mkdir(exist_ok=True)
page.write_text(reference.page(), encoding="utf-8")
