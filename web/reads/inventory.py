"""Volumes as lists: confined, sorted, in pages or whole."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, SQLColumnExpression, func, or_, select

from drivers.base import MediumKind
from hsm.catalog import Catalog
from hsm.catalog.rows import in_chunks, volume_record
from hsm.facts import VolumeRecord
from hsm.models import Volume
from hsm.states import Place, VolumeState

READ_AT_ONCE = 1000
BY_POOL = "pool"
# Name in addresses -> what the list is in the order of; volumes that do not tell come last.
SORTS: Mapping[str, SQLColumnExpression[Any]] = {
    BY_POOL: func.coalesce(Volume.pool, "\uffff"),
    "barcode": Volume.barcode,
    "state": Volume.state,
    "place": Volume.place + Volume.location,
    "used": Volume.used_bytes * 1.0 / func.nullif(Volume.capacity_bytes, 0),
    "verified": Volume.verified_at,
    "mounts": Volume.mounts,
    "written": Volume.written_bytes,
    "corrected": Volume.corrected_errors,
    "errors": Volume.errors,
    "age": Volume.labelled_at,
}


@dataclass(frozen=True)
class VolumeFilter:
    """Which volumes; what is empty confines nothing."""

    kind: MediumKind | None = None
    pool: str = ""
    place: Place | None = None
    state: VolumeState | None = None
    text: str = ""  # in the barcode or the location
    unverified_since: datetime | None = None  # holds something that nobody read back since

    def conditions(self) -> list[ColumnElement[bool]]:
        """As the database asks."""
        found: list[ColumnElement[bool]] = []
        for column, value in ((Volume.kind, self.kind), (Volume.pool, self.pool), (Volume.place, self.place)):
            if value:
                found.append(column == str(value))
        if self.state:
            found.append(Volume.state == self.state.value)
        if self.text:
            found.append(
                or_(
                    Volume.barcode.icontains(self.text, autoescape=True),
                    Volume.location.icontains(self.text, autoescape=True),
                )
            )
        if self.unverified_since is not None:
            old = or_(Volume.verified_at.is_(None), Volume.verified_at < self.unverified_since)
            found += [old, Volume.used_bytes > 0]
        return found


@dataclass(frozen=True)
class VolumeList:
    """Some volumes, and how many there are in all."""

    volumes: tuple[VolumeRecord, ...]
    total: int


def page_of(catalog: Catalog, wanted: VolumeFilter, sort: str, descending: bool, limit: int, offset: int) -> VolumeList:
    """One page in the order of a name in SORTS, barcodes within."""
    conditions = wanted.conditions()
    key = SORTS[sort]
    order = (key.desc() if descending else key.asc()).nulls_last()
    listed = select(Volume.__table__).where(*conditions).order_by(order, Volume.barcode).limit(limit).offset(offset)
    counted = select(func.count()).select_from(Volume).where(*conditions)

    def look(connection: Connection) -> VolumeList:
        rows = connection.execute(listed).all()
        return VolumeList(tuple(volume_record(row) for row in rows), connection.scalar(counted) or 0)

    return catalog.database.read(look)


def every(catalog: Catalog, wanted: VolumeFilter) -> Iterator[VolumeRecord]:
    """All that fit, by barcode, read in parts."""
    after = ""
    while True:
        statement = (
            select(Volume.__table__)
            .where(*wanted.conditions(), Volume.barcode > after)
            .order_by(Volume.barcode)
            .limit(READ_AT_ONCE)
        )
        rows = catalog.database.read(lambda connection, asked=statement: connection.execute(asked).all())  # type: ignore[misc]
        yield from map(volume_record, rows)
        if len(rows) < READ_AT_ONCE:
            return
        after = rows[-1].barcode


def named(catalog: Catalog, barcodes: Collection[str]) -> list[VolumeRecord]:
    """The volumes of these barcodes, as far as they are known."""
    statement = select(Volume.__table__)

    def look(connection: Connection) -> list[VolumeRecord]:
        return [volume_record(row) for row in in_chunks(connection, statement, Volume.barcode, sorted(barcodes))]

    return catalog.database.read(look)
