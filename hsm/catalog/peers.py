"""Peers that are edited while the archive runs, and how every peer was when it was last asked."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.events import add
from hsm.catalog.rows import table_of
from hsm.catalog.text import clean
from hsm.commitment.levels import Level
from hsm.peers.model import EchoAnswer, PeerCheck, PeerRecord, PeerRefused, PeerRight
from hsm.peers.tables import PeerCheckRow, PeerRow

LOST_AFTER = 2  # failures in a row; one may be a restart


class Peers:
    """Peers by AE title. `by` is who asks for a change, for the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> list[PeerRecord]:
        """Those that are kept here, by AE title."""
        statement = select(PeerRow.__table__).order_by(PeerRow.ae_title)
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def find(self, ae_title: str) -> PeerRecord | None:
        """The one of that title, if it is kept here."""
        statement = select(PeerRow.__table__).where(PeerRow.ae_title == ae_title)
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else _record(row)

    def add(self, peer: PeerRecord, configured: Collection[str], by: str, now: datetime) -> None:
        """Know another peer at once. `configured`: the titles of the configuration file, which are taken.

        Raises: PeerRefused when there is one of that title.
        """

        def work(connection: Connection) -> None:
            taken = connection.execute(select(PeerRow.version).where(PeerRow.ae_title == peer.ae_title)).first()
            if taken is not None or peer.ae_title in configured:
                raise PeerRefused({"ae_title": f"There is a peer {peer.ae_title} already; choose another title."})
            values = {"ae_title": peer.ae_title, **_values(peer), "version": 1, "changed_at": now, "changed_by": by}
            connection.execute(table_of(PeerRow).insert().values(**values))
            add(connection, "info", "peer_added", peer.ae_title, {**_fields(peer), "by": by}, now)

        self._database.write(work)

    def change(self, peer: PeerRecord, seen_version: int, by: str, now: datetime) -> None:
        """Put other settings in the place of those that were seen.

        Raises: NotCatalogued; PeerRefused when somebody changed it since.
        """

        def work(connection: Connection) -> None:
            here = PeerRow.ae_title == peer.ae_title
            values = {**_values(peer), "version": seen_version + 1, "changed_at": now, "changed_by": by}
            changed = update(PeerRow).where(here, PeerRow.version == seen_version).values(**values)
            if not connection.execute(changed).rowcount:
                other = connection.execute(select(PeerRow.changed_by).where(here)).first()
                if other is None:
                    raise NotCatalogued(f"the catalog keeps no peer {peer.ae_title}")
                raise PeerRefused({"": f"{other[0]} changed this peer meanwhile; look at it again and repeat yours."})
            add(connection, "info", "peer_changed", peer.ae_title, {**_fields(peer), "by": by}, now)

        self._database.write(work)

    def remove(self, ae_title: str, by: str, now: datetime) -> None:
        """Forget a peer and how it was. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            if not connection.execute(delete(PeerRow).where(PeerRow.ae_title == ae_title)).rowcount:
                raise NotCatalogued(f"the catalog keeps no peer {ae_title}")
            connection.execute(delete(PeerCheckRow).where(PeerCheckRow.ae_title == ae_title))
            add(connection, "info", "peer_removed", ae_title, {"by": by}, now)

        self._database.write(work)

    def checked(self, ae_title: str, answer: EchoAnswer, now: datetime) -> PeerCheck:
        """Note what came of a C-ECHO. The second failure in a row, and the first answer after it, become events."""

        def work(connection: Connection) -> PeerCheck:
            row = connection.execute(select(PeerCheckRow.__table__).where(PeerCheckRow.ae_title == ae_title)).first()
            failures = 0 if answer.answered else (row.failures if row else 0) + 1
            seen_at = now if answer.answered else row.seen_at if row else None
            text = clean(answer.text)
            made = PeerCheck(ae_title, now, answer.answered, text, answer.took_s, seen_at, failures)
            if row is None:
                connection.execute(table_of(PeerCheckRow).insert().values(**made.__dict__))
            else:
                connection.execute(
                    update(PeerCheckRow).where(PeerCheckRow.ae_title == ae_title).values(**made.__dict__)
                )
            if failures == LOST_AFTER:
                fields = {"reason": text, "seen_at": seen_at.isoformat() if seen_at else None}
                add(connection, "warning", "peer_not_answering", ae_title, fields, now)
            if answer.answered and row is not None and row.failures >= LOST_AFTER:
                add(connection, "info", "peer_answers_again", ae_title, {"failures": row.failures}, now)
            return made

        return self._database.write(work)

    def checks(self) -> dict[str, PeerCheck]:
        """How every peer was, by AE title; those that were never asked are left out."""
        statement = select(PeerCheckRow.__table__)
        return self._database.read(
            lambda connection: {row.ae_title: PeerCheck(**row._mapping) for row in connection.execute(statement)}
        )


def _values(peer: PeerRecord) -> Mapping[str, Any]:
    return {
        "host": peer.host,
        "port": peer.port,
        "patience_s": peer.patience_s,
        "rights": sorted(right.value for right in peer.rights),
        "commit_level": peer.commit.value,
        "tls": peer.tls,
        "recalls_per_day": peer.recalls_per_day,
        "addresses": list(peer.addresses),
    }


def _fields(peer: PeerRecord) -> Mapping[str, Any]:
    return {
        "host": peer.host,
        "port": peer.port,
        "rights": ", ".join(sorted(right.value for right in peer.rights)),
        "commit": peer.commit.value,
        "tls": peer.tls,
        "recalls_per_day": peer.recalls_per_day,
        "addresses": ", ".join(peer.addresses),
    }


def _record(row: AnyRow) -> PeerRecord:
    return PeerRecord(
        ae_title=row.ae_title,
        host=row.host,
        port=row.port,
        patience_s=row.patience_s,
        rights=frozenset(right for right in PeerRight if right.value in row.rights),
        commit=Level(row.commit_level),
        tls=bool(row.tls),
        recalls_per_day=row.recalls_per_day,
        addresses=tuple(row.addresses),
        version=row.version,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
