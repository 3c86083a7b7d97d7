"""Statuses are written down."""

import re
from pathlib import Path

from appliance.dimse.statuses import Status

DOCUMENT = Path(__file__).parents[3] / "docs" / "DICOM.md"


def test_every_status_has_its_line_and_every_line_its_status() -> None:
    section = DOCUMENT.read_text().split("## 3. Statuses")[1].split("## 4.")[0]
    documented = re.findall(r"^\| ([0-9A-F]{4}) \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(f"{status:04X}" for status in Status)
