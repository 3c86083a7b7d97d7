"""Transactions: durable, exclusive for writers, and clear about why not."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from psycopg import errors as postgres_errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from hsm.catalog import Catalog, CatalogForeign, CatalogUnavailable
from hsm.catalog.database import ATTEMPTS, RunAgain, parse_url
from hsm.catalog.rows import insert_row
from hsm.models import Policy
from tests.hsm.catalog.world import START, arrival, study_uid
from tests.support.postgres import Server


def pragma(catalog: Catalog, name: str) -> Any:
    """What SQLite says of a setting."""
    return catalog.database.read(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar())


def test_sqlite_survives_a_power_failure_and_checks_foreign_keys(sqlite_url: str) -> None:
    with Catalog.open(sqlite_url) as catalog:
        assert pragma(catalog, "journal_mode") == "wal"
        assert pragma(catalog, "synchronous") == 2
        assert pragma(catalog, "foreign_keys") == 1


def test_postgres_commits_are_durable_even_where_the_server_says_otherwise(postgres_catalog_url: str) -> None:
    with Catalog.open(postgres_catalog_url) as catalog:  # the test server has synchronous_commit = off
        assert catalog.database.read(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar()) == "on"


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "postgres//x"], ids=str
)
def test_an_address_nobody_understands_is_refused(url: str) -> None:
    with pytest.raises(CatalogForeign):
        Catalog.open(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(CatalogForeign) as refused:
        parse_url("mysql://me:secret@host/db")
    assert "secret" not in str(refused.value)


def test_a_file_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailable, match="unable to open"):
        Catalog.open(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'c.db'}")


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailable):
        Catalog.open(f"postgresql://firn@/firn?host={tmp_path}", busy_timeout_s=1)


def test_a_writer_that_waits_too_long_is_told(sqlite_url: str) -> None:
    with Catalog.open(sqlite_url, busy_timeout_s=0.05) as catalog:
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            assert catalog.events.list() == []  # readers do not wait for writers
            with pytest.raises(CatalogUnavailable, match="locked"):
                catalog.intake.record(arrival())
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert catalog.studies.get(study_uid(1)) is None
        catalog.intake.record(arrival())


def test_a_lock_on_a_row_is_not_waited_for_for_ever(postgres_catalog_url: str) -> None:
    with Catalog.open(postgres_catalog_url, busy_timeout_s=0.2) as catalog, Catalog.open(postgres_catalog_url) as other:
        catalog.intake.record(arrival())
        with other.database.engine.begin() as holding:
            holding.execute(text("SELECT id FROM studies FOR UPDATE"))
            with pytest.raises(CatalogUnavailable, match="lock timeout"):
                catalog.intake.record(arrival(number=2))
        other.intake.record(arrival(number=2))


def test_too_many_at_once_are_told(sqlite_url: str) -> None:
    with Catalog.open(sqlite_url, pool_size=1, busy_timeout_s=0.05) as catalog:
        engine = catalog.database.engine
        with engine.connect(), engine.connect(), pytest.raises(CatalogUnavailable, match="connections"):
            catalog.events.list()


def test_what_raises_changes_nothing(catalog: Catalog) -> None:
    def work(connection: Connection) -> None:
        insert_row(connection, Policy, {"text": "x", "author": "me", "created_at": START})
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        catalog.database.write(work)
    assert catalog.policies.current() is None


def test_readers_see_one_moment(catalog: Catalog) -> None:
    looked, written = Event(), Event()
    seen: list[int] = []

    def look(connection: Connection) -> None:
        count = text("SELECT count(*) FROM policies")
        seen.append(connection.execute(count).scalar_one())
        looked.set()
        written.wait(10)
        seen.append(connection.execute(count).scalar_one())

    reader = Thread(target=lambda: catalog.database.read(look))
    reader.start()
    looked.wait(10)
    catalog.policies.publish("rule", "me", START)
    written.set()
    reader.join()
    assert seen == [0, 0]
    assert catalog.policies.current() is not None


def test_readers_cannot_write_on_postgres(postgres_catalog: Catalog) -> None:
    row = {"text": "x", "author": "me", "created_at": START}
    with pytest.raises(CatalogUnavailable, match="read-only"):
        postgres_catalog.database.read(lambda connection: insert_row(connection, Policy, row))


def failing(times: int, error: Exception) -> tuple[Callable[[Connection], int], list[int]]:
    """Work that fails some times, and how often it was tried."""
    tries: list[int] = []

    def work(_connection: Connection) -> int:
        tries.append(1)
        if len(tries) <= times:
            raise error
        return len(tries)

    return work, tries


def driver_error(error: Exception) -> OperationalError:
    """What SQLAlchemy makes of a driver's error."""
    return OperationalError("SELECT 1", {}, error)


def test_a_deadlock_is_tried_again(catalog: Catalog) -> None:
    work, _ = failing(2, driver_error(postgres_errors.DeadlockDetected("deadlock detected")))
    assert catalog.database.write(work) == 3


def test_a_deadlock_that_comes_back_is_unavailable_in_the_end(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsm.catalog.database.time.sleep", lambda _s: None)
    work, tries = failing(99, driver_error(postgres_errors.SerializationFailure("could not serialize")))
    with pytest.raises(CatalogUnavailable, match="could not serialize"):
        catalog.database.write(work)
    assert len(tries) == ATTEMPTS


def test_work_that_others_disturb_is_done_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsm.catalog.database.time.sleep", lambda _s: None)
    work, _ = failing(1, RunAgain("somebody was faster"))
    assert catalog.database.write(work) == 2
    work, tries = failing(99, RunAgain("somebody was faster"))
    with pytest.raises(CatalogUnavailable, match="somebody was faster"):
        catalog.database.write(work)
    assert len(tries) == ATTEMPTS


def test_a_connection_that_broke_before_the_commit_is_replaced(
    postgres_server: Server, postgres_catalog_url: str
) -> None:
    with Catalog.open(postgres_catalog_url) as catalog, Catalog.open(postgres_catalog_url) as other:
        name = postgres_catalog_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
        catalog.policies.history()
        other.database.write(
            lambda c: c.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = :n AND pid <> pg_backend_pid()"
                ),
                {"n": name},
            ).all()
        )
        assert catalog.policies.publish("rule", "me", START) > 0


def test_a_connection_that_breaks_in_the_commit_leaves_the_outcome_open(postgres_catalog_url: str) -> None:
    with Catalog.open(postgres_catalog_url) as catalog, Catalog.open(postgres_catalog_url) as other:

        def work(connection: Connection) -> None:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            other.database.write(lambda c: c.execute(text("SELECT pg_terminate_backend(:p, 5000)"), {"p": pid}).all())

        with pytest.raises(CatalogUnavailable, match="outcome is unknown"):
            catalog.database.write(work)


def test_a_programming_error_is_no_excuse_for_the_database(catalog: Catalog) -> None:
    with pytest.raises((ProgrammingError, OperationalError)):
        catalog.database.read(lambda connection: connection.execute(text("SELECT * FROM nowhere")).all())
    with pytest.raises(IntegrityError):
        catalog.database.write(lambda c: c.execute(text("INSERT INTO recall_jobs (request_fk, job_fk) VALUES (1, 1)")))


def test_a_time_without_zone_is_refused(catalog: Catalog) -> None:
    with pytest.raises(StatementError, match="naive"):
        catalog.policies.publish("rule", "me", datetime(2026, 1, 1))  # noqa: DTZ001
