"""What real robots' tools said: files in tests/drivers/recorded/mtx, and a player that says it again.

A file holds one call: lines that begin with # are the command and its exit status, then come stdout and stderr.
`tgt` is Debian's iSCSI target, `full` a changer of another kind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "recorded" / "mtx"

_PLAYER = """#!/bin/sh
dir=${0%/*}
read -r n < "$dir/next"
echo $((n + 1)) > "$dir/next"
shift 2
echo "$*" >> "$dir/asked"
cat "$dir/$n.out" || exit 99
cat "$dir/$n.err" >&2
read -r status < "$dir/$n.status"
exit "$status"
"""


@dataclass(frozen=True)
class Recording:
    """One call of a tool."""

    arguments: str  # behind mtx -f DEVICE
    status: int
    stdout: str = ""
    stderr: str = ""


def recording(name: str) -> Recording:
    """The call in one file, named without its ending: "tgt/status"."""
    text = (FOLDER / f"{name}.txt").read_text()
    command, status = re.search(r"^# command: (.*)$", text, re.M), re.search(r"^# exit: (\d+)$", text, re.M)
    assert command is not None and status is not None
    stdout, _, rest = text.partition("# stdout:\n")[2].partition("# stderr:\n")
    arguments = re.sub(r"^.*?mtx -f \S+ ", "", command[1])
    return Recording(arguments, int(status[1]), stdout, rest.partition("# dmesg:")[0])


def recordings() -> list[str]:
    """The names of all files."""
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.txt"))


class Player:
    """An mtx that answers the n-th call with the n-th recording, whatever was asked."""

    def __init__(self, folder: Path, answers: Sequence[Recording]) -> None:
        folder.mkdir()
        self.path = folder / "mtx"
        self.path.write_text(_PLAYER)
        self.path.chmod(0o755)
        (folder / "next").write_text("0\n")
        for number, answer in enumerate(answers):
            (folder / f"{number}.out").write_text(answer.stdout)
            (folder / f"{number}.err").write_text(answer.stderr)
            (folder / f"{number}.status").write_text(f"{answer.status}\n")

    @property
    def asked(self) -> list[str]:
        """What it was asked for so far, without the device."""
        return (self.path.parent / "asked").read_text().splitlines()


def dumped(text: str) -> bytes:
    """The bytes of a hexadecimal dump as sg_raw prints it."""
    lines = re.findall(r"^ ([0-9a-f]{2,}) {4,6}((?:[0-9a-f]{2} {1,2}){0,15}[0-9a-f]{2})(?: {2,}.*)?$", text, re.M)
    return b"".join(bytes.fromhex(hexadecimal) for _, hexadecimal in lines)
