"""The tables of what people want besides having a study back: several at once, and sent somewhere."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Digest, partial_index


class CartItem(Base):
    """A study that an account has put aside, to ask for several at once."""

    __tablename__ = "cart_items"

    user_fk: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True, index=True)
    added_at: Mapped[datetime]


class Delivery(Base):
    """A study, some series or some instances that are to be sent to a DICOM node."""

    __tablename__ = "deliveries"
    __table_args__ = (
        partial_index("ix_deliveries_active", "state", "id", where="ended_at IS NULL"),
        Index("ix_deliveries_requester", "requested_by", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    destination: Mapped[str] = mapped_column(String(16))  # AE title
    series_uids: Mapped[list[Any]] = mapped_column(default=list)  # empty: the whole study
    instance_uids: Mapped[list[Any]] = mapped_column(default=list)
    requested_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    deadline: Mapped[datetime]
    not_before: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16))  # DeliveryState
    active_key: Mapped[str | None] = mapped_column(Digest, unique=True)  # while not over: makes asking repeatable
    tries: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text, default="")
    request_fk: Mapped[int | None] = mapped_column(ForeignKey("recall_requests.id"), index=True)
    own_request: Mapped[bool] = mapped_column(default=False)  # the recall was made for this delivery alone
    total: Mapped[int] = mapped_column(default=0)  # objects
    sent: Mapped[int] = mapped_column(default=0)
    sent_uids: Mapped[list[Any]] = mapped_column(default=list)  # accepted in earlier tries
    origin_aet: Mapped[str | None] = mapped_column(String(16))  # of the C-MOVE it goes on with
    origin_message: Mapped[int | None]
    claimed_by: Mapped[str | None] = mapped_column(Text)
    claimed_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
