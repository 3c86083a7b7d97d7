"""What a tick of the policy costs over a large house: time and memory, in a process of its own as the engine is one."""

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.figures import Figure, Section
from tests.bench.ground import Ground, Site

TICK_S, IDLE_S, MEMORY_MB = 10.0, 1.0, 500
LIMIT_S = 3600
MODULE = "tests.bench.ticks"


def measure(ground: Ground) -> Iterator[Section]:
    """A first tick and one in which nothing is new."""
    for database in ground.options.databases:
        yield _one(ground.site(database, ground.house()))


def _one(site: Site) -> Section:
    words = (
        f"{site.words}; the rules of the house: two tapes for everything, release after 90 days, verify every 2 years."
        f" Targets are those for 1 000 000 studies; `--studies` sets the size."
    )
    section = Section(f"Policy on {site.database}", words)
    print(section.title, flush=True)
    argv = [sys.executable, "-m", MODULE, str(site.path)]
    answer = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
    told = json.loads(answer.stdout.splitlines()[-1])
    for what, key, target_s in (("first tick", "first", TICK_S), ("tick with nothing new", "idle", IDLE_S)):
        took_s, cpu_s = told[f"{key}_s"], told[f"{key}_cpu_s"]
        measured = f"{took_s:.2f} s (cpu {cpu_s:.2f}), {told[f'{key}_jobs']} jobs"
        section.add(Figure(f"{what}, {site.house.studies} studies", measured, f"< {target_s:.0f} s", took_s < target_s))
    peak_mb = told["peak_bytes"] / 1e6
    section.add(Figure("most memory of the process", f"{peak_mb:.0f} MB", f"< {MEMORY_MB} MB", peak_mb < MEMORY_MB))
    return section
