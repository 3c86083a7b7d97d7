"""Drives: what each is doing, and whether it may be used."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from drivers.base import Barcode, MediumKind
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.events import add
from hsm.catalog.job_rows import bump
from hsm.catalog.records import DriveRecord
from hsm.catalog.rows import insert_new, one
from hsm.models import Drive
from hsm.states import DRIVE_TABLE, DriveState, step

_SET_ASIDE = (DriveState.DOWN, DriveState.FAILED)


class Drives:
    """Drives, by library and number."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self, library: str, index: int, serial: str, kind: MediumKind, now: datetime) -> DriveRecord:
        """Make the row of a drive, or note that another is in its place now, which begins with a clean record."""

        def work(connection: Connection) -> DriveRecord:
            values = {"serial": serial, "kind": kind.value, "state": DriveState.EMPTY.value, "changed_at": now}
            if insert_new(connection, Drive, {"library": library, "index": index, **values}) is None:
                row = _locked(connection, library, index)
                if (row.serial, row.kind) != (serial, kind):
                    fresh: dict[str, Any] = {
                        "errors": 0,
                        "failed_at": None,
                        "reason": "",
                        "barcode": None,
                        "alerts": [],
                        "mounts": 0,
                    }
                    fresh |= {"wants_cleaning": False, "cleaned_at": None}
                    connection.execute(update(Drive).where(Drive.id == row.id).values(**values, **fresh))
                    fields = {"library": library, "drive": index, "old_serial": row.serial}
                    add(connection, "info", "drive_exchanged", serial, fields, now)
            return _record(_locked(connection, library, index))

        return self._database.write(work)

    def change(
        self, library: str, index: int, event: str, now: datetime, barcode: Barcode | None = None, reason: str = ""
    ) -> DriveState:
        """One event of the drive table; the state that follows. `barcode` is what the drive holds from now on
        (None: what it held before).

        Going down, failing and coming up again are noted as events, with the reason.

        Raises: IllegalTransition, NotCatalogued.
        """

        def work(connection: Connection) -> DriveState:
            row = _locked(connection, library, index)
            state = step(DRIVE_TABLE, DriveState(row.state), event)
            holds = None if event == "emptied" else barcode or row.barcode
            values: dict[str, Any] = {"state": state.value, "barcode": holds, "changed_at": now}
            if event == "load":
                values["mounts"] = row.mounts + 1
            if event in ("down", "fail", "up"):
                values |= {"reason": reason}
                values |= {"errors": 0, "failed_at": None} if event == "up" else {}
                fields = {"library": library, "drive": index, "reason": reason, "volume": row.barcode}
                level = "info" if event == "up" else "error"
                add(connection, level, f"drive_{state.value if event != 'up' else 'up'}", row.serial, fields, now)
            connection.execute(update(Drive).where(Drive.id == row.id).values(**values))
            return state

        return self._database.write(work)

    def reserve(self, library: str, index: int, recalls_only: bool, now: datetime) -> None:
        """Keep it for recalls, or let it do everything again; nothing is noted when it is so already.

        Raises: NotCatalogued.
        """

        def work(connection: Connection) -> None:
            row = _locked(connection, library, index)
            if row.recalls_only == recalls_only:
                return
            connection.execute(update(Drive).where(Drive.id == row.id).values(recalls_only=recalls_only))
            name = "drive_reserved" if recalls_only else "drive_unreserved"
            add(connection, "info", name, row.serial, {"library": library, "drive": index}, now)
            bump(connection)  # work that waited for this drive may have to be planned anew

        self._database.write(work)

    def restart(self, library: str, now: datetime) -> None:
        """The engine begins: whatever a drive was doing, it does not any more. Those set aside stay so."""

        def work(connection: Connection) -> None:
            # Not a step of the table: nobody watched the drives meanwhile, so their states are unknown, and the
            # library's cleaner session asks each of them before it is used.
            connection.execute(
                update(Drive)
                .where(Drive.library == library, Drive.state.not_in(_SET_ASIDE))
                .values(state=DriveState.EMPTY.value, barcode=None, changed_at=now)
            )

        self._database.write(work)

    def count_error(self, library: str, index: int, failed_at: str | None = None) -> int:
        """It was to blame for an error once more; how often in a row by now. `failed_at`: "read" or "write".

        Raises: NotCatalogued.
        """

        def work(connection: Connection) -> int:
            row = _locked(connection, library, index)
            values = {"errors": row.errors + 1, "failed_at": failed_at or row.failed_at}
            connection.execute(update(Drive).where(Drive.id == row.id).values(**values))
            return int(row.errors) + 1

        return self._database.write(work)

    def count_success(self, library: str, index: int, worked_at: str | None = None) -> None:
        """It worked: errors in a row begin at zero again, unless it failed at something else than what worked now.

        A drive may read well and never write.
        """
        here = (Drive.library == library) & (Drive.index == index) & (Drive.errors > 0)
        if worked_at is not None:
            here &= Drive.failed_at.is_(None) | (Drive.failed_at == worked_at)
        forgotten = update(Drive).where(here).values(errors=0, failed_at=None)
        self._database.write(lambda connection: connection.execute(forgotten))

    def said(
        self, library: str, index: int, alerts: Collection[str], wants_cleaning: bool, now: datetime
    ) -> DriveRecord:
        """What a drive says of itself; an alert it did not raise before becomes an event. Raises: NotCatalogued."""

        def work(connection: Connection) -> DriveRecord:
            row = _locked(connection, library, index)
            if (row.alerts, row.wants_cleaning) != (sorted(alerts), wants_cleaning):
                values = {"alerts": sorted(alerts), "wants_cleaning": wants_cleaning}
                connection.execute(update(Drive).where(Drive.id == row.id).values(**values))
            for alert in sorted(set(alerts) - set(row.alerts)):
                fields = {"library": library, "drive": index, "alert": alert, "volume": row.barcode}
                add(connection, "warning", "drive_alert_raised", row.serial, fields, now)
            return _record(_locked(connection, library, index))

        return self._database.write(work)

    def cleaned(self, library: str, index: int, cartridge: Barcode, now: datetime) -> None:
        """A cleaning cartridge did its work in it. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            row = _locked(connection, library, index)
            connection.execute(update(Drive).where(Drive.id == row.id).values(cleaned_at=now, wants_cleaning=False))
            fields = {"library": library, "drive": index, "cartridge": cartridge}
            add(connection, "info", "drive_cleaned", row.serial, fields, now)

        self._database.write(work)

    def list(self, library: str | None = None) -> list[DriveRecord]:
        """The drives of one library or all, by library and number."""
        statement = select(Drive.__table__).order_by(Drive.library, Drive.index)
        if library is not None:
            statement = statement.where(Drive.library == library)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def get(self, library: str, index: int) -> DriveRecord:
        """One drive. Raises: NotCatalogued."""
        return self._database.read(lambda connection: _record(_locked(connection, library, index, lock=False)))


def _locked(connection: Connection, library: str, index: int, lock: bool = True) -> AnyRow:
    statement = select(Drive.__table__).where(Drive.library == library, Drive.index == index)
    if lock:
        statement = statement.with_for_update(of=Drive)
    return one(connection, statement, f"drive {index} in library {library}")


def _record(row: AnyRow) -> DriveRecord:
    return DriveRecord(
        library=row.library,
        index=row._mapping["index"],  # a row is a tuple, which has an index of its own
        serial=row.serial,
        kind=MediumKind(row.kind),
        state=DriveState(row.state),
        barcode=None if row.barcode is None else Barcode(row.barcode),
        reason=row.reason,
        errors=row.errors,
        changed_at=row.changed_at,
        alerts=tuple(row.alerts),
        wants_cleaning=row.wants_cleaning,
        cleaned_at=row.cleaned_at,
        mounts=row.mounts,
        recalls_only=row.recalls_only,
    )
