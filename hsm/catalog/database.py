"""The engine and its transactions: one way to read, one way to write, for both databases.

SQLite: write-ahead log with full synchronisation, so an acknowledged commit survives a power failure; writers take the
lock at their beginning, so nobody fails in the middle because somebody else wrote. PostgreSQL: read committed with row
locks for writers, one snapshot for readers; deadlocks and serialisation failures are tried again from the beginning.
"""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, Row, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hsm.catalog.errors import CatalogForeign, CatalogUnavailable

T = TypeVar("T")
AnySelect = Select[*tuple[Any, ...]]  # a statement, whatever its columns
AnyRow = Row[*tuple[Any, ...]]
log = structlog.get_logger()

ATTEMPTS = 8
_LOCK_POLL_S = 0.02
RETRYABLE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# lock_not_available, too_many_connections, cannot_connect_now, admin/crash shutdown, read-only standby, disk full
UNAVAILABLE = frozenset({"55P03", "53300", "57P03", "57P01", "57P02", "25006", "53100"})
SQLITE_TROUBLE = ("locked", "busy", "disk i/o error", "readonly", "unable to open", "is full")


def parse_url(url: str) -> URL:
    """The URL with its driver named.

    Raises: CatalogForeign for anything but a SQLite file or PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise CatalogForeign(
            "the catalog's address is no database URL: write sqlite:////path/catalog.db or postgresql://user@host/name"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    raise CatalogForeign(f"no catalog can be kept in {parsed.render_as_string()}: use a SQLite file or PostgreSQL")


def make_engine(url: URL, pool_size: int, busy_timeout_s: float) -> Engine:
    """An engine whose connections are durable and check foreign keys."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=busy_timeout_s,
            connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        )
        event.listen(engine, "connect", lambda connection, _record: _prepare_sqlite(connection, busy_timeout_s))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout_s,
        connect_args={"connect_timeout": max(2, round(busy_timeout_s))},
    )
    milliseconds = max(1, round(busy_timeout_s * 1000))
    event.listen(engine, "connect", lambda connection, _record: _prepare_postgres(connection, milliseconds))
    return engine


def _prepare_sqlite(connection: Any, busy_timeout_s: float) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says so, also before schema changes
    cursor = connection.cursor()
    _keep_a_log(cursor, busy_timeout_s)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -32768")
    cursor.close()


def _keep_a_log(cursor: Any, busy_timeout_s: float) -> None:
    """Switch a new database to a write-ahead log. SQLite does not wait for others here, so we do.

    Raises: sqlite3.OperationalError when they do not let go in time.
    """
    deadline = time.monotonic() + busy_timeout_s
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_POLL_S)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("firn_schema", False):  # tables are copied and renamed; must be said before the transaction
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("firn_writes", False) else "BEGIN")


def _prepare_postgres(connection: Any, lock_timeout_ms: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {lock_timeout_ms}")
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] == "off":  # an acknowledged commit must be on disk
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


class RunAgain(Exception):
    """Another process came in between: undo this transaction and do the work again from its beginning."""


class Database:
    """Runs a piece of work as one transaction and says clearly when that cannot be done."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        # Threads of one process queue up here instead of polling for the file lock.
        self._writer: Any = Lock() if self.is_sqlite else nullcontext()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run something that only looks; it sees one moment.

        Raises: CatalogUnavailable.
        """
        options: dict[str, Any] = {}
        if not self.is_sqlite:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return self._run(work, options)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run something that changes rows; it may be run several times, and is committed once or not at all.

        Raises: CatalogUnavailable.
        """
        with self._writer:
            return self._run(work, {"firn_writes": True})

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """Run something that changes tables; foreign keys are not checked meanwhile.

        Raises: CatalogUnavailable.
        """
        with self._writer:
            result = self._run(work, {"firn_writes": True, "firn_schema": True})
        self.engine.dispose()  # new connections check foreign keys again
        return result

    def take_stock(self) -> None:
        """Have the planner know how much there is of what. PostgreSQL does so by itself.

        Among few studies any plan is quick, and what was true of them would mislead later: there nothing happens.

        Raises: CatalogUnavailable.
        """

        def work(connection: Connection) -> None:
            many = "SELECT count(*) FROM (SELECT 1 FROM studies LIMIT 10000)"
            if connection.exec_driver_sql(many).scalar() != 10_000:
                return
            connection.exec_driver_sql("PRAGMA analysis_limit = 1000")  # rows an index: a fraction of a second
            connection.exec_driver_sql("ANALYZE")

        if self.is_sqlite:
            self.write(work)

    def _run(self, work: Callable[[Connection], T], options: dict[str, Any]) -> T:
        attempt = 0
        while True:
            attempt += 1
            committing = False
            try:
                with self.engine.connect() as connection:
                    connection = connection.execution_options(**options)
                    with connection.begin() as transaction:
                        result = work(connection)
                        committing = True
                        transaction.commit()
                    return result
            except DBAPIError as error:
                if not _may_try_again(error, committing) or attempt >= ATTEMPTS:
                    _raise_unavailable(error, committing)
                    raise
                log.info("catalog_transaction_repeated", attempt=attempt, reason=_first_line(error))
            except RunAgain as error:
                if attempt >= ATTEMPTS:
                    raise CatalogUnavailable(f"other processes keep coming in between: {error}; try again") from error
            except PoolTimeout as error:
                raise CatalogUnavailable(
                    f"all connections to the catalog are in use: {error}; try again later"
                ) from error
            time.sleep(random.uniform(0, 0.01 * 2**attempt))


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0]


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _may_try_again(error: DBAPIError, committing: bool) -> bool:
    if _sqlstate(error) in RETRYABLE:
        return True
    # A connection that broke before the commit was asked for left nothing behind.
    return error.connection_invalidated and not committing


def _raise_unavailable(error: DBAPIError, committing: bool) -> None:
    """Raise CatalogUnavailable when the database, not the work, is the reason."""
    state = _sqlstate(error)
    reason = _first_line(error)
    if error.connection_invalidated and committing:
        raise CatalogUnavailable(f"the connection broke during a commit, its outcome is unknown: {reason}") from error
    if error.connection_invalidated or state in RETRYABLE or state in UNAVAILABLE:
        raise CatalogUnavailable(f"the catalog's database does not answer: {reason}; try again later") from error
    if isinstance(error, OperationalError):
        text = reason.lower()
        no_server = state is None and not hasattr(error.orig, "sqlite_errorcode")
        if no_server or any(words in text for words in SQLITE_TROUBLE):
            raise CatalogUnavailable(f"the catalog's database cannot be used: {reason}; try again later") from error
