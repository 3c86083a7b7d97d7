"""Where people sign in from elsewhere, and which role their groups give them."""

from pathlib import Path

from pydantic import Field

from appliance.config.base import Section

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class RolesSection(Section):
    """Which groups of people have which role."""

    administrator_groups: tuple[str, ...] = Field((), description="Groups whose people administer.")
    archivist_groups: tuple[str, ...] = Field((), description="Groups whose people decide what is kept where.")
    staff_groups: tuple[str, ...] = Field((), description="Groups whose people have studies brought back.")
    viewer_groups: tuple[str, ...] = Field((), description="Groups whose people look and change nothing.")

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups by the name of the role."""
        return {
            "administrator": self.administrator_groups,
            "archivist": self.archivist_groups,
            "staff": self.staff_groups,
            "viewer": self.viewer_groups,
        }


class LdapSection(RolesSection):
    """Sign-in by a directory (LDAP). Local accounts go on; a name that has one is never asked for there."""

    url: str = Field(
        "",
        pattern=r"^$|^ldaps?://[^/?#\s]+$",
        description="Address of the directory: ldap:// (then StartTLS) or ldaps://. Empty: there is none.",
        examples=["ldaps://directory.example"],
    )
    name: str = Field("the directory", min_length=1, max_length=60, description="What people call it.")
    ca_file: Path = Field(CERTIFICATES, description="Certificates that its own has to come from.")
    bind_dn: str = Field("", description="Account that looks people up; empty: anonymously.")
    password_file: Path = Field(Path(), description="File with the password of that account, readable by Firn alone.")
    base: str = Field("", description="Where people are looked for.", examples=["ou=people,dc=example"])
    user_filter: str = Field(
        "(uid={name})",
        description="How a person is found by the name typed in; Active Directory: (sAMAccountName={name}).",
    )
    group_base: str = Field(
        "", description="Where groups are looked for; empty: they are read from ldap.group_attribute of the person."
    )
    group_filter: str = Field(
        "(member={dn})",
        description="How the groups of a person are found; Active Directory, nested ones, too: "
        "(member:1.2.840.113556.1.4.1941:={dn}).",
    )
    group_attribute: str = Field("memberOf", description="Attribute of a person that names its groups.")
    full_name_attribute: str = Field("cn", description="Attribute with the name to be called by.")
    mail_attribute: str = Field("mail", description="Attribute with the address of mail.")


class OidcSection(RolesSection):
    """Sign-in by an identity provider (OpenID Connect), with a button of its own. Local accounts go on."""

    issuer: str = Field(
        "",
        pattern=r"^$|^https://[^?#\s]+$|^http://(localhost|127\.0\.0\.1)(:\d+)?[^?#\s]*$",
        description="The provider, exactly as it calls itself. Empty: there is none.",
        examples=["https://login.example/realms/hospital"],
    )
    name: str = Field("your organisation", min_length=1, max_length=60, description="What the button calls it.")
    client_id: str = Field("", description="What Firn is called there.", examples=["firn"])
    client_secret_file: Path = Field(
        Path(), description="File with the secret of that client, readable by Firn alone; empty: a client without one."
    )
    scopes: str = Field("openid profile email", pattern=r"(^|\s)openid(\s|$)", description="What is asked for.")
    name_claim: str = Field("preferred_username", description="Claim that names the account.")
    groups_claim: str = Field(
        "groups", description="Claim that names the groups, or the way to it: realm_access.roles with Keycloak."
    )
    pages: str = Field(
        "",
        description="Address of the pages as browsers know it; the provider sends them to /sign-in/oidc/back there. "
        "Empty: the address that was asked, which is wrong behind a reverse proxy that speaks https.",
        examples=["https://archive.example"],
    )
    ca_file: Path = Field(CERTIFICATES, description="Certificates that the provider's has to come from.")
