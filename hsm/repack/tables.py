"""The table of repacks."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Name


class Repack(Base):
    """One wish to empty a volume, and how far it is."""

    __tablename__ = "repacks"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(primary_key=True)
    volume_fk: Mapped[int] = mapped_column(ForeignKey("volumes.id"), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)  # RepackState
    phase: Mapped[str] = mapped_column(String(16))  # Phase, while it runs
    reason: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    came_from: Mapped[str] = mapped_column(Name)  # the VolumeState to go back to when it is cancelled
    copies: Mapped[int]  # that were needed when it began
    size_bytes: Mapped[int]  # of these
    troubles: Mapped[list[Any]] = mapped_column(default=list)  # Trouble: what keeps the volume from being drained
