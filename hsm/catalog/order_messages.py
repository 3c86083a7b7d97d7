"""HL7 messages: each is done once, and what was not understood is kept for a person to look at."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from hsm.catalog.database import AnyRow, Database
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.events import add
from hsm.catalog.orders import apply, apply_to_patient
from hsm.catalog.rows import insert_row, one
from hsm.catalog.text import clean
from hsm.orders.model import OrderChange, PatientChange
from hsm.orders.tables import MessageRow

ACCEPTED, QUARANTINED, SETTLED = "accepted", "quarantined", "settled"


@dataclass(frozen=True)
class MessageFacts:
    """What there is to know of a message before it is understood. `control_id` is empty where it has no header."""

    sender: str
    control_id: str
    kind: str
    sha256: str
    address: str


@dataclass(frozen=True)
class QuarantinedMessage:
    """A message that was not understood."""

    id: int
    received_at: datetime
    address: str
    sender: str
    control_id: str
    kind: str
    answer: str
    why: str
    raw: bytes
    tries: int


class OrderMessages:
    """Messages of the hospital's systems."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(
        self, facts: MessageFacts, orders: Sequence[OrderChange], patients: Sequence[PatientChange], now: datetime
    ) -> bool:
        """Do what a message wants and note that it was done, in one transaction; False when it was done before.

        Raises: OrderRefused, IllegalTransition, CatalogUnavailable; then nothing of it is done.
        """

        def work(connection: Connection) -> bool:
            known = _known(connection, facts)
            if known is not None and known.outcome == ACCEPTED:
                _again(connection, known)
                return False
            by = facts.sender or facts.address
            for change in patients:
                apply_to_patient(connection, change, by, now)
            apply(connection, orders, by, now)
            if known is None:
                _keep(connection, facts, ACCEPTED, "AA", "", b"", now)
            else:  # it was not understood when it came before
                values = {"outcome": ACCEPTED, "answer": "AA", "why": "", "raw": "", "tries": known.tries + 1}
                connection.execute(update(MessageRow).where(MessageRow.id == known.id).values(**values))
            return True

        return self._database.write(work)

    def quarantine(self, facts: MessageFacts, answer: str, why: str, raw: bytes, now: datetime) -> int:
        """Keep a message that was not understood; its number. The same one again is kept once."""

        def work(connection: Connection) -> int:
            known = _known(connection, facts)
            if known is not None:
                _again(connection, known)
                return int(known.id)
            number = _keep(connection, facts, QUARANTINED, answer, why, raw, now)
            fields = {"message": number, "from": facts.address, "kind": facts.kind, "why": why}
            add(connection, "warning", "hl7_message_quarantined", str(number), fields, now)
            return number

        return self._database.write(work)

    def quarantined(self, limit: int = 100) -> list[QuarantinedMessage]:
        """Messages that were not understood and that nobody has settled, newest first."""
        statement = (
            select(MessageRow.__table__)
            .where(MessageRow.outcome == QUARANTINED)
            .order_by(MessageRow.id.desc())
            .limit(limit)
        )
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    def quarantined_count(self) -> int:
        """How many messages wait for somebody to settle them."""
        statement = select(func.count()).where(MessageRow.outcome == QUARANTINED)
        return self._database.read(lambda connection: int(connection.execute(statement).scalar_one()))

    def get(self, message_id: int) -> QuarantinedMessage:
        """One message. Raises: NotCatalogued."""
        statement = select(MessageRow.__table__).where(MessageRow.id == message_id)
        return self._database.read(lambda connection: _record(one(connection, statement, f"message {message_id}")))

    def settle(self, message_id: int, by: str, now: datetime) -> None:
        """Note that a person dealt with a quarantined message. It is kept. Raises: NotCatalogued."""

        def work(connection: Connection) -> None:
            here = (MessageRow.id == message_id) & (MessageRow.outcome == QUARANTINED)
            if not connection.execute(update(MessageRow).where(here).values(outcome=SETTLED)).rowcount:
                raise NotCatalogued(f"there is no message {message_id} in quarantine")
            add(connection, "info", "hl7_message_settled", str(message_id), {"by": by}, now)

        self._database.write(work)


def _known(connection: Connection, facts: MessageFacts) -> AnyRow | None:
    same = (
        (MessageRow.sender == clean(facts.sender)[:128])
        & (MessageRow.control_id == clean(facts.control_id)[:199])
        & (MessageRow.sha256 == facts.sha256)
    )
    return connection.execute(select(MessageRow.__table__).where(same).with_for_update()).first()


def _again(connection: Connection, known: AnyRow) -> None:
    connection.execute(update(MessageRow).where(MessageRow.id == known.id).values(tries=known.tries + 1))


def _keep(
    connection: Connection, facts: MessageFacts, outcome: str, answer: str, why: str, raw: bytes, now: datetime
) -> int:
    values = {
        "received_at": now,
        "address": facts.address,
        "sender": clean(facts.sender)[:128],
        "control_id": clean(facts.control_id)[:199],
        "kind": clean(facts.kind),
        "sha256": facts.sha256,
        "outcome": outcome,
        "answer": answer,
        "why": clean(why),
        "raw": base64.b64encode(raw).decode("ascii"),
        "tries": 1,
    }
    return insert_row(connection, MessageRow, values)


def _record(row: AnyRow) -> QuarantinedMessage:
    return QuarantinedMessage(
        id=row.id,
        received_at=row.received_at,
        address=row.address,
        sender=row.sender,
        control_id=row.control_id,
        kind=row.kind,
        answer=row.answer,
        why=row.why,
        raw=base64.b64decode(row.raw),
        tries=row.tries,
    )
