"""The tables of peers that are edited on the page, and of how every peer was when it was last asked."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import Base


class PeerRow(Base):
    """One peer that does not stand in the configuration file."""

    __tablename__ = "peers"

    ae_title: Mapped[str] = mapped_column(String(16), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    patience_s: Mapped[float | None] = mapped_column(Float)
    rights: Mapped[list[Any]]  # PeerRight, sorted
    commit_level: Mapped[str] = mapped_column(String(16))  # Level
    tls: Mapped[bool]
    recalls_per_day: Mapped[int | None]
    addresses: Mapped[list[Any]]
    version: Mapped[int]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(Text)


class PeerCheckRow(Base):
    """The last C-ECHO to one peer, configured or kept."""

    __tablename__ = "peer_checks"

    ae_title: Mapped[str] = mapped_column(String(16), primary_key=True)
    checked_at: Mapped[datetime]
    answered: Mapped[bool]
    text: Mapped[str] = mapped_column(Text)
    took_s: Mapped[float] = mapped_column(Float)
    seen_at: Mapped[datetime | None]
    failures: Mapped[int]
