"""The directory and the identity provider, as the configuration names them."""

from pathlib import Path

from appliance.config import Config
from appliance.config.realms import RolesSection
from hsm.access.roles import Role
from web.access.ldap import LdapSettings
from web.access.oidc import OidcSettings, Provider


def directory(config: Config) -> LdapSettings | None:
    """How the directory is asked; None when there is none."""
    said = config.ldap
    if not said.url:
        return None
    return LdapSettings(
        url=said.url,
        base=said.base,
        roles=_roles(said),
        name=said.name,
        ca_file=config.resolve(said.ca_file),
        bind_dn=said.bind_dn,
        password_file=_file(config, said.password_file),
        user_filter=said.user_filter,
        group_base=said.group_base,
        group_filter=said.group_filter,
        group_attribute=said.group_attribute,
        full_name_attribute=said.full_name_attribute,
        mail_attribute=said.mail_attribute,
    )


def provider(config: Config) -> Provider | None:
    """The identity provider; None when there is none. Nothing is asked of it before somebody signs in."""
    said = config.oidc
    if not said.issuer:
        return None
    return Provider(
        OidcSettings(
            issuer=said.issuer,
            client_id=said.client_id,
            roles=_roles(said),
            client_secret_file=_file(config, said.client_secret_file),
            name=said.name,
            scopes=said.scopes,
            name_claim=said.name_claim,
            groups_claim=said.groups_claim,
            pages=said.pages,
            ca_file=config.resolve(said.ca_file),
        )
    )


def _roles(said: RolesSection) -> dict[Role, tuple[str, ...]]:
    return {Role(name): groups for name, groups in said.groups.items()}


def _file(config: Config, path: Path) -> Path | None:
    return config.resolve(path) if path != Path() else None
