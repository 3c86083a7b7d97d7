"""The tables of notifications. The outbox is durable: what is in it is told, or said to have been given up."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Name


class NoticeTarget(Base):
    """Somebody or something that is told."""

    __tablename__ = "notice_targets"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(Text)


class NoticeRule(Base):
    """Which events go to which target."""

    __tablename__ = "notice_rules"
    __table_args__ = (NEVER_AGAIN,)

    id: Mapped[int] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(ForeignKey("notice_targets.name", ondelete="CASCADE"), index=True)
    level: Mapped[str] = mapped_column(String(16))
    events: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    calendar: Mapped[str] = mapped_column(String(16))


class OutboxItem(Base):
    """One event that one target is to be told, or was."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state_kind_address", "state", "kind", "address"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)  # so that nothing is put in twice
    kind: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(500))
    target: Mapped[str] = mapped_column(Name)  # "" for a person who asked for something
    note: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))  # pending, told, given_up
    tries: Mapped[int]
    queued_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    told_at: Mapped[datetime | None] = mapped_column(index=True)
    answer: Mapped[str] = mapped_column(Text)  # the last one
