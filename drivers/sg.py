"""SCSI commands that no kernel driver sends for us, through Debian's sg3-utils.

One rule holds for every caller: a device tells a unit attention once, to whoever speaks next. So only the owner of a
device may use this on it, and an answer that was a unit attention is never thrown away: it is an error here.

Source: sg3_utils(8) for exit statuses; SPC-4 for sense keys.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from drivers.command import Completed, run
from drivers.errors import CommandFailed, UnitAttention

_LIMIT_S = 90.0
_SLOW_S = 900  # reading a bad place, unloading: what st allows, too
_NOT_READY, _ILLEGAL, _ATTENTION, _BAD_OPCODE = 2, 5, 6, 9
_KEY = re.compile(r"Sense key:\s*(?P<key>[^\r\n]*?)\s*$", re.MULTILINE | re.IGNORECASE)
_ADDITIONAL = re.compile(r"Additional sense:\s*(?P<text>[^\r\n]*?)\s*$", re.MULTILINE | re.IGNORECASE)
_READ_BYTES = 512 * 1024


@dataclass(frozen=True)
class Sense:
    """Why a device did not do a command, in the words of sg3-utils, in small letters; both empty when it did."""

    key: str = ""  # "unit attention", "medium error", "blank check" ...
    additional: str = ""

    @property
    def good(self) -> bool:
        """Whether the command succeeded."""
        return not self.key

    def says(self, *words: str) -> bool:
        """Whether the additional sense holds one of these phrases."""
        return any(word in self.additional for word in words)


def sense_of(done: Completed) -> Sense:
    """The sense that a tool of sg3-utils printed with -v, or what its exit status means."""
    text = f"{done.stderr}\n{done.stdout}"
    key, additional = _KEY.search(text), _ADDITIONAL.search(text)
    if key:
        return Sense(key["key"].lower(), additional["text"].lower() if additional else "")
    known = {
        0: "",
        _NOT_READY: "not ready",
        3: "medium error",
        _ILLEGAL: "illegal request",
        _ATTENTION: "unit attention",
    }
    return Sense(known.get(done.status, f"exit status {done.status}"))


def log_page(device: Path, page: int) -> str | None:
    """One log page as sg_logs prints it; None when the device does not have it, or not without a medium.

    Raises: UnitAttention, CommandFailed.
    """
    done = run(["sg_logs", "-p", hex(page), str(device)], _LIMIT_S, (0, _NOT_READY, _ILLEGAL, _ATTENTION, _BAD_OPCODE))
    if done.status == _ATTENTION:
        raise UnitAttention(f"{device} was reset or its medium was changed; rewind and read the label again")
    return done.stdout if done.status == 0 else None


def ready(device: Path) -> Sense:
    """TEST UNIT READY. A unit attention is part of the answer here."""
    return sense_of(run(["sg_turs", "-v", str(device)], _LIMIT_S, range(256)))


def read_again(device: Path) -> Sense:
    """Read the block under the head of a tape drive and throw it away, for the sense that st does not hand out."""
    size = [f"{byte:02x}" for byte in _READ_BYTES.to_bytes(3, "big")]
    argv = [
        "sg_raw",
        "-t",
        str(_SLOW_S),
        "-r",
        str(_READ_BYTES),
        "-o",
        "/dev/null",
        str(device),
        "08",
        "02",
        *size,
        "00",
    ]
    return sense_of(run(argv, _SLOW_S + _LIMIT_S, range(256)))


def unload(device: Path) -> None:
    """LOAD UNLOAD: have a tape drive let go of a medium that it could not make ready. Raises: CommandFailed."""
    argv = ["sg_raw", "-t", str(_SLOW_S), str(device), "1b", "00", "00", "00", "00", "00"]
    done = run(argv, _SLOW_S + _LIMIT_S, range(256))
    if not sense_of(done).good:
        raise CommandFailed(
            f"{device} did not unload: {sense_of(done).key}", done.argv, done.status, done.stdout, done.stderr
        )
