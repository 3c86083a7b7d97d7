"""Ends a process with SIGKILL at the n-th step that matters: a sync, a rename, a deletion, a commit, a device command.

`count_steps(work)` runs the work once to its end and says how many steps it has; `crash_at(work, n)` runs it in a child
that dies just before step n; `pulled_at` runs it once and takes what a death at each of many steps would leave. A step
is a place in the code with the way that led there, counted at its first visit; with `every`, each visit counts.
Nothing in the product knows of this: the steps are wrapped from outside.
"""

import os
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from drivers.simulator.recorder import SimulatedRecorder
from drivers.simulator.tape import SimulatedTapeDrive
from hsm.catalog.database import Database

STEPS: tuple[tuple[Any, str], ...] = (
    (os, "fsync"),
    (os, "rename"),
    (os, "replace"),
    (os, "unlink"),
    (os, "rmdir"),
    (Database, "write"),
    (SimulatedTapeDrive, "append"),
    (SimulatedTapeDrive, "flush"),
    (SimulatedRecorder, "burn"),
)
DIED = -signal.SIGKILL
STOPPED = -signal.SIGALRM
LONGEST_S = 45
FAILED = 70


def _place() -> tuple[tuple[str, int], ...]:
    """Where in the product we are: the lines of hsm and drivers on the way here."""
    frame: FrameType | None = sys._getframe(2)
    lines: list[tuple[str, int]] = []
    while frame is not None:
        name = frame.f_code.co_filename
        if "/hsm/" in name or "/drivers/" in name:
            lines.append((name, frame.f_lineno))
        frame = frame.f_back
    return tuple(lines)


class _Counter:
    """Counts places in the code, each at its first visit; with `every`, all visits."""

    def __init__(self, reached: Callable[[int], None], every: bool) -> None:
        """`reached` is called with the number of each step, before it."""
        self.steps = 0
        self.reached = reached
        self.every = every
        self.seen: set[tuple[tuple[str, int], ...]] = set()

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def stepped(*args: Any, **kwargs: Any) -> Any:
            place = _place()
            if self.every or place not in self.seen:
                self.seen.add(place)
                self.steps += 1
                self.reached(self.steps)
            return original(*args, **kwargs)

        return stepped


def _run(work: Callable[[], None], reached: Callable[[int], None], every: bool, told: int, longest_s: int) -> None:
    """What a forked child does: the work, counted; the number of steps goes to a pipe. Never returns."""
    status = FAILED
    try:
        signal.alarm(longest_s)  # a fork among threads may inherit a lock nobody opens: end it, that is a crash too
        counter = _Counter(reached, every)
        for owner, name in STEPS:
            setattr(owner, name, counter.wrap(getattr(owner, name)))
        work()
        os.write(told, struct.pack("<i", -counter.steps))
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must never run on into the parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


def _in_child(work: Callable[[], None], last: int | None, every: bool) -> tuple[int, int]:
    """Run work in a forked child. Returns: exit status (negative: signal) and steps taken, if it came to its end."""

    def reached(step: int) -> None:
        if last is not None and step >= last:
            os.kill(os.getpid(), signal.SIGKILL)

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _run(work, reached, every, writing, LONGEST_S)
    os.close(writing)
    try:
        _, status = os.waitpid(child, 0)
        told = os.read(reading, 4)
    finally:
        os.close(reading)
    return os.waitstatus_to_exitcode(status), -struct.unpack("<i", told)[0] if told else 0


def pulled_at(work: Callable[[], None], folder: Path, into: Path, wanted: Callable[[int], bool]) -> list[int]:
    """Run the work to its end once, and copy its folder before each wanted step, while all its threads stand still.

    A copy is what SIGKILL at that moment leaves behind: what was written is there, what was only in memory is not.

    Returns: the steps; the copies are in `into`, named by them.
    """
    asking, ask = os.pipe()
    going_on, go_on = os.pipe()

    def reached(step: int) -> None:
        if wanted(step):
            os.write(ask, struct.pack("<i", step))
            os.read(going_on, 1)

    child = os.fork()
    if child == 0:
        _run(work, reached, False, ask, LONGEST_S * 10)
    os.close(ask)
    os.close(going_on)
    taken: list[int] = []
    try:
        while (told := os.read(asking, 4)) and (step := struct.unpack("<i", told)[0]) > 0:
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            subprocess.run(["cp", "-a", folder, into / str(step)], check=True)
            taken.append(step)
            os.kill(child, signal.SIGCONT)
            os.write(go_on, b".")
    finally:
        os.close(asking)
        os.close(go_on)
        _, status = os.waitpid(child, 0)
    assert status == 0, f"the work failed by itself with status {os.waitstatus_to_exitcode(status)}"
    return taken


def count_steps(work: Callable[[], None], every: bool = False) -> int:
    """Run the work to its end in a child; how many steps it took."""
    status, steps = _in_child(work, None, every)
    assert status == 0, f"the work failed by itself with status {status}"
    return steps


def crash_at(work: Callable[[], None], step: int, every: bool = False) -> bool:
    """Run the work in a child that dies just before a step. Returns: False when the work ended before that step."""
    status, _ = _in_child(work, step, every)
    assert status in (0, DIED, STOPPED), f"the work failed by itself with status {status}"
    return status != 0
