"""What was measured: figures beside their targets, as lines on a terminal and as a page of the documentation."""

import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil


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


def of_times(what: str, samples_s: Sequence[float], target_ms: float) -> Figure:
    """The median and the 95th percentile of times, beside a target for the latter."""
    p50, p95 = (percentile(samples_s, pct) * 1000 for pct in (50, 95))
    return Figure(what, f"p50 {p50:.0f} ms, p95 {p95:.0f} ms", f"p95 < {target_ms:.0f} ms", p95 < target_ms)


def line(figure: Figure) -> str:
    """A figure on a terminal."""
    verdict = {None: "", True: "ok", False: "MISSED"}[figure.met]
    return f"  {figure.what:<58} {figure.measured:<26} {figure.target:<14} {verdict}".rstrip()


def machine() -> list[str]:
    """Facts about this machine and its programs."""
    model = next(
        (row.split(":", 1)[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row),
        platform.processor(),
    )
    memory_gb = psutil.virtual_memory().total / 1e9
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{os.cpu_count()} x {model}, {memory_gb:.0f} GB of memory, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "load average at the beginning: " + ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    ]


def page(facts: Iterable[str], sections: Iterable[Section]) -> str:
    """The page of the documentation."""
    parts = [
        "# Benchmarks",
        "",
        "Written by `make bench`; not edited by hand. A figure that misses its target says so.",
        "",
        *(f"- {fact}" for fact in facts),
    ]
    for section in sections:
        parts += [
            "",
            f"## {section.title}",
            "",
            section.words,
            "",
            "| what | measured | target | |",
            "|---|---|---|---|",
        ]
        for figure in section.figures:
            verdict = {None: "", True: "met", False: "**missed**"}[figure.met]
            what = figure.what.replace("|", "\\|")
            parts.append(f"| {what} | {figure.measured} | {figure.target} | {verdict} |")
    return "\n".join(parts) + "\n"
