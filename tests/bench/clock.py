"""Processor time of processes to the microsecond: what a request costs, whoever else uses the machine."""

from collections.abc import Iterable
from pathlib import Path

import psutil


def family(pids: Iterable[int]) -> list[int]:
    """These processes and all below them that there are now."""
    found: dict[int, None] = {}
    for pid in pids:
        try:
            found[pid] = None
            found.update((child.pid, None) for child in psutil.Process(pid).children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    return list(found)


def cpu_s(pids: Iterable[int]) -> float:
    """The seconds that all living threads of some processes have been running; those that are gone count nothing."""
    total_ns = 0
    for pid in pids:
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total_ns += int(file.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total_ns / 1e9


def peak_bytes(pid: int) -> int:
    """The most memory a living process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
