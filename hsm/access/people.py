"""What the catalog tells of a person."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hsm.access.roles import Right, Role, may
from hsm.access.visitors import Realm

REMEMBERED = timedelta(days=30)  # for so long a directory's word counts without being asked again
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
    realm: Realm = Realm.LOCAL

    @property
    def is_local(self) -> bool:
        """Whether Firn itself keeps the password and the role."""
        return self.realm is Realm.LOCAL

    def vouched_for(self, now: datetime) -> bool:
        """Whether the account still stands for somebody: a directory's word for its people grows old.

        Nobody tells us that somebody has left the house; who does not sign in any more has perhaps.
        """
        return self.is_local or (self.signed_in_at is not None and now - self.signed_in_at < REMEMBERED)

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
