"""API tokens: made, shown once, used, taken back."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from hsm.access.people import UserRefused
from hsm.access.roles import Right
from hsm.access.tables import ApiToken, User
from hsm.access.tokens import MOST_LIVE, TokenRecord, TokenRefused, TokenState, check_scopes, tidy_token_name
from hsm.catalog.accounts import PERSON, SEEN_EVERY, digest, person_of
from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.events import add
from hsm.catalog.rows import insert_row, one

HINT = 4  # characters

_TOKEN = (
    ApiToken.id,
    ApiToken.hint,
    ApiToken.name,
    ApiToken.scopes,
    ApiToken.created_at,
    ApiToken.created_by,
    ApiToken.expires_at,
    ApiToken.used_at,
    ApiToken.used_from,
    ApiToken.revoked_at,
    ApiToken.revoked_by,
)


def _select() -> AnySelect:
    return select(*PERSON, *_TOKEN).join(User, User.id == ApiToken.user_fk)


def _record(row: AnyRow) -> TokenRecord:
    number, hint, name, scopes, *rest = row[len(PERSON) :]
    known = frozenset(Right(scope) for scope in scopes if scope in set(Right))
    return TokenRecord(number, hint, person_of(row), name, known, *rest)


class Tokens:
    """Tokens by owner. `by` is who asks for a change, for the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        owner: str,
        name: str,
        scopes: Collection[Right],
        token: str,
        expires_at: datetime | None,
        by: str,
        now: datetime,
    ) -> TokenRecord:
        """Let `token` act for an account within its scopes; only its digest is kept.

        Raises: TokenRefused (a scope the owner has no right to, no name, an end that is past, too many already),
        UserRefused when there is no such account.
        """
        tidied = tidy_token_name(name)
        if expires_at is not None and expires_at <= now:
            raise TokenRefused("choose an end that is still to come")

        def work(connection: Connection) -> TokenRecord:
            row = connection.execute(select(*PERSON).where(User.name == owner.strip().lower())).first()
            if row is None:
                raise UserRefused(f"there is no account {owner[:64]!r}")
            person = person_of(row)
            check_scopes(person, frozenset(scopes))
            open_ones = ApiToken.revoked_at.is_(None) & (ApiToken.expires_at.is_(None) | (ApiToken.expires_at > now))
            mine = select(func.count()).select_from(ApiToken).where(ApiToken.user_fk == person.id, open_ones)
            if (connection.execute(mine).scalar() or 0) >= MOST_LIVE:
                raise TokenRefused(f"{person.name!r} has {MOST_LIVE} tokens already; take one back first")
            named = sorted(right.value for right in scopes)
            values = {
                "token_sha256": digest(token),
                "hint": token[-HINT:],
                "user_fk": person.id,
                "name": tidied,
                "scopes": named,
                "created_at": now,
                "created_by": by,
                "expires_at": expires_at,
            }
            number = insert_row(connection, ApiToken, values)
            fields = {"token": number, "what": tidied, "scopes": named, "by": by}
            fields |= {"expires_at": expires_at.isoformat()} if expires_at else {}
            add(connection, "info", "token_made", person.name, fields, now)
            return _record(one(connection, _select().where(ApiToken.id == number), f"token {number}"))

        return self._database.write(work)

    def list(self, owner: str | None = None) -> list[TokenRecord]:
        """The tokens of one account or of all, newest first; also those that open nothing any more."""
        statement = _select().order_by(ApiToken.id.desc())
        if owner is not None:
            statement = statement.where(User.name == owner)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def get(self, token_id: int) -> TokenRecord:
        """One token. Raises: NotCatalogued."""
        statement = _select().where(ApiToken.id == token_id)
        return self._database.read(lambda connection: _record(one(connection, statement, f"token {token_id}")))

    def revoke(self, token_id: int, by: str, now: datetime, owner: str | None = None) -> TokenRecord:
        """Take a token back, at once and for good; nothing happens when that was done before.

        `owner`: only if it is this account's. Raises: NotCatalogued.
        """

        def work(connection: Connection) -> TokenRecord:
            statement = _select().where(ApiToken.id == token_id).with_for_update(of=ApiToken)
            record = _record(one(connection, statement, f"token {token_id}"))
            if owner is not None and record.owner.name != owner:
                raise NotCatalogued(f"the catalog knows no token {token_id} of {owner}")
            if record.revoked_at is None:
                taken_back = update(ApiToken).where(ApiToken.id == token_id).values(revoked_at=now, revoked_by=by)
                connection.execute(taken_back)
                fields = {"token": token_id, "what": record.name, "by": by}
                add(connection, "info", "token_revoked", record.owner.name, fields, now)
            return _record(one(connection, _select().where(ApiToken.id == token_id), f"token {token_id}"))

        return self._database.write(work)

    def use(self, token: str, address: str, now: datetime) -> TokenRecord | None:
        """The token that a program shows, if it opens anything now; when it was used is noted, to the minute."""
        statement = _select().where(ApiToken.token_sha256 == digest(token))
        row = self._database.read(lambda connection: connection.execute(statement).first())
        record = None if row is None else _record(row)
        if record is None or record.state(now) is not TokenState.LIVE:
            return None
        if record.used_at is None or now - record.used_at >= SEEN_EVERY or record.used_from != address[:64]:
            used = update(ApiToken).where(ApiToken.id == record.id).values(used_at=now, used_from=address[:64])
            self._database.write(lambda connection: connection.execute(used))
        return record

    def refused(self, address: str, now: datetime) -> None:
        """Note that a program showed a token that opens nothing."""
        self._database.write(lambda c: add(c, "warning", "token_refused", "", {"address": address}, now))
