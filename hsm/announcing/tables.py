"""The tables of what peers were told of the availability of studies."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Uid, partial_index


class AvailabilityRow(Base):
    """How soon a study could be had when it was last looked."""

    __tablename__ = "availabilities"

    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True, autoincrement=False)
    availability: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime]


class AnnouncementRow(Base):
    """One study that one peer is, or was, to be told of."""

    __tablename__ = "announcements"
    __table_args__ = (
        partial_index("ix_announcements_due", "not_before", where="state = 'pending'"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    peer_aet: Mapped[str] = mapped_column(String(16))
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    availability: Mapped[str] = mapped_column(String(16))
    sop_instance_uid: Mapped[str] = mapped_column(Uid)
    state: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int] = mapped_column(default=0)
    queued_at: Mapped[datetime]
    not_before: Mapped[datetime]
    told_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(Text, default="")
