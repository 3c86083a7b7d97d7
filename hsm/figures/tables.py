"""The tables of figures. Nothing in them is a fact of its own: all can be worked out again, but the past."""

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import Base, Name


class Figure(Base):
    """The latest answer of one costly question."""

    __tablename__ = "figures"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    at: Mapped[datetime]
    value: Mapped[dict[str, Any]]


class UsageSample(Base):
    """How full something was at a moment."""

    __tablename__ = "usage_samples"

    name: Mapped[str] = mapped_column(Name, primary_key=True)  # "online", or a volume pool as "pool:NAME"
    at: Mapped[datetime] = mapped_column(primary_key=True)
    used_bytes: Mapped[int]
    capacity_bytes: Mapped[int]


class DayFlow(Base):
    """What came in, or was brought back, on one day (UTC)."""

    __tablename__ = "day_flows"

    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)  # "intake" or "recall"
    number: Mapped[int]
    size_bytes: Mapped[int]
