"""From rows to facts, and the look-ups that several subjects share. All of it runs inside a caller's transaction."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.dml import ReturningInsert

from drivers.base import Barcode, MediumKind
from hsm.catalog.database import AnyRow, AnySelect
from hsm.catalog.errors import NotCatalogued
from hsm.facts import (
    CopyRecord,
    PackDigest,
    PoolFile,
    SeriesUid,
    SopInstanceUid,
    StoredInstance,
    StudyUid,
    VolumeRecord,
)
from hsm.models import Copy, Instance, Pack, Series, Study, Volume
from hsm.states import CopyState, OnlineState, Place, VolumeState

T = TypeVar("T")
CHUNK = 500  # values in one IN (...): below every limit


def table_of(model: type[DeclarativeBase]) -> Table:
    """The table of a model."""
    return cast(Table, model.__table__)


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


@cache
def insert_unless_there(table: Table, dialect: str) -> ReturningInsert[int]:
    """A statement that inserts a row unless its unique key is there, and gives the new id back."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(table).on_conflict_do_nothing().returning(table.c.id)


@cache
def _insert(table: Table) -> ReturningInsert[int]:
    return table.insert().returning(table.c.id)


def insert_new(connection: Connection, model: type[DeclarativeBase], values: Mapping[str, Any]) -> int | None:
    """Insert a row unless one with the same unique key exists; its id, or None when there was one.

    Waits for another process that is inserting the same key, so that None means: it is there now.
    """
    statement = insert_unless_there(table_of(model), connection.dialect.name)
    made = connection.execute(statement, dict(values)).first()
    return None if made is None else int(made[0])


def insert_row(connection: Connection, model: type[DeclarativeBase], values: Mapping[str, Any]) -> int:
    """Insert a row; its id."""
    return int(connection.execute(_insert(table_of(model)), dict(values)).scalar_one())


def one(connection: Connection, statement: AnySelect, what: str) -> AnyRow:
    """The only row. Raises: NotCatalogued, saying that there is no `what`."""
    row = connection.execute(statement).first()
    if row is None:
        raise NotCatalogued(f"the catalog knows no {what}")
    return row


def narrowed(statement: AnySelect, *given: tuple[Callable[[Any, Any], Any], Any, Any]) -> AnySelect:
    """The statement with those conditions (compare, column, value) whose value is given: neither None nor empty."""
    for compare, column, value in given:
        if value is not None and value != "":
            statement = statement.where(compare(column, value))
    return statement


def study_id(connection: Connection, study_uid: str, lock: bool = False) -> int:
    """The id of a study. With `lock`, arrivals, seals, holds, recalls and releases of it wait for this transaction.

    Raises: NotCatalogued.
    """
    statement = select(Study.id).where(Study.study_instance_uid == study_uid)
    if lock:
        statement = statement.with_for_update(key_share=True)
    return int(one(connection, statement, f"study {study_uid}")[0])


INSTANCE_COLUMNS = (
    Instance.id,
    Instance.sop_instance_uid,
    Instance.sop_class_uid,
    Instance.transfer_syntax_uid,
    Study.study_instance_uid,
    Series.series_instance_uid,
    Instance.size_bytes,
    Instance.sha256,
    Instance.dataset_sha256,
    Instance.dataset_offset,
    Instance.online_state,
    Instance.pool_directory,
    Instance.pool_path,
    Instance.pack_fk,
)


def select_instances() -> AnySelect:
    """A statement whose rows `stored_instance` understands."""
    return (
        select(*INSTANCE_COLUMNS)
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_fk)
        .join(Study, Study.id == Instance.study_fk)
    )


def pool_file(directory: str | None, path: str | None) -> PoolFile | None:
    """Where the file lies, if it does."""
    return None if directory is None or path is None else PoolFile(Path(directory), path)


def stored_instance(row: Sequence[Any]) -> StoredInstance:
    """A row of `select_instances`."""
    return StoredInstance(
        id=row[0],
        sop_instance_uid=SopInstanceUid(row[1]),
        sop_class_uid=row[2],
        transfer_syntax_uid=row[3],
        study_instance_uid=StudyUid(row[4]),
        series_instance_uid=SeriesUid(row[5]),
        size_bytes=row[6],
        sha256=row[7],
        dataset_sha256=row[8],
        dataset_offset=row[9],
        online_state=OnlineState(row[10]),
        file=pool_file(row[11], row[12]),
        pack_id=row[13],
    )


def select_copies() -> AnySelect:
    """A statement whose rows `copy_record` understands."""
    return (
        select(
            Copy.id,
            Copy.pack_fk,
            Pack.digest,
            Study.study_instance_uid,
            Pack.size_bytes,
            Copy.pool,
            Copy.kind,
            Copy.state,
            Volume.barcode,
            Copy.sequence,
            Copy.address,
            Copy.stream_sha256,
            Copy.written_by,
            Copy.verified_at,
            Copy.verified_by,
            Copy.doubts,
            Copy.doubted_by,
            Volume.place,
            Volume.state,
        )
        .select_from(Copy)
        .join(Pack, Pack.id == Copy.pack_fk)
        .join(Study, Study.id == Pack.study_fk)
        .outerjoin(Volume, Volume.id == Copy.volume_fk)
    )


def copy_record(row: Sequence[Any]) -> CopyRecord:
    """A row of `select_copies`."""
    return CopyRecord(
        id=row[0],
        pack_id=row[1],
        pack_digest=PackDigest(row[2]),
        study_instance_uid=StudyUid(row[3]),
        size_bytes=row[4],
        pool=row[5],
        kind=MediumKind(row[6]),
        state=CopyState(row[7]),
        barcode=None if row[8] is None else Barcode(row[8]),
        sequence=row[9],
        address=row[10],
        stream_sha256=row[11],
        written_by=row[12],
        verified_at=row[13],
        verified_by=row[14],
        doubts=row[15],
        doubted_by=row[16],
        volume_place=None if row[17] is None else Place(row[17]),
        volume_state=None if row[18] is None else VolumeState(row[18]),
    )


def volume_record(row: AnyRow) -> VolumeRecord:
    """A row of the volumes table."""
    return VolumeRecord(
        barcode=Barcode(row.barcode),
        uuid=row.uuid,
        kind=MediumKind(row.kind),
        generation=row.generation,
        pool=row.pool,
        library=row.library,
        place=Place(row.place),
        location=row.location,
        state=VolumeState(row.state),
        capacity_bytes=row.capacity_bytes,
        used_bytes=row.used_bytes,
        end_address=row.end_address,
        last_sequence=row.last_sequence,
        last_address=row.last_address,
        last_digest=row.last_digest,
        last_stream_sha256=row.last_stream_sha256,
        image_sha256=row.image_sha256,
        image_bytes=row.image_bytes,
        labelled_at=row.labelled_at,
        first_filled_at=row.first_filled_at,
        verified_at=row.verified_at,
        mounts=row.mounts,
        errors=row.errors,
        reason=row.reason,
        leaving=row.leaving,
        written_bytes=row.written_bytes,
        read_bytes=row.read_bytes,
        corrected_errors=row.corrected_errors,
        uncorrected_errors=row.uncorrected_errors,
        told_at=row.told_at,
        former_uuid=row.former_uuid,
    )


def in_chunks(connection: Connection, statement: AnySelect, column: Any, values: Collection[Any]) -> Iterator[AnyRow]:
    """The rows of a statement whose column has one of many values."""
    for part in chunks(values):
        yield from connection.execute(statement.where(column.in_(part)))
