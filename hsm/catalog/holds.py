"""Reasons why a study may not go."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select, update

from hsm.catalog.database import Database
from hsm.catalog.events import add
from hsm.catalog.records import HoldRecord
from hsm.catalog.rows import insert_row, one, study_id
from hsm.facts import StudyUid
from hsm.models import Hold, Study


def in_force(at: datetime) -> ColumnElement[bool]:
    """The condition of a hold that binds at a moment."""
    return Hold.lifted_at.is_(None) & or_(Hold.until.is_(None), Hold.until > at)


class Holds:
    """Holds on studies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self, study_uid: str, reason: str, placed_by: str, now: datetime, until: datetime | None = None) -> int:
        """Hold a study, for ever or until a time; the hold's id. A release that was not proved yet will be refused.

        Raises: NotCatalogued.
        """

        def work(connection: Connection) -> int:
            study = study_id(connection, study_uid, lock=True)
            hold = insert_row(
                connection,
                Hold,
                {"study_fk": study, "reason": reason, "placed_by": placed_by, "placed_at": now, "until": until},
            )
            add(connection, "info", "hold_placed", study_uid, {"hold": hold, "placed_by": placed_by}, now)
            return hold

        return self._database.write(work)

    def lift(self, hold_id: int, now: datetime) -> None:
        """End a hold; nothing happens when it was lifted before. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            uid, lifted = one(
                connection,
                select(Study.study_instance_uid, Hold.lifted_at)
                .join(Study, Study.id == Hold.study_fk)
                .where(Hold.id == hold_id)
                .with_for_update(of=Hold),
                f"hold {hold_id}",
            )
            if lifted is None:
                connection.execute(update(Hold).where(Hold.id == hold_id).values(lifted_at=now))
                add(connection, "info", "hold_lifted", uid, {"hold": hold_id}, now)

        self._database.write(work)

    def list(self, study_uid: str | None = None, in_force_at: datetime | None = None) -> list[HoldRecord]:
        """Holds in the order they were placed."""
        statement = (
            select(
                Hold.id,
                Study.study_instance_uid,
                Hold.reason,
                Hold.placed_by,
                Hold.placed_at,
                Hold.until,
                Hold.lifted_at,
            )
            .join(Study, Study.id == Hold.study_fk)
            .order_by(Hold.id)
        )
        if study_uid is not None:
            statement = statement.where(Study.study_instance_uid == study_uid)
        if in_force_at is not None:
            statement = statement.where(in_force(in_force_at))
        return self._database.read(
            lambda connection: [HoldRecord(row[0], StudyUid(row[1]), *row[2:]) for row in connection.execute(statement)]
        )
