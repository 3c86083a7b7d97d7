"""The table of requests for storage commitment."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Name, Uid, partial_index


class CommitmentRequest(Base):
    """One transaction of one peer: what it asks about, and whether it was answered."""

    __tablename__ = "commitments"
    __table_args__ = (
        UniqueConstraint("peer_aet", "transaction_uid", name="uq_commitments_peer_aet_transaction_uid"),
        partial_index("ix_commitments_due", "look_at", where="state = 'waiting'"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    peer_aet: Mapped[str] = mapped_column(Name)
    transaction_uid: Mapped[str] = mapped_column(Uid)
    level: Mapped[str] = mapped_column(String(16))
    items: Mapped[list[Any]]  # [SOP Class UID, SOP Instance UID] each
    state: Mapped[str] = mapped_column(String(16))  # CommitmentState
    asked_at: Mapped[datetime]
    look_at: Mapped[datetime]  # not before
    tries: Mapped[int] = mapped_column(default=0)  # to tell the peer, in vain
    answered_at: Mapped[datetime | None]
    committed: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text, default="")  # the last thing that went wrong
