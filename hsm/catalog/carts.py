"""Carts: studies that an account has put aside, to ask for several at once."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from hsm.catalog.database import Database
from hsm.catalog.errors import CartFull
from hsm.catalog.rows import chunks, table_of
from hsm.facts import StudyUid
from hsm.models import Study
from hsm.wishes import CartItem

MOST = 500  # studies in one cart


class Carts:
    """One cart for each account, named by the account's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, account: int) -> int:
        """How many studies are in a cart."""
        return self._database.read(lambda connection: _count(connection, account))

    def holds(self, account: int, study_uids: Collection[str]) -> frozenset[str]:
        """Which of some studies are in a cart."""

        def look(connection: Connection) -> frozenset[str]:
            statement = select(Study.study_instance_uid).join(CartItem, CartItem.study_fk == Study.id)
            statement = statement.where(CartItem.user_fk == account)
            return frozenset(
                uid
                for part in chunks(sorted(set(study_uids)))
                for uid in connection.execute(statement.where(Study.study_instance_uid.in_(part))).scalars()
            )

        return self._database.read(look)

    def add(self, account: int, study_uids: Collection[str], now: datetime) -> int:
        """Put studies in; how many are new there. Studies the archive does not have are passed over.

        Raises: CartFull; nothing is put in then.
        """

        def work(connection: Connection) -> int:
            there = select(CartItem.study_fk).where(CartItem.user_fk == account)
            known = set(connection.execute(there).scalars())
            new: dict[int, None] = {}
            for part in chunks(list(dict.fromkeys(study_uids))):
                found = connection.execute(
                    select(Study.study_instance_uid, Study.id).where(Study.study_instance_uid.in_(part))
                )
                ids = {row[0]: row[1] for row in found}
                new |= {ids[uid]: None for uid in part if uid in ids and ids[uid] not in known}
            if len(known) + len(new) > MOST:
                raise CartFull(f"a cart holds {MOST} studies: {len(known)} are in it, {len(new)} more do not fit")
            if new:
                rows = [{"user_fk": account, "study_fk": study, "added_at": now} for study in new]
                connection.execute(table_of(CartItem).insert(), rows)
            return len(new)

        return self._database.write(work)

    def remove(self, account: int, study_uids: Collection[str] | None = None) -> int:
        """Take studies out, all of them with None; how many were there."""

        def work(connection: Connection) -> int:
            statement = delete(CartItem).where(CartItem.user_fk == account)
            if study_uids is None:
                return len(connection.execute(statement.returning(CartItem.study_fk)).all())
            gone = 0
            for part in chunks(sorted(set(study_uids))):
                chosen = select(Study.id).where(Study.study_instance_uid.in_(part))
                some = statement.where(CartItem.study_fk.in_(chosen)).returning(CartItem.study_fk)
                gone += len(connection.execute(some).all())
            return gone

        return self._database.write(work)

    def list(self, account: int) -> tuple[StudyUid, ...]:
        """What is in a cart, in the order in which it was put there."""
        statement = (
            select(Study.study_instance_uid)
            .join(CartItem, CartItem.study_fk == Study.id)
            .where(CartItem.user_fk == account)
            .order_by(CartItem.added_at, Study.id)
        )
        return self._database.read(lambda connection: tuple(map(StudyUid, connection.execute(statement).scalars())))


def _count(connection: Connection, account: int) -> int:
    statement = select(func.count()).select_from(CartItem).where(CartItem.user_fk == account)
    return int(connection.execute(statement).scalar_one())
