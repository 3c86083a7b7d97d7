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
from hsm.access.visitors import NoRole, Realm, Visitor, VisitorRefused
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
    User.realm,
)


def person_of(row: AnyRow) -> Person:
    """The person that the first columns of a row describe, see PERSON."""
    values = list(row[: len(PERSON)])
    values[3] = Role(values[3])
    values[12] = Realm(values[12])
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
        """Give a person another role.

        Raises: UserRefused, also when nobody would be left to administer, and where a directory says what the role is.
        """
        fields = {"role": role.value, "by": by}
        self._change(name, {"role": role.value}, "user_role_changed", fields, now, takes_rights=True, only_local=True)

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
        """Set another password and end all sessions of the account.

        Raises: UserRefused, also where somebody else keeps the password.
        """
        values = {"password_hash": password_hash, "must_change": must_change, "failures": 0, "locked_until": None}
        self._change(name, values, "user_password_set", {"by": by}, now, end_sessions=True, only_local=True)

    def _change(
        self,
        name: str,
        values: Mapping[str, Any],
        event: str,
        fields: Mapping[str, Any],
        now: datetime,
        end_sessions: bool = False,
        takes_rights: bool = False,
        only_local: bool = False,
    ) -> None:
        tidied = tidy_name(name)

        def work(connection: Connection) -> None:
            changed = connection.execute(
                update(User).where(User.name == tidied).values(**values).returning(User.id, User.realm)
            ).first()
            if changed is None:
                raise UserRefused(f"there is no account {tidied!r}")
            if only_local and changed.realm != Realm.LOCAL:
                raise UserRefused(f"{tidied!r} signs in by {changed.realm.upper()}, which keeps password and role")
            if takes_rights and changed.realm == Realm.LOCAL and not _local_administrators(connection):
                raise UserRefused(
                    f"{tidied!r} is the only administrator left with a password here; make somebody else one first"
                )
            if end_sessions:
                connection.execute(delete(SignIn).where(SignIn.user_fk == changed.id))
            add(connection, "info", event, tidied, fields, now)

        self._database.write(work)

    # -- signing in ----------------------------------------------------------------------------------------------

    def admit(self, visitor: Visitor, now: datetime) -> Person:
        """The account of somebody whom a directory or provider vouches for, with the role it gives; made if need be.

        An account that was closed here stays closed. A name that belongs to a local account, or to another person of
        the provider, is never handed over: whoever chooses a name elsewhere must not become somebody here.

        Raises: VisitorRefused, UserRefused for a name that cannot be used here.
        """
        tidied = tidy_name(visitor.name)
        about = {"role": visitor.role.value, "full_name": clean(visitor.full_name.strip())[:200]}
        if visitor.mail and not mail_fault(visitor.mail):
            about["mail"] = visitor.mail
        same = User.name == tidied
        if visitor.subject:
            same = (User.realm == visitor.realm.value) & (User.subject == visitor.subject)

        def work(connection: Connection) -> str:
            known = connection.execute(select(User.name, User.role, User.realm, User.disabled).where(same)).first()
            if known is None:
                values = {**about, "password_hash": "", "must_change": False, "created_at": now}
                values |= {"name": tidied, "realm": visitor.realm.value, "subject": visitor.subject}
                if insert_new(connection, User, values) is None:
                    raise VisitorRefused(_TAKEN.format(name=tidied))
                fields = {"role": visitor.role.value, "by": visitor.realm.value}
                add(connection, "info", "user_added", tidied, fields, now)
                return tidied
            if known.realm != visitor.realm:
                raise VisitorRefused(_TAKEN.format(name=tidied))
            if known.disabled:
                raise VisitorRefused(f"The account {known.name} is closed. Ask an administrator of this archive.")
            connection.execute(update(User).where(User.name == known.name).values(**about))
            if known.role != visitor.role:
                fields = {"role": visitor.role.value, "by": visitor.realm.value}
                add(connection, "info", "user_role_changed", known.name, fields, now)
            return str(known.name)

        return self._known(self._database.write(work))

    def turned_away(self, realm: Realm, name: str, why: str, address: str, now: datetime) -> None:
        """Note that a visitor did not come in."""
        self._database.write(lambda connection: _turned_away(connection, realm, name, why, address, now))

    def no_role(self, realm: Realm, refused: NoRole, address: str, now: datetime) -> None:
        """Note that somebody has no role here, or no more.

        What a former visit left open ends: the sessions, and API tokens until there is a role again.
        """
        same = User.name == refused.name if not refused.subject else User.subject == refused.subject

        def work(connection: Connection) -> None:
            forgotten = update(User).where(User.realm == realm.value, same).values(signed_in_at=None)
            for user in connection.execute(forgotten.returning(User.id)).scalars().all():
                connection.execute(delete(SignIn).where(SignIn.user_fk == user))
            _turned_away(connection, realm, refused.name, str(refused), address, now)

        self._database.write(work)

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


_TAKEN = "The name {name} belongs to another account of this archive. Ask an administrator: one has to be renamed."


def _turned_away(connection: Connection, realm: Realm, name: str, why: str, address: str, now: datetime) -> None:
    fields = {"realm": realm.value, "why": clean(why)[:300], "address": address}
    add(connection, "warning", "sign_in_refused", clean(name)[:64], fields, now)


def _local_administrators(connection: Connection) -> int:
    """How many can still get in and administer when no directory answers."""
    able = (User.role == Role.ADMINISTRATOR.value) & User.disabled.is_(False) & (User.realm == Realm.LOCAL.value)
    return connection.execute(select(func.count()).select_from(User).where(able)).scalar_one()


def _only_do(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)


def digest(token: str) -> str:
    """What is kept of a session's or a program's token."""
    return hashlib.sha256(token.encode()).hexdigest()
