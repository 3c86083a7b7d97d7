"""The one place that starts a process."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from drivers.errors import CommandFailed, CommandMissing, CommandTimedOut

_log = structlog.get_logger()
_SHOWN_CHARACTERS = 600  # of stderr, in a message
_GRACE_S = 5.0  # between asking a process to end and killing it


@dataclass(frozen=True)
class Completed:
    """A process that ended by itself."""

    argv: tuple[str, ...]
    status: int  # negative: the signal that ended it
    stdout: str
    stderr: str
    duration_s: float


def run(
    argv: Sequence[str],
    limit_s: float,
    good: Collection[int] = (0,),
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a tool to its end, without a shell, in the C locale, with nothing on its standard input.

    The tool and everything it started are ended when the time is up. `environment` adds to ours.

    Raises: CommandMissing, CommandTimedOut, CommandFailed when the exit status is not one of `good`. All keep argv,
    status and output.
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
        )
    except (FileNotFoundError, PermissionError) as error:
        raise CommandMissing(f"{argv[0]} cannot be started ({error.strerror}); install it", argv) from error
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        stdout, stderr = _end(process)
        raise CommandTimedOut(
            f"{shlex.join(argv)} did not end within {limit_s:g} s and was killed; {_last(stderr)}",
            argv,
            None,
            stdout,
            stderr,
        ) from error
    except BaseException:
        _end(process)
        raise
    done = Completed(tuple(argv), process.returncode, stdout, stderr, time.monotonic() - started)
    _log.debug("command_ended", command=argv[0], status=done.status, duration_s=round(done.duration_s, 3))
    if done.status not in good:
        raise CommandFailed(
            f"{shlex.join(argv)} ended with status {done.status}; {_last(stderr or stdout)}",
            argv,
            done.status,
            stdout,
            stderr,
        )
    return done


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break  # it ended in the meantime
        try:
            return process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    return process.communicate()


def _last(text: str) -> str:
    text = text.strip()
    return f"it said: {text[-_SHOWN_CHARACTERS:]}" if text else "it said nothing"
