"""How soon the pages answer over a large catalog: through gunicorn as the product starts it, on both databases."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import text

from appliance.config import Config, demo_config
from appliance.toml_text import to_toml
from appliance.web_server import pages as web_pages
from hsm.access.roles import Role
from hsm.catalog import Catalog
from hsm.pool import OnlinePool
from tests.bench.figures import Figure, Section, of_times
from tests.support.big import BigHouse, fill
from tests.support.ports import free_port
from tests.support.postgres import running_server
from tests.support.routes import pages as addresses
from tests.support.visitor import Visitor
from web.access import passwords

TIMES = 40
PAGE_MS, SEARCH_MS = 150, 100
PASSWORD = "a long word for the bench"
START_LIMIT_S = 60.0
SEARCHES = {
    "beginning of a name": ("ackermann", "sch", "hart", "vogel", "yilm"),
    "middle of a name": ("mann", "quist", "ovi", "ilmaz", "feld"),
    "family and given name": ("Holm, Anna", "dahl emma", "WEISS, ZOE", "nowak paul"),
    "other scripts": ("山田", "王", "やまだ"),
    "patient ID": ("1007919", "1791", "90017", "8000000"),
    "accession number": ("A160", "A250190000", "A20010", "0012345"),
    "date": ("2024-03-01", "2019", "2017-11", "1.2.2021"),
    "modality": ("CT", "mg", "OT"),
    "description": ("schadel", "coronary", "screening", "thorax p.a."),
    "several words": ("ct 2019 hart", "mr knee petra", "us 2024-05 schm", "mg screening 2016 anna"),
    "one or two letters": ("a", "xz", "q", "mr k"),
    "nothing fits": ("zzzzzz", "qqq www", "2031-01-01", "99999999999"),
}
VARIANTS = (
    "/studies?page=2",
    "/studies?page=3000",
    "/studies?show=online",
    "/studies?show=nearline",
    "/studies?show=offline",
    "/studies?show=unavailable",
    "/studies?show=unsafe",
    "/studies?show=nearline&q=anna",
    "/volumes?pool=tape_a",
    "/volumes?state=suspect",
    "/jobs?state=failed",
    "/jobs?state=active",
    "/jobs?kind=recall",
    "/jobs?barcode=A00100L8",
    "/jobs?pool=tape_b",
    "/events?level=error",
    "/events?name=drive_failed",
    "/events?subject=A00100L8",
)


def measure() -> Iterator[Section]:
    """Both databases, one after the other."""
    house = BigHouse()
    with tempfile.TemporaryDirectory(prefix="firn-bench-") as folder:
        root = Path(folder)
        yield from _on("SQLite", f"sqlite:///{root / 'sqlite' / 'catalog.db'}", root / "sqlite", house)
        with running_server() as server, server.database() as url:
            yield from _on("PostgreSQL", url, root / "postgresql", house)


def _on(name: str, url: str, root: Path, house: BigHouse) -> Iterator[Section]:
    config, path = _prepare(root, url)
    with Catalog.open(config.catalog_url) as catalog:
        began = time.perf_counter()
        fill(catalog, house, datetime.now(UTC).replace(microsecond=0))
        filled_s = time.perf_counter() - began
        catalog.accounts.add("bench", "", Role.ADMINISTRATOR, passwords.hashed(PASSWORD), False, "bench", _now())
        wanted = [*addresses(web_pages(config, catalog), examples(catalog), {"health"}).values(), *VARIANTS]
    words = (
        f"{house.studies:,} studies, {house.volumes:,} volumes, {house.jobs:,} jobs, {house.events:,} events on {name};"
        f" each address {TIMES} times, one request at a time, until the last byte. The catalog was filled in"
        f" {filled_s:.0f} s."
    ).replace(",", " ")
    with _serving(config, path):
        visitor = Visitor(config.web.port)
        visitor.sign_in("bench", PASSWORD)
        yield _measured(Section(f"Study search on {name}", words), visitor, _searches(), SEARCH_MS)
        yield _measured(Section(f"Pages on {name}", words), visitor, {one: (one,) for one in wanted}, PAGE_MS)


def _measured(section: Section, visitor: Visitor, wanted: dict[str, tuple[str, ...]], target_ms: float) -> Section:
    print(section.title, flush=True)
    for what, several in wanted.items():
        samples, wrong = [], ""
        for address in several:
            if (first := visitor.get(address)).status >= 400:
                wrong = f"answers {first.status}"
        for number in range(TIMES):
            samples.append(visitor.get(several[number % len(several)]).took_s)
        section.add(Figure(what, wrong, "", False) if wrong else of_times(what, samples, target_ms))
    return section


def _searches() -> dict[str, tuple[str, ...]]:
    return {kind: tuple(f"/studies?q={quote(word)}" for word in words) for kind, words in SEARCHES.items()}


def examples(catalog: Catalog) -> dict[str, str]:
    """What to put into addresses: a study with a past, a tape in the middle of its life, a job."""
    statement = text("SELECT study_instance_uid FROM studies WHERE id = (SELECT max(id) / 2 FROM studies)")
    uid = str(catalog.database.read(lambda connection: connection.execute(statement).scalar_one()))
    job = catalog.jobs.list(limit=1)[0]
    return {
        "uid": uid,
        "study_instance_uid": uid,
        "dicomweb.retrieve_metadata.study": uid,
        "barcode": "A00300L8",
        "job_id": str(job.id),
        "number": "3",
        "drives.show.name": "tape",
        "drives.show.index": "0",
        "library": "tape",
        "api.get_policy.version": "3",
        "hold_id": "3",
        "name": "bench",
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _prepare(root: Path, url: str) -> tuple[Config, Path]:
    config = demo_config(root)
    web = config.web.model_copy(update={"port": free_port()})
    catalog = config.catalog.model_copy(update={"url": url})
    config = config.model_copy(update={"web": web, "catalog": catalog})
    root.mkdir(parents=True)
    path = root / "firn.toml"
    path.write_text(to_toml(config, only_set=True), encoding="utf-8")
    OnlinePool.create(config.online_directories, 0, config.resolve("quarantine"))
    return config, path


@contextmanager
def _serving(config: Config, path: Path) -> Iterator[None]:
    """The web service of the product, and nothing else."""
    with (path.parent / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "--config", str(path), "web"],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        _await(f"http://127.0.0.1:{config.web.port}/healthz", process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # gunicorn says in no other way to us that it listens
