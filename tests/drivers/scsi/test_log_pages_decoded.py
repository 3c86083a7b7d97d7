"""The log pages make sense to sg_logs, which knows nothing of this simulator."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drivers.scsi.wire import Wire

pytestmark = pytest.mark.skipif(shutil.which("sg_logs") is None, reason="sg_logs (Debian: sg3-utils) is not installed")

_RECORD = 256 * 1024


def decoded(wire: Wire, page: int, folder: Path) -> str:
    data = wire.tape(f"4d 00 {0x40 | page:02x} 00 00 0000 1000 00").data
    path = folder / "page.hex"
    path.write_text(data.hex(" "), encoding="ascii")
    told = subprocess.run(
        ["sg_logs", f"--in={path}", "--pdt=1"], capture_output=True, text=True, timeout=30, check=True
    )
    return told.stdout


@pytest.fixture
def used(loaded: Wire) -> Wire:
    for _ in range(8):
        loaded.write(bytes(_RECORD))
    loaded.rewind()
    for _ in range(4):
        loaded.read(_RECORD)
    return loaded


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        (0x00, ["Volume statistics [vs]", "Tape alert [ta]", "DT Device status [dtds]"]),
        (0x02, ["Total bytes processed = 2097152", "Total uncorrected errors = 0"]),
        (0x03, ["Total bytes processed = 1048576"]),
        (0x0C, ["Native capacity from BOP to EOD: 2 MB", "Cleaning action not required (or completed)"]),
        (0x11, ["MOUNTED=1", "DT device activity: No DT device activity"]),
        (
            0x17,
            [
                "Page valid: 1",
                "Thread count: 1",
                "Lifetime megabytes written: 2",
                "Total native capacity [MB]: 26",
                "Volume barcode: A00001L8",
                "Volume personality: Ultrium-8",
                "WORM: 0",
            ],
        ),
        (0x2E, ["Hard error: 0", "Cleaning required: 0"]),
        (0x31, ["Main partition remaining capacity (in MiB): 23", "Main partition maximum capacity (in MiB): 25"]),
    ],
)
def test_a_log_page_is_decoded(used: Wire, tmp_path: Path, page: int, lines: list[str]) -> None:
    text = decoded(used, page, tmp_path)
    for line in lines:
        assert line in text, text
    assert "unknown" not in text.lower() and "unexpected" not in text.lower()


def test_alerts_are_decoded_by_name(used: Wire, tmp_path: Path) -> None:
    used.library.faults.add("raise alert 3")
    used.library.faults.add("require cleaning")
    text = decoded(used, 0x2E, tmp_path)
    assert "Hard error: 1" in text and "Cleaning required: 1" in text and "Media: 0" in text
    assert "Hard error: 0" in decoded(used, 0x2E, tmp_path)
