"""People and their open sessions."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Executable, delete, func, select, update

from hsm.access.lockout import locked_until
from hsm.access.people import Person, UserRefused, tidy_name
from hsm.access.roles import Role
from hsm.access.tables import SignIn, User
from hsm.catalog.database import AnyRow, Database
from hsm.catalog.events import add
from hsm.catalog.rows import insert_new, table_of
from hsm.catalog.text import clean
from hsm.notices.model import mail_fault

SEEN_EVERY = timedelta(minutes=1)  # a session that is used all the time is written down this often

PERSON = (
    User.id,
    User.name,
    User.full_name,
    User.role,
    User.password_hash,
    User.must_change,
    User.disabled,
    User.failures,
    User.locked_until,
    User.created_at,
    User.signed_in_at,
    User.mail,
)


def person_of(row: AnyRow) -> Person:
    """The person that the first columns of a row describe, see PERSON."""
    values = list(row[: len(PERSON)])
    values[3] = Role(values[3])
    return Person(*values)


class Accounts:
    """Accounts by name. `by` is who asks for a change, for the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- people --------------------------------------------------------------------------------------------------

    def list(self) -> list[Person]:
        """Everybody, by name."""
        statement = select(*PERSON).order_by(User.name)
        return self._database.read(lambda connection: [person_of(row) for row in connection.execute(statement)])

    def find(self, name: str) -> Person | None:
        """The account of that name."""
        statement = select(*PERSON).where(User.name == name.strip().lower())
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else person_of(row)

    def add(
        self, name: str, full_name: str, role: Role, password_hash: str, must_change: bool, by: str, now: datetime
    ) -> Person:
        """Make an account. Raises: UserRefused when the name is taken or cannot be used."""
        tidied = tidy_name(name)

        def work(connection: Connection) -> None:
            self._insert(connection, tidied, full_name, role, password_hash, must_change, by, now)

        self._database.write(work)
        return self._known(tidied)

    def add_first(self, name: str, password_hash: str, now: datetime) -> Person | None:
        """Make the first administrator, who must change the password; None when there is an account already."""
        tidied = tidy_name(name)

        def work(connection: Connection) -> bool:
            if connection.execute(select(func.count()).select_from(User)).scalar():
                return False
            values = (tidied, "First administrator", Role.ADMINISTRATOR, password_hash, True, "first start", now)
            self._insert(connection, *values)
            return True

        return self._known(tidied) if self._database.write(work) else None

    def _insert(
        self,
        connection: Connection,
        name: str,
        full_name: str,
        role: Role,
        password_hash: str,
        must_change: bool,
        by: str,
        now: datetime,
    ) -> None:
        values = {
            "name": name,
            "full_name": clean(full_name.strip()),
            "role": role.value,
            "password_hash": password_hash,
            "must_change": must_change,
            "created_at": now,
        }
        if insert_new(connection, User, values) is None:
            raise UserRefused(f"there is an account {name!r} already; choose another name")
        add(connection, "info", "user_added", name, {"role": role.value, "by": by}, now)

    def set_role(self, name: str, role: Role, by: str, now: datetime) -> None:
        """Give a person another role. Raises: UserRefused, also when nobody would be left to administer."""
        self._change(
            name, {"role": role.value}, "user_role_changed", {"role": role.value, "by": by}, now, takes_rights=True
        )

    def set_mail(self, name: str, mail: str, by: str, now: datetime) -> None:
        """Where a person is told that what was asked for is ready; "" for nowhere. Raises: UserRefused."""
        if mail and (wrong := mail_fault(mail)):
            raise UserRefused(wrong[:1].lower() + wrong[1:-1])
        self._change(name, {"mail": mail}, "user_mail_set", {"by": by}, now)

    def disable(self, name: str, by: str, now: datetime) -> None:
        """Close an account and end its sessions. Raises: UserRefused, as set_role."""
        self._change(name, {"disabled": True}, "user_disabled", {"by": by}, now, True, takes_rights=True)

    def enable(self, name: str, by: str, now: datetime) -> None:
        """Open an account again, also one that wrong passwords had closed. Raises: UserRefused."""
        values = {"disabled": False, "failures": 0, "locked_until": None}
        self._change(name, values, "user_enabled", {"by": by}, now)

    def set_password(self, name: str, password_hash: str, must_change: bool, by: str, now: datetime) -> None:
        """Set another password and end all sessions of the account. Raises: UserRefused."""
        values = {"password_hash": password_hash, "must_change": must_change, "failures": 0, "locked_until": None}
        self._change(name, values, "user_password_set", {"by": by}, now, end_sessions=True)

    def _change(
        self,
        name: str,
        values: Mapping[str, Any],
        event: str,
        fields: Mapping[str, Any],
        now: datetime,
        end_sessions: bool = False,
        takes_rights: bool = False,
    ) -> None:
        tidied = tidy_name(name)

        def work(connection: Connection) -> None:
            changed = connection.execute(
                update(User).where(User.name == tidied).values(**values).returning(User.id)
            ).scalar()
            if changed is None:
                raise UserRefused(f"there is no account {tidied!r}")
            open_administrators = (User.role == Role.ADMINISTRATOR.value) & User.disabled.is_(False)
            left = select(func.count()).select_from(User).where(open_administrators)
            if takes_rights and not connection.execute(left).scalar():
                raise UserRefused(f"{tidied!r} is the only administrator left; make somebody else one first")
            if end_sessions:
                connection.execute(delete(SignIn).where(SignIn.user_fk == changed))
            add(connection, "info", event, tidied, fields, now)

        self._database.write(work)

    # -- signing in ----------------------------------------------------------------------------------------------

    def failed(self, name: str, address: str, now: datetime) -> datetime | None:
        """Count a wrong password; until when the account is closed now, if it is."""

        def work(connection: Connection) -> datetime | None:
            counted = update(User).where(User.name == name.strip().lower()).values(failures=User.failures + 1)
            row = connection.execute(counted.returning(User.id, User.failures)).first()
            if row is None:  # the name stays out of the events: people type passwords into the wrong field
                add(connection, "warning", "sign_in_refused", "", {"address": address}, now)
                return None
            add(connection, "warning", "sign_in_refused", name.strip().lower(), {"address": address}, now)
            until = locked_until(row[1], now)
            connection.execute(update(User).where(User.id == row[0]).values(locked_until=until))
            return until

        return self._database.write(work)

    def sign_in(self, name: str, token: str, address: str, now: datetime) -> None:
        """Open a session for a browser that holds this token."""

        def work(connection: Connection) -> None:
            values = {"failures": 0, "locked_until": None, "signed_in_at": now}
            user = connection.execute(
                update(User).where(User.name == name.strip().lower()).values(**values).returning(User.id)
            ).scalar_one()
            row = {"token_sha256": digest(token), "user_fk": user, "began_at": now, "seen_at": now}
            connection.execute(table_of(SignIn).insert().values(**row))
            add(connection, "info", "signed_in", name.strip().lower(), {"address": address}, now)

        self._database.write(work)

    def signed_in(self, token: str, now: datetime, idle_s: float, longest_s: float) -> Person | None:
        """Who holds a session; None when it ended: signed out, unused for too long, too old, or the account closed."""
        kept = digest(token)
        statement = (
            select(*PERSON, SignIn.seen_at)
            .join(SignIn, SignIn.user_fk == User.id)
            .where(
                SignIn.token_sha256 == kept,
                SignIn.seen_at > now - timedelta(seconds=idle_s),
                SignIn.began_at > now - timedelta(seconds=longest_s),
                User.disabled.is_(False),
            )
        )
        row = self._database.read(lambda connection: connection.execute(statement).first())
        if row is None:
            return None
        if now - row[-1] >= SEEN_EVERY:
            seen = update(SignIn).where(SignIn.token_sha256 == kept).values(seen_at=now)
            self._execute(seen)
        return person_of(row)

    def sign_out(self, token: str) -> None:
        """End one session; nothing happens when it ended before."""
        ended = delete(SignIn).where(SignIn.token_sha256 == digest(token))
        self._execute(ended)

    def forget_old(self, now: datetime, idle_s: float, longest_s: float) -> None:
        """Remove sessions that ended by themselves."""
        old = (SignIn.seen_at <= now - timedelta(seconds=idle_s)) | (
            SignIn.began_at <= now - timedelta(seconds=longest_s)
        )
        self._execute(delete(SignIn).where(old))

    def _execute(self, statement: Executable) -> None:
        self._database.write(lambda connection: _only_do(connection, statement))

    def _known(self, name: str) -> Person:
        found = self.find(name)
        if found is None:
            raise UserRefused(f"there is no account {name!r}")
        return found


def _only_do(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)


def digest(token: str) -> str:
    """What is kept of a session's or a program's token."""
    return hashlib.sha256(token.encode()).hexdigest()
