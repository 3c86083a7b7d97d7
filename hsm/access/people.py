"""What the catalog tells of a person."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from hsm.access.roles import Right, Role, may

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class UserRefused(Exception):
    """What was asked of an account cannot be done; the message says why and changes nothing."""


@dataclass(frozen=True)
class Person:
    """One account."""

    id: int
    name: str
    full_name: str
    role: Role
    password_hash: str = field(repr=False)
    must_change: bool
    disabled: bool
    failures: int
    locked_until: datetime | None
    created_at: datetime
    signed_in_at: datetime | None
    mail: str = ""  # told of what the person asked for

    def may(self, right: Right) -> bool:
        """Whether this person has a right now."""
        return not self.disabled and may(self.role, right)

    def locked_at(self, now: datetime) -> bool:
        """Whether wrong passwords keep the account closed at a moment."""
        return self.locked_until is not None and now < self.locked_until


def tidy_name(name: str) -> str:
    """A name to sign in with, in the one spelling it is kept in.

    Raises: UserRefused.
    """
    tidied = name.strip().lower()
    if not _NAME.fullmatch(tidied):
        raise UserRefused(
            f"{name[:64]!r} is no name to sign in with: use 1 to 64 letters a-z, digits and . _ @ -, "
            "beginning with a letter or a digit"
        )
    return tidied
