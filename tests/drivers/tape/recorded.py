"""What real tools said about tape drives: files in tests/drivers/recorded/tape.

A file holds one call: its exit status, then stdout and stderr. `full` is a drive that has every command, `tgt` Debian's
iSCSI target, `logs_made` log pages made by hand and printed by the real sg_logs.
"""

import re
from pathlib import Path

from drivers.command import Completed

FOLDER = Path(__file__).parents[1] / "recorded" / "tape"


def recorded(name: str) -> Completed:
    """The call in one file, named without its ending."""
    text = (FOLDER / f"{name}.txt").read_text()
    status = re.search(r"^# exit: (\d+)$", text, re.M)
    assert status is not None
    stdout, _, stderr = text.partition("# stdout:\n")[2].partition("# stderr:\n")
    return Completed((name,), int(status[1]), stdout, stderr, 0.0)


def names(pattern: str) -> list[str]:
    """All recordings of one kind."""
    return sorted(path.stem for path in FOLDER.glob(f"{pattern}.txt"))
