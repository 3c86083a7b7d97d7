"""Every version of the rules that was ever in force; the newest one is."""

from datetime import datetime
from operator import lt

from sqlalchemy import Connection, select

from hsm.catalog.database import AnySelect, Database
from hsm.catalog.errors import PolicyOutdated
from hsm.catalog.events import add
from hsm.catalog.records import PolicyVersion
from hsm.catalog.rows import insert_row, narrowed, one
from hsm.models import Policy

_COLUMNS = (Policy.id, Policy.text, Policy.author, Policy.created_at, Policy.reason)


class Policies:
    """The rules, as text; hsm/policy reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> PolicyVersion | None:
        """The version in force, None before the first was published."""
        return next(iter(self.history(limit=1)), None)

    def publish(self, text: str, author: str, now: datetime, seen: int | None = None, reason: str = "") -> int:
        """Put a text in force that the caller has checked; its version number.

        `seen`: the version that its author took for the one in force, 0 for none.

        Raises: PolicyOutdated when it is not.
        """

        def work(connection: Connection) -> int:
            if seen is not None:
                newest = select(Policy.id).order_by(Policy.id.desc()).limit(1)
                connection.execute(newest.with_for_update())  # nobody else who saw it goes on before this is done
                current = connection.execute(newest).scalar() or 0
                if current != seen:
                    raise PolicyOutdated(
                        f"version {current} is in force by now, not {seen}: read it before you publish"
                    )
            values = {"text": text, "author": author, "created_at": now, "reason": reason}
            version = insert_row(connection, Policy, values)
            add(connection, "info", "policy_published", str(version), {"author": author}, now)
            return version

        return self._database.write(work)

    def get(self, version: int) -> PolicyVersion:
        """One version. Raises: NotCatalogued."""
        statement = select(*_COLUMNS).where(Policy.id == version)
        return self._database.read(lambda connection: PolicyVersion(*one(connection, statement, f"rules {version}")))

    def history(self, limit: int = 50, before: int | None = None) -> list[PolicyVersion]:
        """Versions, newest first; `before` is the last one seen, to page on."""
        statement: AnySelect = select(*_COLUMNS)
        statement = narrowed(statement.order_by(Policy.id.desc()).limit(limit), (lt, Policy.id, before))
        return self._database.read(lambda connection: [PolicyVersion(*row) for row in connection.execute(statement)])
