"""Where the parts are measured: large catalogs on both databases, made once a run and gone at its end."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from appliance.build import disk_facts, open_pool
from appliance.config import Config, demo_config
from appliance.toml_text import to_toml
from drivers.clock import SystemClock
from hsm.access.roles import Role
from hsm.catalog import Catalog
from hsm.figures.observer import Observer
from hsm.pool import OnlinePool
from tests.bench.figures import Options
from tests.support.big import BigHouse, fill
from tests.support.big_people import FIRST
from tests.support.ports import free_port
from tests.support.postgres import Server, running_server
from web.access import passwords

PERSON, PASSWORD = FIRST, "a long word for the bench"
STUDIES = 200_000
START_LIMIT_S = 120.0


@dataclass(frozen=True)
class Site:
    """One filled catalog with a configuration around it."""

    database: str
    house: BigHouse
    config: Config
    path: Path  # of the configuration
    server_pid: int | None  # of PostgreSQL

    @property
    def words(self) -> str:
        """What is in it."""
        house = self.house
        counts = (
            f"{house.studies:,} studies, {house.volumes:,} volumes, {house.jobs:,} jobs, {house.events:,} events and as"
            " many entries of the audit"
        ).replace(",", " ")
        return f"{counts.replace('  ', ', ')} on {self.database}"


class Ground:
    """Makes sites when they are first asked for."""

    def __init__(self, options: Options, folder: Path, stack: ExitStack) -> None:
        self.options = options
        self._folder = folder
        self._stack = stack
        self._sites: dict[tuple[str, BigHouse], Site] = {}
        self._server: Server | None = None

    def house(self) -> BigHouse:
        """The house at the size that was chosen."""
        return self.house_of(self.options.studies or STUDIES)

    def house_of(self, many: int) -> BigHouse:
        """A house of so many studies; its volumes, work and history in proportion, up to what a large one has."""
        share = many / STUDIES
        return BigHouse(
            many,
            volumes=max(20, int(2000 * share)) if share < 1 else 2000,
            jobs=max(300, int(60_000 * share)),
            events=max(300, int(200_000 * share)) if share < 1 else 200_000,
            instances=self.options.instances,
        )

    def site(self, database: str, house: BigHouse) -> Site:
        """A catalog of this size on this database."""
        if (database, house) not in self._sites:
            self._sites[database, house] = self._make(database, house)
        return self._sites[database, house]

    def _make(self, database: str, house: BigHouse) -> Site:
        root = self._folder / f"{database.lower()}-{house.studies}"
        root.mkdir()
        pid = None
        if database == "SQLite":
            url = f"sqlite:///{root / 'catalog.db'}"
        else:
            if self._server is None:
                self._server = self._stack.enter_context(running_server())
            url, pid = self._stack.enter_context(self._server.database()), self._server.pid
        config, path = prepared(root, url)
        began = time.perf_counter()
        with Catalog.open(url) as catalog:
            fill(catalog, house, datetime.now(UTC).replace(microsecond=0))
            _open_the_door(catalog)
            observer = Observer(catalog, partial(disk_facts, config, open_pool(config)), (root,), SystemClock())
            observer.observe()  # as the engine's process does each minute, so that the pages find figures
        if pid is not None:
            _vacuum(url)
        print(f"filled {house.studies} studies on {database} in {time.perf_counter() - began:.0f} s", flush=True)
        return Site(database, house, config, path, pid)


@contextmanager
def ground(options: Options) -> Iterator[Ground]:
    """Everything that is made is gone at the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="firn-bench-"))
        yield Ground(options, Path(folder), stack)


def prepared(root: Path, url: str) -> tuple[Config, Path]:
    """A configuration of its own ports, over an empty pool."""
    config = demo_config(root)
    web = config.web.model_copy(update={"port": free_port()})
    dicom = config.dicom.model_copy(update={"port": free_port()})
    catalog = config.catalog.model_copy(update={"url": url})
    config = config.model_copy(update={"web": web, "dicom": dicom, "catalog": catalog})
    path = root / "firn.toml"
    path.write_text(to_toml(config, only_set=True), encoding="utf-8")
    OnlinePool.create(config.online_directories, 0, config.resolve("quarantine"))
    return config, path


@contextmanager
def serving(site: Site, command: str = "web") -> Iterator[subprocess.Popen[bytes]]:
    """One service of the product as systemd starts it, answering on its web port."""
    with started(site, command) as process:
        await_answer(f"http://127.0.0.1:{site.config.web.port}/healthz", process)
        yield process


@contextmanager
def started(
    site: Site, command: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the product under way; stopped at the end."""
    with (site.path.parent / f"{command}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "--config", str(site.path), command],
            stdout=log,
            stderr=log,
            env={**(environment or os.environ), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def await_answer(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until something answers there. Raises: OSError when it ends or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # it says in no other way to us that it listens


def _open_the_door(catalog: Catalog) -> None:
    """The person with the full cart may do everything and can sign in."""
    catalog.accounts.set_role(PERSON, Role.ADMINISTRATOR, "bench", _now())
    catalog.accounts.set_password(PERSON, passwords.hashed(PASSWORD), False, "bench", _now())


def _vacuum(url: str) -> None:
    """What autovacuum does by itself in a running server, and our test server leaves."""
    parts = make_url(url)
    address = f"host={parts.query['host']} user={parts.username} dbname={parts.database}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _now() -> datetime:
    return datetime.now(UTC)
