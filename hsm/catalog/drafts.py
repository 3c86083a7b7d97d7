"""Rules that are being written: one draft for each account, so that it survives a closed page and a restart."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import DraftChanged
from hsm.catalog.records import DraftRecord
from hsm.catalog.rows import insert_new
from hsm.models import PolicyDraft

_COLUMNS = (
    PolicyDraft.account,
    PolicyDraft.text,
    PolicyDraft.base,
    PolicyDraft.revision,
    PolicyDraft.begun_at,
    PolicyDraft.changed_at,
)


class Drafts:
    """Drafts of rules, as text; one that cannot be read yet is a draft too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, account: str) -> DraftRecord | None:
        """Somebody's draft."""
        return next((draft for draft in self.list() if draft.account == account), None)

    def list(self) -> list[DraftRecord]:
        """Everybody's, the latest change first."""
        statement = select(*_COLUMNS).order_by(PolicyDraft.changed_at.desc(), PolicyDraft.account)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def begin(self, account: str, text: str, base: int, now: datetime) -> DraftRecord:
        """Somebody's draft: the one there is, else one made of this text, a change of version `base`."""

        def work(connection: Connection) -> DraftRecord:
            values = {"account": account, "text": text, "base": base, "begun_at": now, "changed_at": now}
            insert_new(connection, PolicyDraft, values | {"revision": 1})
            statement = select(*_COLUMNS).where(PolicyDraft.account == account)
            return _record(connection.execute(statement).one())

        return self._database.write(work)

    def save(self, account: str, text: str, seen: int, now: datetime, base: int | None = None) -> DraftRecord:
        """Put a text in the place of the draft whose revision was `seen`; `base`: it is a change of this version now.

        Raises: DraftChanged when another revision is there, or none.
        """

        def work(connection: Connection) -> DraftRecord:
            rebased = {} if base is None else {"base": base}
            row = connection.execute(
                update(PolicyDraft)
                .where(PolicyDraft.account == account, PolicyDraft.revision == seen)
                .values(text=text, revision=seen + 1, changed_at=now, **rebased)
                .returning(*_COLUMNS)
            ).first()
            if row is None:
                raise DraftChanged("this draft was changed or thrown away elsewhere; read it again")
            return _record(row)

        return self._database.write(work)

    def discard(self, account: str) -> None:
        """Throw somebody's draft away; nothing happens when there is none."""
        self._database.write(
            lambda connection: connection.execute(delete(PolicyDraft).where(PolicyDraft.account == account))
        )


def _record(row: AnyRow) -> DraftRecord:
    return DraftRecord(*row)
