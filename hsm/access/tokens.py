"""What the catalog tells of an API token."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hsm.access.people import Person
from hsm.access.roles import Right

LONGEST_NAME = 100  # characters
MOST_LIVE = 50  # of one owner


class TokenRefused(Exception):
    """A token cannot be made or taken back as asked; the message says why and changes nothing."""


class TokenState(StrEnum):
    """Whether a token opens anything."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"  # its owner's account is


@dataclass(frozen=True)
class TokenRecord:
    """One API token, without what it says."""

    id: int
    hint: str  # its last characters
    owner: Person
    name: str
    scopes: frozenset[Right]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    used_at: datetime | None  # to the minute
    used_from: str
    revoked_at: datetime | None
    revoked_by: str

    def state(self, now: datetime) -> TokenState:
        """Whether it opens anything at a moment."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        open_now = not self.owner.disabled and self.owner.vouched_for(now)
        return TokenState.LIVE if open_now else TokenState.CLOSED

    def may(self, right: Right) -> bool:
        """Whether who shows it has a right now: it is among its scopes, and its owner has it still."""
        return right in self.scopes and self.owner.may(right)


def tidy_token_name(name: str) -> str:
    """What a token is for, in one line. Raises: TokenRefused."""
    tidied = " ".join("".join(character if character.isprintable() else " " for character in name).split())
    if not 1 <= len(tidied) <= LONGEST_NAME:
        raise TokenRefused(f"say in 1 to {LONGEST_NAME} characters what the token is for")
    return tidied


def check_scopes(owner: Person, scopes: frozenset[Right]) -> None:
    """Refuse a token that could do nothing, or more than its owner. Raises: TokenRefused."""
    if not scopes:
        raise TokenRefused("choose at least one thing that the token may do")
    missing = sorted(right.value for right in scopes if not owner.may(right))
    if missing:
        raise TokenRefused(f"{owner.name!r} ({owner.role.value}) has no right to {', '.join(missing)}")
