"""The tables of what people at the pages put together for themselves."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import Base


class CartItem(Base):
    """A study that an account has put aside, to ask for several at once."""

    __tablename__ = "cart_items"

    user_fk: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True, index=True)
    added_at: Mapped[datetime]
