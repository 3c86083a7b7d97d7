"""Which studies have not enough verified copies yet."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from hsm.catalog.database import Database
from hsm.models import Copy, Instance, Pack, Study
from hsm.states import CopyState

SAFE_COPIES = 2  # so many verified copies on distinct volumes make a study safe, whatever its rules ask for
OLDEST_ARRIVAL_FIRST = (Study.received_at.asc(), Study.id.asc())


@dataclass(frozen=True)
class Unsafe:
    """The studies that have not enough verified copies yet."""

    studies: int
    size_bytes: int
    oldest_uid: str | None
    oldest_received_at: datetime | None


def unsafe(safe_copies: int) -> ColumnElement[bool]:
    """True for a study with an instance in no pack, or a pack with too few verified copies on distinct volumes."""
    verified = (
        select(func.count(Copy.volume_fk.distinct()))
        .where(Copy.pack_fk == Pack.id, Copy.state == CopyState.VERIFIED)
        .scalar_subquery()
    )
    return or_(
        exists().where(Instance.study_fk == Study.id, Instance.pack_fk.is_(None)),
        exists().where(Pack.study_fk == Study.id, verified < safe_copies),
    )


def safety(database: Database, safe_copies: int = SAFE_COPIES) -> Unsafe:
    """How many studies are not safe yet, and the one that waits longest. Looks at every pack: costly."""
    waiting = unsafe(safe_copies)
    total = select(func.count(), func.coalesce(func.sum(Study.size_bytes), 0)).where(waiting)
    oldest = select(Study.study_instance_uid, Study.received_at).where(waiting).order_by(*OLDEST_ARRIVAL_FIRST).limit(1)

    def look(connection: Connection) -> Unsafe:
        studies, size_bytes = connection.execute(total).one()
        first = connection.execute(oldest).first()
        return Unsafe(studies, int(size_bytes), first[0] if first else None, first[1] if first else None)

    return database.read(look)
