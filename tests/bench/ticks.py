"""Two ticks of the policy over the catalog of a configuration; prints what they cost as one line of JSON."""

import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from appliance import build
from appliance.config.load import load
from hsm.catalog import Catalog
from hsm.ticking import evaluate
from tests.bench.clock import peak_bytes
from tests.support.big import POOLS


def main(path: Path) -> None:
    """The first finds what is due; before the second nothing changes."""
    config = load(path, os.environ)
    settings = replace(build.tick_settings(config), max_releases=1000)
    told: dict[str, float] = {}
    with Catalog.open(config.catalog_url) as catalog:
        pool = build.open_pool(config)
        for which in ("first", "idle"):
            began, cpu = time.perf_counter(), time.process_time()
            _, jobs = evaluate(catalog, pool, POOLS, settings, datetime.now(UTC))
            told |= {
                f"{which}_s": time.perf_counter() - began,
                f"{which}_cpu_s": time.process_time() - cpu,
                f"{which}_jobs": jobs,
            }
    told["peak_bytes"] = peak_bytes(os.getpid())
    print(json.dumps(told))


main(Path(sys.argv[1]))
