"""What was measured: figures beside their targets."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

DATABASES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Options:
    """What the person who measures has chosen; None: as the part has it."""

    studies: int | None = None
    instances: int | None = None  # of a study
    times: int | None = None
    databases: tuple[str, ...] = DATABASES


@dataclass(frozen=True)
class Figure:
    """One measured thing."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None  # None: there is no target


@dataclass
class Section:
    """Figures that belong together."""

    title: str
    words: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Note a figure and say it."""
        self.figures.append(figure)
        print(line(figure), flush=True)


def percentile(samples: Sequence[float], pct: float) -> float:
    """The smallest sample that so many percent of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * pct / 100))]


def of_times(what: str, samples_s: Sequence[float], target_ms: float | None, cpu: Sequence[float] = ()) -> Figure:
    """The median and the 95th percentile of times, beside a target for the latter; and of processor time."""
    p50, p95 = (percentile(samples_s, pct) * 1000 for pct in (50, 95))
    measured = f"p50 {ms(p50)}, p95 {ms(p95)} ms"
    if cpu:
        measured += f" (cpu {ms(percentile(cpu, 50) * 1000)}, {ms(percentile(cpu, 95) * 1000)})"
    if target_ms is None:
        return Figure(what, measured)
    return Figure(what, measured, f"p95 < {target_ms:.0f} ms", p95 < target_ms)


def ms(value: float) -> str:
    """Milliseconds with the digits that mean something."""
    return f"{value:.1f}" if value < 20 else f"{value:.0f}"


def line(figure: Figure) -> str:
    """A figure on a terminal."""
    verdict = {None: "", True: "ok", False: "MISSED"}[figure.met]
    return f"  {figure.what[:72]:<72} {figure.measured:<44} {figure.target:<14} {verdict}".rstrip()


def machine() -> list[str]:
    """Facts about this machine and its programs."""
    model = next(
        (row.split(":", 1)[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row),
        platform.processor(),
    )
    memory_gb = psutil.virtual_memory().total / 1e9
    return [
        f"{os.cpu_count()} x {model}, {memory_gb:.0f} GB of memory, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_postgres()}",
    ]


def now() -> str:
    """The minute, and how busy the machine is."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load " + " ".join(f"{load:.1f}" for load in os.getloadavg())


def _postgres() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        return "no PostgreSQL"
    answer = subprocess.run([found[-1], "--version"], check=True, capture_output=True, text=True, timeout=10)
    return " ".join(answer.stdout.replace("postgres (PostgreSQL)", "PostgreSQL").split()[:2])
