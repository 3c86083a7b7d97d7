"""Every version of the rules that was ever in force; the newest one is."""

from datetime import datetime

from sqlalchemy import Connection, select

from hsm.catalog.database import Database
from hsm.catalog.events import add
from hsm.catalog.records import PolicyVersion
from hsm.catalog.rows import insert_row
from hsm.models import Policy


class Policies:
    """The rules, as text; hsm/policy reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> PolicyVersion | None:
        """The version in force, None before the first was published."""
        return next(iter(self.history(limit=1)), None)

    def publish(self, text: str, author: str, now: datetime) -> int:
        """Put a text in force that the caller has checked; its version number."""

        def work(connection: Connection) -> int:
            version = insert_row(connection, Policy, {"text": text, "author": author, "created_at": now})
            add(connection, "info", "policy_published", str(version), {"author": author}, now)
            return version

        return self._database.write(work)

    def history(self, limit: int = 50) -> list[PolicyVersion]:
        """Versions, newest first."""
        statement = (
            select(Policy.id, Policy.text, Policy.author, Policy.created_at).order_by(Policy.id.desc()).limit(limit)
        )
        return self._database.read(lambda connection: [PolicyVersion(*row) for row in connection.execute(statement)])
