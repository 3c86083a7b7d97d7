"""What only one process may own at a time, and until when."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hsm.catalog.database import Database
from hsm.catalog.rows import table_of
from hsm.models import Lease


class Leases:
    """Leases by name. A holder that does not renew in time loses its lease to whoever asks next."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, now: datetime, ttl_s: float) -> bool:
        """Own a name that is free, expired or already ours, until now + ttl_s; whether that worked."""
        values = {"name": name, "holder": holder, "expires_at": now + timedelta(seconds=ttl_s)}

        def work(connection: Connection) -> bool:
            if self.renew_in(connection, name, holder, now, ttl_s, or_expired=True):
                return True
            table = table_of(Lease)
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            made = connection.execute(
                dialect.insert(table).values(**values).on_conflict_do_nothing().returning(table.c.name)
            ).first()
            return made is not None

        return self._database.write(work)

    def renew(self, name: str, holder: str, now: datetime, ttl_s: float) -> bool:
        """Keep a lease that is still ours; False when it is not: stop using what it protects."""
        return self._database.write(lambda connection: self.renew_in(connection, name, holder, now, ttl_s))

    @staticmethod
    def renew_in(
        connection: Connection, name: str, holder: str, now: datetime, ttl_s: float, or_expired: bool = False
    ) -> bool:
        """Renew in the caller's transaction; with `or_expired`, also take over what ran out."""
        mine = (Lease.holder == holder) & (Lease.expires_at > now)
        fits = or_(Lease.holder == holder, Lease.expires_at <= now) if or_expired else mine
        renewed = connection.execute(
            update(Lease)
            .where(Lease.name == name, fits)
            .values(holder=holder, expires_at=now + timedelta(seconds=ttl_s))
            .returning(Lease.name)
        ).first()
        return renewed is not None

    def drop(self, name: str, holder: str) -> bool:
        """Give a lease back; False when it was not ours."""

        def work(connection: Connection) -> bool:
            fits = (Lease.name == name) & (Lease.holder == holder)
            return connection.execute(delete(Lease).where(fits).returning(Lease.name)).first() is not None

        return self._database.write(work)

    def holder(self, name: str, now: datetime) -> str | None:
        """Who owns a name now."""
        statement = select(Lease.holder).where(Lease.name == name, Lease.expires_at > now)
        return self._database.read(lambda connection: connection.execute(statement).scalar())
