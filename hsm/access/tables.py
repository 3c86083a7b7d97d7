"""The tables of people, of their open sessions and of their API tokens.

No password, no session token and no API token is stored, only what proves one.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Digest, Name


class User(Base):
    """One person who may sign in."""

    __tablename__ = "users"
    __table_args__ = (NEVER_AGAIN,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)  # to sign in with; lower case
    full_name: Mapped[str] = mapped_column(Text, default="")
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(Text)
    must_change: Mapped[bool]  # the password was given by somebody else
    disabled: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)  # wrong passwords in a row
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    signed_in_at: Mapped[datetime | None]
    mail: Mapped[str] = mapped_column(String(254), default="")  # told of what the person asked for
    realm: Mapped[str] = mapped_column(String(16), default="local")  # who knows the password
    subject: Mapped[str] = mapped_column(Text, default="")  # as an identity provider names the person for ever


class SignIn(Base):
    """One browser in which somebody is signed in."""

    __tablename__ = "sign_ins"

    token_sha256: Mapped[str] = mapped_column(Digest, primary_key=True)
    user_fk: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)  # to the minute


class ApiToken(Base):
    """What a program shows to act for somebody, without a password."""

    __tablename__ = "api_tokens"
    __table_args__ = (NEVER_AGAIN,)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_sha256: Mapped[str] = mapped_column(Digest, unique=True)
    hint: Mapped[str] = mapped_column(String(8))  # its last characters, to tell it from others
    user_fk: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(Text)  # what it is for
    scopes: Mapped[list[Any]]  # names of rights
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # to the minute
    used_from: Mapped[str] = mapped_column(String(64), default="")  # the address, or that of the proxy in front
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(Text, default="")
