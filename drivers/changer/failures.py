"""What went wrong, from what mtx said: the errors of drivers/errors, with what to do. Pure.

Source: the sense codes of SMC-3 and SPC-4 (T10's list of additional sense codes); mtx(1).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import (
    ChangerError,
    ChangerGone,
    CommandFailed,
    CommandMissing,
    CommandTimedOut,
    DriverError,
    LibraryBusy,
    NoSuchElement,
    Retry,
    RobotBusy,
    SourceEmpty,
    TargetFull,
)


@dataclass(frozen=True)
class Sense:
    """The sense data a robot answered with, as mtx prints them."""

    key: str  # in mtx's words, for example "Not Ready"
    code: int  # additional sense code
    qualifier: int

    def __str__(self) -> str:
        return f"{self.key}, {self.code:02X}h/{self.qualifier:02X}h"


class RobotAttention(ChangerError):
    """The robot had something to report first (a reset, an opened door) and did nothing; asking again helps."""

    retry = Retry.NOW


_KEY = re.compile(r"^mtx: Request Sense: Sense Key=(.+?)\s*$", re.MULTILINE)
_CODE = re.compile(r"^mtx: Request Sense: Additional Sense Code = ([0-9A-Fa-f]+)", re.MULTILINE)
_QUALIFIER = re.compile(r"^mtx: Request Sense: Additional Sense Qualifier = ([0-9A-Fa-f]+)", re.MULTILINE)

# What the robot means. A code without its own qualifier is looked up with None.
_BUSY = frozenset({(0x04, 0x00), (0x04, 0x01), (0x04, 0x07), (0x04, 0x09), (0x04, 0x0A), (0x04, 0x1A)})
_MEANINGS: dict[tuple[int, int | None], tuple[Callable[[str], DriverError], str]] = {
    (0x04, 0x03): (ChangerError, "it asks for a person: look at its panel and close its door"),
    (0x04, 0x12): (ChangerError, "it is set offline: set it online at its panel"),
    (0x04, None): (ChangerError, "it is not ready: look at its panel"),
    (0x15, None): (ChangerError, "the robot could not position itself: look at the library, then ask for an inventory"),
    (0x21, 0x01): (NoSuchElement, "there is no such element"),
    (0x3B, 0x0D): (TargetFull, "the place to put the volume into is occupied"),
    (0x3B, 0x0E): (SourceEmpty, "the place to take the volume from is empty"),
    (0x3B, 0x11): (ChangerError, "a magazine cannot be reached: push it in and close the door"),
    (0x3B, 0x12): (ChangerError, "a magazine was taken out: put it back"),
    (0x53, 0x02): (ChangerError, "the drive holds on to its volume: some program uses it or has locked it"),
    (0x53, None): (ChangerError, "the drive did not take or give its volume: look at the drive"),
    (0x5A, 0x01): (ChangerError, "somebody asked at its panel for the volume: finish that there"),
}

_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[str], DriverError]], ...] = (
    (re.compile(r"Source Element Address \d+ is Empty|Data Transfer Element \d+ is Empty"), SourceEmpty),
    (re.compile(r"Drive \d+ Full|is Already Full"), TargetFull),
    (re.compile(r"[Ii](nvalid|llegal) <(storage-element|drive)-number> argument"), NoSuchElement),
)


def sense_of(stderr: str) -> Sense | None:
    """The last sense data in what mtx printed, or None."""
    keys, codes, qualifiers = (pattern.findall(stderr) for pattern in (_KEY, _CODE, _QUALIFIER))
    if not keys or not codes or not qualifiers:
        return None
    return Sense(keys[-1], int(codes[-1], 16), int(qualifiers[-1], 16))


def error_of(subject: str, error: CommandFailed) -> DriverError:
    """The error for a failed call of mtx. `subject` begins the message: what was asked, of which library.

    Returns: SourceEmpty, TargetFull, NoSuchElement, RobotBusy, LibraryBusy, ChangerGone, RobotAttention or a plain
    ChangerError.
    """
    if isinstance(error, CommandMissing):
        return ChangerError(f"{subject}: {error} (Debian: the package mtx)")
    if isinstance(error, CommandTimedOut):
        return ChangerError(f"{subject}: {error}; look at the library, then ask for an inventory")
    sentence = said(error.stderr)
    if refused := _not_opened(subject, sentence):
        return refused
    for pattern, kind in _SENTENCES:
        if pattern.search(sentence):
            return kind(f"{subject}: {sentence}")
    sense = sense_of(error.stderr)
    if sense is None:
        return ChangerError(f"{subject}: {sentence}; look at the library, then ask for an inventory")
    return _of_sense(subject, sense, sentence)


def said(stderr: str) -> str:
    """mtx's own sentence, without the dump of sense data before it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "Request Sense:" not in line]
    return lines[-1] if lines else "mtx failed and said nothing"


def _not_opened(subject: str, sentence: str) -> DriverError | None:
    if "is not an sg device" in sentence:
        return ChangerError(f"{subject}: {sentence}; name the robot's sg device in the configuration (`lsscsi -g`)")
    if "cannot open SCSI device" not in sentence:
        return None
    if "Permission denied" in sentence:
        return ChangerError(f"{subject}: {sentence}; make the user Firn runs as a member of the group tape")
    if "busy" in sentence:
        return LibraryBusy(f"{subject}: {sentence}; end the other program that uses the robot")
    return ChangerGone(f"{subject}: {sentence}; look at the robot's power and cables (`lsscsi -g`)")


def _of_sense(subject: str, sense: Sense, sentence: str) -> DriverError:
    pair = (sense.code, sense.qualifier)
    if sense.key == "Unit Attention":
        return RobotAttention(f"{subject}: the robot was reset or opened ({sense}); ask again")
    if sense.key == "Not Ready" and pair in _BUSY:
        return RobotBusy(f"{subject}: the robot is busy ({sense}); it is asked again later")
    if sense.key == "Illegal Request" and sense.code == 0x20:
        return ChangerError(f"{subject}: this device is no robot, or lacks the command ({sense}); see `lsscsi -g`")
    if meaning := _MEANINGS.get(pair) or _MEANINGS.get((sense.code, None)):
        kind, advice = meaning
        return kind(f"{subject}: {advice} ({sense})")
    return ChangerError(f"{subject}: {sentence} ({sense}); look at the library, then ask for an inventory")
