"""People whom somebody else vouches for: a directory of the house (LDAP) or an identity provider (OpenID Connect)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hsm.access.roles import Role

STRONGEST_FIRST = (Role.ADMINISTRATOR, Role.ARCHIVIST, Role.STAFF, Role.VIEWER)


class Realm(StrEnum):
    """Who knows the password of an account."""

    LOCAL = "local"  # Firn itself
    LDAP = "ldap"  # a directory
    OIDC = "oidc"  # an identity provider


@dataclass(frozen=True)
class Visitor:
    """Somebody who has proved to another house who they are, and what they are here for."""

    realm: Realm
    subject: str  # by which the provider knows the person for ever; "" where the name is that
    name: str  # to be called by here
    full_name: str
    mail: str
    role: Role


class VisitorRefused(Exception):
    """Somebody proved who they are and may not come in all the same; the message tells them why."""


class NoRole(VisitorRefused):
    """Somebody has no role here, or no more: what a former visit left open ends."""

    def __init__(self, name: str, subject: str = "") -> None:
        super().__init__(
            "You have no role in this archive: none of your groups has one. Ask an administrator of this archive."
        )
        self.name, self.subject = name, subject


class RealmFailed(Exception):
    """A directory or provider did not answer as it should; the message says what happened, for the event."""


def role_of(groups: Collection[str], wanted: Mapping[Role, Collection[str]]) -> Role | None:
    """The strongest role that somebody in these groups has; None for none at all. Pure.

    Groups are compared as distinguished names are: case and blanks around commas do not count.
    """
    has = {same_name(group) for group in groups}
    for role in STRONGEST_FIRST:
        if has & {same_name(group) for group in wanted.get(role, ())}:
            return role
    return None


def same_name(group: str) -> str:
    """A group's name in the spelling it is compared in. Source: RFC 4514, RFC 4518 (insignificant space, case)."""
    return re.sub(r"\s*([,=])\s*", r"\1", group.strip()).casefold()
