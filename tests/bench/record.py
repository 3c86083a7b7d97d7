"""The kept history of what was measured, one line of JSON a part and run, and the page that is made of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Section

_ABOUT = """# Benchmarks

Written by `make bench` from docs/benchmarks.jsonl, which keeps every run; not edited by hand. Each part below is as it
was measured last. A figure that misses its target says so. `make bench ARGS=pages` measures one part;
`make bench ARGS="query --studies 1000000 --instances 20"` at another size. Times are wall-clock time; "cpu" is
processor time of all processes that answer, database included, which other work on the machine does not lengthen much.
"""


def entry(part: str, at: str, facts: Sequence[str], sections: Iterable[Section], took_s: float) -> dict[str, Any]:
    """What is kept of one part of a run."""
    return {
        "part": part,
        "at": at,
        "took_s": round(took_s),
        "machine": list(facts),
        "sections": [
            {
                "title": section.title,
                "words": section.words,
                "figures": [[f.what, f.measured, f.target, f.met] for f in section.figures],
            }
            for section in sections
        ],
    }


def keep(history: Path, new: Mapping[str, Any]) -> None:
    """Add one entry."""
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(new, ensure_ascii=False) + "\n")


def read(history: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first."""
    if not history.exists():
        return []
    return [json.loads(row) for row in history.read_text(encoding="utf-8").splitlines() if row]


def page(entries: Iterable[Mapping[str, Any]], parts: Sequence[str]) -> str:
    """The page of the documentation: the newest entry of each part, in the order of `parts`."""
    newest = {one["part"]: one for one in entries}
    rows = [_ABOUT.rstrip("\n")]
    for part in parts:
        if part not in newest:
            rows += ["", f"## {part}", "", "Not measured yet."]
            continue
        found = newest[part]
        rows += ["", f"## {part}", "", f"`make bench ARGS={part}` took {found['took_s']} s; {found['at']}."]
        rows += [" ".join(found["machine"]) + "."]
        for section in found["sections"]:
            rows += _table(section)
    return "\n".join(rows) + "\n"


def _table(section: Mapping[str, Any]) -> list[str]:
    rows = ["", f"### {section['title']}", "", section["words"], ""]
    wanted = [met for *_, met in section["figures"] if met is not None]
    if wanted:
        rows += [f"{sum(wanted)} of {len(wanted)} targets are met.", ""]
    rows += ["| what | measured | target | |", "|---|---|---|---|"]
    for what, measured, target, met in section["figures"]:
        verdict = {None: "", True: "met", False: "**missed**"}[met]
        rows.append(f"| {what.replace('|', chr(92) + '|')} | {measured} | {target} | {verdict} |")
    return rows
