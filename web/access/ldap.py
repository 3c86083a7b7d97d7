"""Sign-in by a directory: find the person, prove the password by binding as that person, read the groups.

Nothing is asked without TLS and a certificate that was checked. What was typed in never becomes part of a filter
unescaped. An empty password is refused here: a directory takes it for "nobody in particular" and says yes.

Source: RFC 4511, RFC 4513 (5.1.2 unauthenticated bind, 3 StartTLS), RFC 4515 (filters).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsm.access.people import UserRefused, tidy_name
from hsm.access.roles import Role
from hsm.access.visitors import NoRole, Realm, RealmFailed, Visitor, role_of
from web.access.passwords import GREATEST_LENGTH

if TYPE_CHECKING:
    from bonsai import LDAPClient, LDAPEntry

LIMIT_S = 10.0
MOST_GROUPS = 1000


@dataclass(frozen=True)
class LdapSettings:
    """Where the directory is and how it is asked."""

    url: str  # ldap:// (then StartTLS) or ldaps://
    base: str
    roles: Mapping[Role, Collection[str]]  # distinguished names of groups
    name: str = "the directory"  # what people call it
    ca_file: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    bind_dn: str = ""  # "": look-ups are anonymous
    password_file: Path | None = field(default=None, repr=False)
    user_filter: str = "(uid={name})"
    group_base: str = ""  # "": the groups are read from group_attribute of the person
    group_filter: str = "(member={dn})"
    group_attribute: str = "memberOf"
    full_name_attribute: str = "cn"
    mail_attribute: str = "mail"


class NotProved(Exception):
    """There is no such person, or the password is another; the directory tells which only to itself."""


def prove(settings: LdapSettings, name: str, password: str) -> Visitor:
    """Who this is, when name and password are right.

    Raises: NotProved, NoRole, RealmFailed.
    """
    from bonsai import LDAPError

    try:
        tidied = tidy_name(name)
    except UserRefused:
        raise NotProved from None
    if not password or "\x00" in password or len(password) > GREATEST_LENGTH:
        raise NotProved
    try:
        person, groups = _asked(settings, tidied, password)
    except LDAPError as error:
        raise RealmFailed(f"{settings.url}: {type(error).__name__}: {error}"[:300]) from None
    role = role_of(groups, settings.roles)
    if role is None:
        raise NoRole(tidied)
    full_name, mail = _first(person, settings.full_name_attribute), _first(person, settings.mail_attribute)
    return Visitor(Realm.LDAP, "", tidied, full_name, mail, role)


def _asked(settings: LdapSettings, name: str, password: str) -> tuple["LDAPEntry", list[str]]:
    from bonsai import AuthenticationError, LDAPSearchScope, escape_filter_exp
    from bonsai.errors import UnwillingToPerform

    wanted = [settings.full_name_attribute, settings.mail_attribute, settings.group_attribute]
    try:
        looking = _client(settings, settings.bind_dn, _password(settings)).connect(timeout=LIMIT_S)
    except AuthenticationError:
        raise RealmFailed(f"{settings.url} refuses ldap.bind_dn or its password") from None
    with looking:
        filtered = settings.user_filter.replace("{name}", escape_filter_exp(name))
        found = looking.search(settings.base, LDAPSearchScope.SUB, filtered, wanted, timeout=LIMIT_S, sizelimit=2)
        if len(found) > 1:
            raise RealmFailed(f"{settings.url}: {len(found)} entries fit {filtered}; ldap.user_filter must name one")
        if not found:
            raise NotProved
        person = found[0]
        try:
            _client(settings, str(person.dn), password).connect(timeout=LIMIT_S).close()
        except (AuthenticationError, UnwillingToPerform):
            raise NotProved from None
        if not settings.group_base:
            return person, _texts(person, settings.group_attribute)
        filtered = settings.group_filter.replace("{dn}", escape_filter_exp(str(person.dn)))
        filtered = filtered.replace("{name}", escape_filter_exp(name))
        groups = looking.search(
            settings.group_base, LDAPSearchScope.SUB, filtered, ["1.1"], timeout=LIMIT_S, sizelimit=MOST_GROUPS
        )
        return person, [str(group.dn) for group in groups]


def _client(settings: LdapSettings, dn: str, password: str) -> "LDAPClient":
    from bonsai import LDAPClient

    client = LDAPClient(settings.url, tls=not settings.url.lower().startswith("ldaps:"))
    client.set_cert_policy("demand")
    client.set_ca_cert(str(settings.ca_file))
    if dn:
        if not password:
            raise RealmFailed(f"{settings.url}: there is no password for {dn}; an empty one would be let in as nobody")
        client.set_credentials("SIMPLE", dn, password)
    return client


def _password(settings: LdapSettings) -> str:
    if settings.password_file is None:
        return ""
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RealmFailed(f"the password in {settings.password_file} cannot be read: {type(error).__name__}") from None


def _texts(entry: Mapping[str, Any], attribute: str) -> list[str]:
    values = entry.get(attribute) or ()
    return [value for value in values if isinstance(value, str)]


def _first(entry: Mapping[str, Any], attribute: str) -> str:
    return next(iter(_texts(entry, attribute)), "")
