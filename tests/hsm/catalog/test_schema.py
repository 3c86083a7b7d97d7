"""The schema comes up by itself, once, and never goes backwards."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from hsm.catalog import Catalog, CatalogForeign, CatalogTooNew, CatalogUnavailable
from hsm.catalog.database import Database, make_engine, parse_url
from hsm.catalog.schema import bring_up, config, head, version
from hsm.columns import Base
from hsm.search.tables import GRAM_INDEX, GRAM_TABLE
from tests.hsm.catalog.world import START


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def nothing(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_the_migrated_schema_is_what_the_models_say(catalog: Catalog) -> None:
    def described(thing: object, name: str | None, *_others: object) -> bool:
        return not str(name).startswith((GRAM_TABLE, GRAM_INDEX))  # the ways of each database

    def work(connection: Connection) -> list[object]:
        opts = {"compare_type": True, "render_as_batch": True, "include_object": described}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, Base.metadata))

    assert catalog.database.write(work) == []


def test_conditions_of_indexes_survive_the_migration(catalog: Catalog) -> None:
    dialect = catalog.database.engine.dialect.name

    def conditions(connection: Connection) -> dict[str, str]:
        found = {}
        for table in ("instances", "copies"):
            for index in inspect(connection).get_indexes(table):
                where = index.get("dialect_options", {}).get(f"{dialect}_where")
                if where is not None:
                    found[str(index["name"])] = str(where)
        return found

    found = catalog.database.read(conditions)
    assert set(found) == {
        "ix_instances_not_online",
        "ix_instances_releasing",
        "ix_instances_unpacked",
        "uq_copies_pack_volume",
    }
    assert all(found.values())


def test_many_openers_at_once_make_one_schema(nothing: str) -> None:
    opened: list[str] = []

    def open_it() -> None:
        with Catalog.open(nothing) as catalog:
            catalog.events.record("info", "opened", "", {}, START)
            opened.append("ok")

    threads = [Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == ["ok"] * 4
    with Catalog.open(nothing) as catalog:
        assert len(catalog.events.list()) == 4


def test_a_new_database_that_somebody_writes_to_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # SQLite answers "locked" to a change of the journal, at once
        monkeypatch.setattr("hsm.catalog.database.time.sleep", lambda _s: other.execute("ROLLBACK"))
        with Catalog.open(f"sqlite:///{path}") as catalog:
            assert catalog.events.list() == []
        monkeypatch.undo()
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_new_database_that_somebody_keeps_locked_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogUnavailable, match="locked"):
            Catalog.open(f"sqlite:///{path}", busy_timeout_s=0.01)


def test_several_processes_make_one_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    program = f"from hsm.catalog import Catalog; Catalog.open({url!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]


def test_a_newer_schema_is_left_alone(nothing: str) -> None:
    with Catalog.open(nothing) as catalog:
        catalog.database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(CatalogTooNew, match="9999"):
        Catalog.open(nothing)


def test_somebody_elses_tables_are_left_alone(nothing: str) -> None:
    database = Database(make_engine(parse_url(nothing), 1, 5))
    database.write(lambda connection: connection.execute(text("CREATE TABLE patients (id integer)")))
    with pytest.raises(CatalogForeign, match="patients"):
        Catalog.open(nothing)
    assert database.read(lambda connection: inspect(connection).get_table_names()) == ["patients"]
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear database, " * 100)
    with pytest.raises(CatalogForeign, match=r"letter\.txt"):
        Catalog.open(f"sqlite:///{path}")


def test_the_tables_can_be_taken_down_again(nothing: str) -> None:
    with Catalog.open(nothing) as catalog:

        def down(connection: Connection) -> None:
            alembic = config()
            alembic.attributes["connection"] = connection
            command.downgrade(alembic, "base")

        catalog.database.change_schema(down)
        assert catalog.database.read(lambda c: inspect(c).get_table_names()) == ["alembic_version"]
        assert catalog.database.read(version) is None
        with pytest.raises(CatalogForeign):  # the empty version table is a table that was left
            bring_up(catalog.database)


def test_foreign_keys_are_checked_again_after_a_change_of_the_schema(sqlite_url: str) -> None:
    with Catalog.open(sqlite_url) as catalog:
        catalog.database.change_schema(lambda connection: None)
        checked = catalog.database.read(lambda c: c.exec_driver_sql("PRAGMA foreign_keys").scalar())
        assert checked == 1


def test_there_is_one_head() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [head()]


def test_the_file_of_a_template_is_a_plain_database(sqlite_template: Path) -> None:
    with sqlite3.connect(sqlite_template) as plain:
        assert plain.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
    plain.close()
