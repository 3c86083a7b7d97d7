"""The whole catalog as JSON lines, the same from either database: for catalog files on media, and to move house.

First line: {"firn_catalog": 1, "schema": ..., "tables": [...]}. Then for each row {"t": table, "r": {column: value}},
so ordered that whatever a row refers to is there before it. Last: {"rows": number, "sha256": of all bytes before it}.
Times are ISO 8601 in UTC. A dump that an older version of this program wrote is read into tables of its own schema,
which then take the same steps up as any old catalog: a dump on a tape can be read for as long as the steps are
kept, and they are kept for ever.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO

from sqlalchemy import Connection, Date, DateTime, MetaData, Table, func, select, text

from hsm.access.tables import ApiToken, SignIn, User
from hsm.announcing.tables import AnnouncementRow, AvailabilityRow
from hsm.catalog.database import Database
from hsm.catalog.errors import CatalogForeign, DumpDamaged
from hsm.catalog.rows import chunks
from hsm.catalog.schema import bring_up, head, version
from hsm.catalog.search import describe_all
from hsm.columns import Base, UtcDateTime
from hsm.figures.tables import Figure
from hsm.models import Counter, JobLine, Lease, LibraryElement
from hsm.notices.tables import OutboxItem
from hsm.peers.tables import PeerCheckRow
from hsm.search.tables import GRAM_TABLE, StudyText
from hsm.wishes import CartItem

FORMAT = 1
# What is true only for the moment, the machine or an account, and what proves passwords: that is not for a vault.
_MODELS_LEFT_OUT = (
    *(Lease, LibraryElement, Counter, JobLine, CartItem, Figure, PeerCheckRow, OutboxItem),
    *(AvailabilityRow, AnnouncementRow),
    *(User, SignIn, ApiToken),
)
_LEFT_OUT = frozenset(model.__tablename__ for model in _MODELS_LEFT_OUT)
_DERIVED = StudyText.__tablename__  # what words are looked for in: it follows from the rest
TABLES: tuple[Table, ...] = tuple(t for t in Base.metadata.sorted_tables if t.name not in {*_LEFT_OUT, _DERIVED})
_BATCH = 1000


class Dump:
    """Out of one catalog and into another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, stream: BinaryIO) -> int:
        """Write the whole catalog as it is at one moment; the number of rows. Others go on working meanwhile."""
        return self._database.read(lambda connection: _write(connection, stream))

    def load(self, stream: BinaryIO) -> int:
        """Read a dump of the present schema into this catalog, which must hold nothing yet; the number of rows.

        Raises: DumpDamaged (cut, altered, of another schema), CatalogForeign when something is catalogued already.
        In both cases nothing is changed.
        """
        return self._database.write(lambda connection: _load_all(connection, stream))


def load_into_new(database: Database, stream: BinaryIO) -> int:
    """Read a dump, also of an older schema, into a database without tables, and bring it up; the number of rows.

    `stream` can be sought. What is left when this raises is to be thrown away.

    Raises: DumpDamaged, CatalogTooNew.
    """
    begin = stream.tell()
    schema = _schema_of(stream.readline())
    stream.seek(begin)
    bring_up(database, to=schema)
    if schema == head():
        return database.write(lambda connection: _load_all(connection, stream))
    rows = database.write(lambda connection: _load(connection, stream, _reflected(connection)))
    bring_up(database)
    database.write(describe_all)
    return rows


def _load_all(connection: Connection, stream: BinaryIO) -> int:
    rows = _load(connection, stream, TABLES)
    describe_all(connection)
    return rows


def _schema_of(line: bytes) -> str:
    try:
        value = json.loads(line)
        if value["firn_catalog"] == FORMAT:
            return str(value["schema"])
    except (ValueError, KeyError, TypeError):
        pass
    raise DumpDamaged("the first line of the dump does not say that it is one: it was cut or altered")


def _reflected(connection: Connection) -> tuple[Table, ...]:
    """The tables as the database has them, whatever this program's are."""
    metadata = MetaData()
    metadata.reflect(connection)
    others = {*_LEFT_OUT, _DERIVED, "alembic_version"}
    return tuple(t for t in metadata.sorted_tables if t.name not in others and not t.name.startswith(GRAM_TABLE))


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _write(connection: Connection, stream: BinaryIO) -> int:
    digest = hashlib.sha256()

    def put(value: Any) -> None:
        line = _line(value)
        digest.update(line)
        stream.write(line)

    put({"firn_catalog": FORMAT, "schema": version(connection), "tables": [table.name for table in TABLES]})
    rows = 0
    for table in TABLES:
        keys = list(table.primary_key.columns)
        found = connection.execution_options(yield_per=_BATCH).execute(select(table).order_by(*keys))
        for row in found.mappings():
            put({"t": table.name, "r": {key: _plain(value) for key, value in row.items()}})
            rows += 1
    stream.write(_line({"rows": rows, "sha256": digest.hexdigest()}))
    return rows


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _load(connection: Connection, stream: BinaryIO, tables: Sequence[Table]) -> int:
    for table in tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise CatalogForeign(f"the catalog is not empty ({table.name}): a dump is loaded into a new one only")
    rows = 0
    lines = _checked(connection, stream, {table.name for table in tables})
    for part in chunks(lines, _BATCH):
        by_table: dict[str, list[dict[str, Any]]] = {}
        for name, row in part:
            by_table.setdefault(name, []).append(row)
        for table in tables:
            if table.name in by_table:
                connection.execute(table.insert(), [_typed(table, row) for row in by_table[table.name]])
        rows += len(part)
    if connection.dialect.name == "postgresql":
        _renumber(connection, tables)
    return rows


def _checked(connection: Connection, stream: BinaryIO, names: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a dump, checked while they pass. Raises: DumpDamaged."""
    digest = hashlib.sha256()
    rows = -1
    for line in stream:
        try:
            value = json.loads(line)
            if rows < 0:
                if value.get("firn_catalog") != FORMAT or value.get("schema") != version(connection):
                    raise DumpDamaged(
                        f"the dump is of schema {value.get('schema')!r}, this catalog of {version(connection)!r}:"
                        " load it with the version that wrote it, then upgrade"
                    )
            elif "sha256" in value:
                if value != {"rows": rows, "sha256": digest.hexdigest()}:
                    raise DumpDamaged("the dump was altered: its rows do not have the digest at its end")
                return
            elif value["t"] in names:
                yield value["t"], value["r"]
            else:
                raise DumpDamaged(f"the dump has a table {value['t']!r} that this catalog does not know")
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise DumpDamaged(f"line {rows + 2} of the dump cannot be understood: {wrong!r}") from wrong
        digest.update(line)
        rows += 1
    raise DumpDamaged(f"the dump ends after {max(rows, 0)} rows without its last line: it was cut")


def _typed(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    try:
        return {key: _value(table, key, value) for key, value in row.items()}
    except (ValueError, KeyError, TypeError) as wrong:
        raise DumpDamaged(f"a row of {table.name} cannot be understood: {wrong!r}") from wrong


def _value(table: Table, key: str, value: Any) -> Any:
    kind = table.c[key].type
    if value is None:
        return None
    if isinstance(kind, UtcDateTime | DateTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(kind, Date) else value


def _renumber(connection: Connection, tables: Sequence[Table]) -> None:
    """New rows continue after the loaded ones."""
    for table in tables:
        if "id" in table.c:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"
                    f" (SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
                )
            )
