"""Brings the schema of a database up to this program's version, one process at a time."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DatabaseError

from hsm.catalog.database import Database
from hsm.catalog.errors import CatalogForeign, CatalogTooNew

LOCK_ID = 0x6669726E  # "firn": the PostgreSQL advisory lock of those who change the schema


def config() -> Config:
    """The alembic configuration of the packaged steps."""
    made = Config()
    made.set_main_option("script_location", "hsm:migrations")
    made.set_main_option("path_separator", "os")
    return made


@cache
def head() -> str:
    """The version this program works with."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def version(connection: Connection) -> str | None:
    """The version of a database, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def bring_up(database: Database, to: str | None = None) -> None:
    """Make or upgrade all tables, as far as a version (the newest without one). Nothing happens when it is reached.

    Raises: CatalogTooNew, CatalogForeign, CatalogUnavailable.
    """
    target = head() if to is None else to
    try:
        if database.read(version) != target:
            database.change_schema(lambda connection: _upgrade(connection, database.is_sqlite, target))
    except DatabaseError as error:
        if "file is not a database" in str(error.orig):
            raise CatalogForeign(f"{database.engine.url.database} is no SQLite database; name another file") from error
        raise


def _upgrade(connection: Connection, is_sqlite: bool, target: str) -> None:
    if not is_sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
    found = version(connection)  # somebody else may have been faster
    if found == target:
        return
    if found is None and (tables := inspect(connection).get_table_names()):
        raise CatalogForeign(
            f"the database holds tables that are not ours ({', '.join(sorted(tables)[:3])}); name another"
        )
    alembic = config()
    for named in (found, target):
        try:
            if named is not None:
                ScriptDirectory.from_config(alembic).get_revision(named)
        except CommandError:
            raise CatalogTooNew(
                f"the catalog has schema {named}, this program knows schemas up to {head()}: install the newer version"
            ) from None
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, target)
