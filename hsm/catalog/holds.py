"""Reasons why a study may not go."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select, update

from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.errors import HoldRefused
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

    def change(
        self,
        hold_id: int,
        reason: str,
        until: datetime | None,
        by: str,
        now: datetime,
        seen: tuple[str, datetime | None] | None = None,
    ) -> None:
        """Give a hold another reason or end. `seen`: the reason and the end that whoever changes it saw.

        Raises: NotCatalogued; HoldRefused when it is over, or is no longer as it was seen.
        """

        def work(connection: Connection) -> None:
            hold = _locked(connection, hold_id)
            if hold.lifted_at is not None or (hold.until is not None and hold.until <= now):
                raise HoldRefused(f"hold {hold_id} is over: place another one")
            if seen is not None and (hold.reason, hold.until) != seen:
                raise HoldRefused(f"somebody else changed hold {hold_id} meanwhile: look at it again")
            if (hold.reason, hold.until) == (reason, until):
                return
            connection.execute(update(Hold).where(Hold.id == hold_id).values(reason=reason, until=until))
            add(connection, "info", "hold_changed", hold.study_instance_uid, {"hold": hold_id, "by": by}, now)

        self._database.write(work)

    def lift(self, hold_id: int, now: datetime, by: str = "", reason: str = "") -> None:
        """End a hold, for a reason; nothing happens when it was lifted before. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            hold = _locked(connection, hold_id)
            if hold.lifted_at is None:
                values = {"lifted_at": now, "lifted_by": by, "lift_reason": reason}
                connection.execute(update(Hold).where(Hold.id == hold_id).values(**values))
                add(connection, "info", "hold_lifted", hold.study_instance_uid, {"hold": hold_id, "by": by}, now)

        self._database.write(work)

    def get(self, hold_id: int) -> HoldRecord:
        """One hold. Raises: NotCatalogued."""
        return self._database.read(
            lambda connection: _record(one(connection, _select().where(Hold.id == hold_id), f"hold {hold_id}"))
        )

    def list(self, study_uid: str | None = None, in_force_at: datetime | None = None) -> list[HoldRecord]:
        """Holds in the order they were placed."""
        statement = _select().order_by(Hold.id)
        if study_uid is not None:
            statement = statement.where(Study.study_instance_uid == study_uid)
        if in_force_at is not None:
            statement = statement.where(in_force(in_force_at))
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])


def _select() -> AnySelect:
    return select(
        Hold.id,
        Study.study_instance_uid,
        Hold.reason,
        Hold.placed_by,
        Hold.placed_at,
        Hold.until,
        Hold.lifted_at,
        Hold.lifted_by,
        Hold.lift_reason,
    ).join(Study, Study.id == Hold.study_fk)


def _locked(connection: Connection, hold_id: int) -> HoldRecord:
    statement = _select().where(Hold.id == hold_id).with_for_update(of=Hold)
    return _record(one(connection, statement, f"hold {hold_id}"))


def _record(row: AnyRow) -> HoldRecord:
    return HoldRecord(row[0], StudyUid(row[1]), *row[2:])
