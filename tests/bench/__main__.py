"""`make bench`: measure, say what was measured beside its target, and write docs/BENCHMARKS.md.

ARGS="packs" measures only that part and writes no page; the parts are packs, lossless, pages and prefetch.
"""

import sys
from pathlib import Path

from tests.bench import figures, lossless, packs, pages, prefetch

PARTS = {"packs": packs.measure, "lossless": lossless.measure, "pages": pages.measure, "prefetch": prefetch.measure}
PAGE = Path(__file__).parents[2] / "docs" / "BENCHMARKS.md"


def main() -> None:
    """Run all parts or those that are named."""
    wanted = sys.argv[1:] or list(PARTS)
    facts = figures.machine()
    print("\n".join(facts))
    sections = [section for name in wanted for section in PARTS[name]()]
    if len(wanted) == len(PARTS):
        PAGE.write_text(figures.page(facts, sections), encoding="utf-8")
        print(f"written: {PAGE}")


main()
