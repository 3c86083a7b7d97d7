"""The language of faults.txt: one line, one thing that goes wrong. README.md lists every form."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum

from drivers.errors import DeviceError, DriverError, EndOfMedium, MediumError


class Action(StrEnum):
    """What a fault does."""

    FAIL = "fail"  # an operation of a drive ends with an error
    DEFER = "defer"  # a write is lost, and a later operation says so
    HANG = "hang"  # an operation runs into its time limit
    IGNORE_FLUSH = "ignore flush"  # a flush succeeds and keeps nothing
    LOSE_POWER = "lose power"  # what was not flushed is gone
    ATTENTION = "unit attention"  # a reset
    NEVER_READY = "never ready"
    CLEANING = "require cleaning"
    ALERT = "raise alert"  # a TapeAlert flag
    UNREADABLE = "unreadable"  # blocks of a tape, bytes of a disc
    ROT = "rot"  # a byte reads with one bit changed
    HIDE = "hide barcode"  # the robot cannot read the sticker
    BUSY = "robot busy"  # asked for a move or the inventory while it does something else
    BLIND = "fail inventory"  # the robot does not say what is where
    ROBOT_BEFORE = "fail robot before"  # the volume stays where it was
    ROBOT_AFTER = "fail robot after"  # the volume was moved all the same


@dataclass(frozen=True)
class Fault:
    """One line of faults.txt, understood."""

    line: str
    action: Action
    operation: str | None = None
    drive: str | None = None  # element number or serial number
    volume: str | None = None
    first: int = 0
    last: int = 0
    unit: str = "blocks"  # what first and last number
    after: int = 0
    counts: str = "calls"  # what `after` counts
    times: int | None = 1  # None: always
    error: type[DriverError] = DeviceError
    told_by: str = "write"  # the operation that reports a deferred error
    seconds: float = 120.0  # st's time limit for a read or a write


class FaultsInvalid(ValueError):
    """faults.txt holds a line that is not understood; it says which, and what was expected."""


@dataclass(frozen=True)
class _Form:
    example: str
    pattern: re.Pattern[str]
    build: Callable[[re.Match[str]], Fault]
    needs: tuple[str, ...] = field(default=())


_OPERATIONS = "read|write|flush|seek|tell|rewind|unload|burn"
_ERRORS: dict[str, type[DriverError]] = {
    "device error": DeviceError,
    "medium error": MediumError,
    "end of medium": EndOfMedium,
}


def _forms() -> tuple[_Form, ...]:
    def form(example: str, pattern: str, build: Callable[[re.Match[str]], Fault], *needs: str) -> _Form:
        return _Form(example, re.compile(pattern), build, needs)

    def simple(action: Action, times: int | None, *needs: str) -> _Form:
        return form(action.value, re.escape(action.value), lambda _: Fault("", action, times=times), *needs)

    def span(match: re.Match[str]) -> Fault:
        first = int(match["first"])
        last = int(match["last"] or first)
        if last < first:
            raise FaultsInvalid(f"the range {first}-{last} ends before it begins")
        return Fault("", Action.UNREADABLE, first=first, last=last, unit=match["unit"] + "s", times=None)

    def robot(match: re.Match[str]) -> Fault:
        action = Action.ROBOT_BEFORE if match["when"] == "before" else Action.ROBOT_AFTER
        return Fault("", action, None if match["op"] == "move" else match["op"])

    return (
        form(
            "fail write with medium error",
            rf"fail (?P<op>{_OPERATIONS})(?: with (?P<error>{'|'.join(_ERRORS)}))?",
            lambda m: Fault("", Action.FAIL, m["op"], error=_ERRORS[m["error"] or "device error"]),
        ),
        form(
            "defer write error to flush",
            r"defer write error to (?P<op>write|flush|unload)",
            lambda m: Fault("", Action.DEFER, told_by=m["op"]),
        ),
        form(
            "hang read for 120 s",
            rf"hang (?P<op>{_OPERATIONS})(?: for (?P<seconds>\d+) s)?",
            lambda m: Fault("", Action.HANG, m["op"], seconds=float(m["seconds"] or 120)),
        ),
        simple(Action.IGNORE_FLUSH, None),
        simple(Action.LOSE_POWER, 1),
        simple(Action.ATTENTION, 1),
        simple(Action.NEVER_READY, None),
        simple(Action.CLEANING, 1),
        form(
            "raise alert 5",
            r"raise alert (?P<number>\d+)",
            lambda m: Fault("", Action.ALERT, first=int(m["number"]), times=None),
        ),
        form(
            "unreadable blocks 100-120 on volume A00001L8",
            r"unreadable (?P<unit>block|byte)s? (?P<first>\d+)(?:-(?P<last>\d+))?",
            span,
            "volume",
        ),
        form(
            "rot byte 1000 on volume A00001L8",
            r"rot byte (?P<first>\d+)",
            lambda m: Fault("", Action.ROT, first=int(m["first"]), last=int(m["first"]), unit="bytes", times=None),
            "volume",
        ),
        simple(Action.HIDE, None, "volume"),
        simple(Action.BUSY, 1),
        simple(Action.BLIND, 1),
        form(
            "fail robot before load",
            r"fail robot (?P<when>before|after) (?P<op>load|unload|transfer|move)",
            robot,
        ),
    )


_FORMS = _forms()
_BY_RECORDS = (Action.FAIL, Action.LOSE_POWER, Action.DEFER, Action.ATTENTION)  # may strike in the middle of a call
_MODIFIER = re.compile(
    r"\s+(?:(?:on|in) drive (?P<drive>\S+)"
    r"|(?:on|of) volume (?P<volume>\S+)"
    r"|after (?P<after>\d+) (?P<unit>records?|calls?)"
    r"|(?P<once>once)|(?P<always>always)|(?P<times>\d+) times)"
)


def parse_line(text: str) -> Fault:
    """Understand one line. Raises: FaultsInvalid."""
    line = " ".join(text.split())
    for form in _FORMS:
        if match := form.pattern.match(line):
            fault = _modified(form.build(match), line, line[match.end() :])
            for need in form.needs:
                if getattr(fault, need) is None:
                    raise FaultsInvalid(f"{line!r} does not say on which {need}; write for example {form.example!r}")
            return fault
    examples = [form.example for form in _FORMS]
    near = get_close_matches(line, examples, n=3, cutoff=0.3) or examples
    raise FaultsInvalid(f"{line!r} is not a fault; the nearest forms are: {'; '.join(near)}")


def _modified(fault: Fault, line: str, rest: str) -> Fault:
    fault = replace(fault, line=line)
    while rest:
        match = _MODIFIER.match(rest)
        if match is None or (rest[match.end() :] and not rest[match.end() :].startswith(" ")):
            raise FaultsInvalid(
                f"{rest.strip()!r} at the end of {line!r} is not understood; a line may end with 'on drive 0', "
                "'on volume A00001L8', 'after 3 records', 'after 2 calls', 'once', '2 times', 'always'"
            )
        if match["drive"]:
            fault = replace(fault, drive=match["drive"])
        elif match["volume"]:
            fault = replace(fault, volume=match["volume"])
        elif match["after"]:
            counts = "records" if match["unit"].startswith("record") else "calls"
            fault = replace(fault, after=int(match["after"]), counts=counts)
        elif match["once"]:
            fault = replace(fault, times=1)
        elif match["always"]:
            fault = replace(fault, times=None)
        else:
            fault = replace(fault, times=int(match["times"]))
        rest = rest[match.end() :]
    if fault.counts == "records" and fault.action not in _BY_RECORDS:
        raise FaultsInvalid(f"{line!r} strikes whole calls; write for example 'after {fault.after} calls'")
    return fault


def parse(text: str) -> tuple[Fault, ...]:
    """Understand a whole faults.txt. Empty lines and what follows a # do not count.

    Raises: FaultsInvalid naming every line that is not understood, with its number.
    """
    faults, wrong = [], []
    for number, raw in enumerate(text.splitlines(), 1):
        if line := raw.partition("#")[0].strip():
            try:
                faults.append(parse_line(line))
            except FaultsInvalid as error:
                wrong.append(f"line {number}: {error}")
    if wrong:
        raise FaultsInvalid("\n".join(wrong))
    return tuple(faults)
