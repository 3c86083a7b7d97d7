"""`make bench`: measure, say each figure beside its target, keep it in a history and write docs/BENCHMARKS.md.

ARGS="pages query" measures these parts only. ARGS="query --studies 1000000 --instances 20 --database PostgreSQL"
measures at another size. Everything that is made on the way is in a temporary folder and gone at the end.
"""

import argparse
import time
from pathlib import Path

from tests.bench import figures, lossless, packs, pages, policy, prefetch, query, record, start
from tests.bench.ground import ground

PARTS = {
    "pages": pages.measure,
    "query": query.measure,
    "start": start.measure,
    "policy": policy.measure,  # behind the others: it makes jobs
    "packs": packs.measure,
    "lossless": lossless.measure,
    "prefetch": prefetch.measure,
}
DOCS = Path(__file__).parents[2] / "docs"
PAGE, HISTORY = DOCS / "BENCHMARKS.md", DOCS / "benchmarks.jsonl"


def main() -> None:
    """Run all parts or those that are named."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure; ARGS are:")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--studies", type=int, help="in the large catalog")
    parser.add_argument("--instances", type=int, help="of each study there")
    parser.add_argument("--times", type=int, help="how often each thing is asked")
    parser.add_argument("--database", action="append", choices=figures.DATABASES, help="both when none is named")
    parser.add_argument("--try", dest="only_try", action="store_true", help="keep and write nothing")
    chosen = parser.parse_args()
    databases = tuple(chosen.database or figures.DATABASES)
    options = figures.Options(chosen.studies, chosen.instances, chosen.times, databases)
    facts = figures.machine()
    print("\n".join(facts))
    with ground(options) as place:
        for name in chosen.parts or PARTS:
            at, began = figures.now(), time.perf_counter()
            print(f"{name}: {at}", flush=True)
            sections = list(PARTS[name](place))
            entry = record.entry(name, at, facts, sections, time.perf_counter() - began)
            if not chosen.only_try:
                record.keep(HISTORY, entry)
                PAGE.write_text(record.page(record.read(HISTORY), list(PARTS)), encoding="utf-8")


main()
