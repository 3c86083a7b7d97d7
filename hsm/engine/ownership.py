"""Who runs the engine of a catalog, and whether that process still lives."""

import os
import socket

import psutil


def holder_name(own_id: int) -> str:
    """A name for the lease that says which process of which machine holds it: host:pid:start time:engine."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{own_id:x}"


def _started(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""


def is_dead(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended. False when that cannot be known from here.

    A process that was killed cannot give its lease back; its successor need not wait for the lease to run out.
    """
    host, _, rest = holder.partition(":")
    pid, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    return host == socket.gethostname() and pid.isdigit() and _started(int(pid)) != started
