"""A catalog on SQLite and one on PostgreSQL: every test that takes `catalog` runs on both."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, event

from hsm.catalog import Catalog
from hsm.columns import Base
from tests.hsm.catalog.world import World
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalog file, to be copied."""
    path = tmp_path_factory.mktemp("catalog") / "template.db"
    Catalog.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_catalog_url(postgres_server: Server) -> Iterator[str]:
    """A database with tables; emptying them is ten times as fast as making another."""
    with postgres_server.database() as url:
        Catalog.open(url).close()
        yield url


@pytest.fixture(scope="session")
def postgres_catalog(postgres_catalog_url: str) -> Iterator[Catalog]:
    """A catalog on that database, for the whole run."""
    with Catalog.open(postgres_catalog_url) as catalog:
        yield catalog


def empty(catalog: Catalog) -> None:
    """Leave no row."""

    def work(connection: Connection) -> None:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))

    catalog.database.write(work)


def do_not_wait_for_the_disk(catalog: Catalog) -> None:
    """Most tests cut no power; waiting for the disk would take most of their time."""

    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(catalog.database.engine, "connect", hurry)
    catalog.database.engine.dispose()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of an empty catalog with tables, for what is only true of SQLite."""
    path = tmp_path / "catalog.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty catalog with tables, for those who open it themselves."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    empty(request.getfixturevalue("postgres_catalog"))
    return str(request.getfixturevalue("postgres_catalog_url"))


@pytest.fixture(scope="session")
def sqlite_catalog(sqlite_template: Path) -> Iterator[Catalog]:
    """A catalog on SQLite, for the whole run: a new engine would have to learn every statement again."""
    path = sqlite_template.with_name("shared.db")
    shutil.copy(sqlite_template, path)
    with Catalog.open(f"sqlite:///{path}") as catalog:
        do_not_wait_for_the_disk(catalog)
        yield catalog


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog."""
    shared: Catalog = request.getfixturevalue(f"{request.param}_catalog")
    empty(shared)
    return shared


@pytest.fixture
def world(catalog: Catalog) -> World:
    """An empty archive."""
    return World(catalog)
