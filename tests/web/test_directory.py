"""Signing in by a directory: Debian's slapd, with TLS, on loopback."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from hsm.access.people import REMEMBERED, UserRefused
from hsm.access.roles import Right, Role
from hsm.access.visitors import Realm, RealmFailed, role_of
from tests.support import directory as other
from tests.support.certificates import server_and_client
from tests.web.reader import read
from tests.web.test_access import PASSWORD, act, sign_in
from tests.web.world import World
from web.access import passwords
from web.access.ldap import LdapSettings, NotProved, prove
from web.app import create_app
from web.views import sign_in as sign_in_page

GROUPS = {
    Role.STAFF: (f"CN=Clerks, OU=groups, {other.BASE}",),
    Role.ADMINISTRATOR: (f"cn=admins,ou=groups,{other.BASE}",),
}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[other.Directory]:
    """One directory for all."""
    with other.directory(tmp_path_factory.mktemp("slapd")) as found:
        yield found


@pytest.fixture
def settings(slapd: other.Directory, tmp_path: Path) -> LdapSettings:
    """How it is asked."""
    sign_in_page.limiter.storage.reset()  # of this process, where every test comes from one address
    secret = tmp_path / "ldap-password"
    secret.write_text(other.LOOKING_PASSWORD + "\n")
    return LdapSettings(
        url=slapd.url,
        base=other.BASE,
        roles=GROUPS,
        ca_file=slapd.certificate,
        bind_dn=other.LOOKING_DN,
        password_file=secret,
        group_base=f"ou=groups,{other.BASE}",
    )


def stranger(world: World, settings: LdapSettings) -> FlaskClient:
    return create_app(replace(world.services(), ldap=settings)).test_client()


def test_a_person_of_the_directory_comes_in_with_the_role_of_the_groups(world: World, settings: LdapSettings) -> None:
    client = stranger(world, settings)
    assert "of the directory" in client.get("/sign-in").text
    assert sign_in(client, " Anna ", other.PASSWORD, next="/studies") == "/studies"
    account = world.catalog.accounts.find("anna")
    assert account is not None
    told = (account.role, account.realm, account.full_name, account.mail)
    assert told == (Role.STAFF, Realm.LDAP, "Anna Meyer", "anna@hospital.example")
    assert "changed there" in read(client.get("/password").text).text
    assert act(client, "/password", old=other.PASSWORD, new=PASSWORD, again=PASSWORD)[0] == 409
    assert sign_in(stranger(world, settings), "adam", other.PASSWORD) == "/"
    with pytest.raises(UserRefused, match="keeps password and role"):
        world.catalog.accounts.set_role("adam", Role.VIEWER, "test", world.clock.now())


@pytest.mark.parametrize("filled", [{}, {"group_base": ""}], ids=["searched", "memberOf"])
def test_the_roles_follow_the_directory_at_each_sign_in(
    world: World, settings: LdapSettings, filled: dict[str, str]
) -> None:
    settings = replace(settings, **filled)  # type: ignore[arg-type]
    sign_in(stranger(world, settings), "anna", other.PASSWORD)
    moved = replace(settings, roles={Role.ARCHIVIST: GROUPS[Role.STAFF]})
    sign_in(stranger(world, moved), "anna", other.PASSWORD)
    account = world.catalog.accounts.find("anna")
    assert account is not None and account.role is Role.ARCHIVIST
    (event,) = world.catalog.events.list(name="user_role_changed")
    assert event.fields["by"] == "ldap"


def test_without_a_role_nobody_comes_in_and_what_was_open_ends(world: World, settings: LdapSettings) -> None:
    accounts, now = world.catalog.accounts, world.clock.now()
    client = stranger(world, settings)
    sign_in(client, "anna", other.PASSWORD)
    world.catalog.tokens.add("anna", "script", {Right.LOOK}, "firn_x", None, "anna", now)
    assert world.catalog.tokens.use("firn_x", "127.0.0.1", now) is not None
    said = sign_in(stranger(world, replace(settings, roles={Role.STAFF: ("cn=others",)})), "anna", other.PASSWORD)
    assert said.startswith("403") and "You have no role in this archive" in said
    assert client.get("/studies").headers["Location"].startswith("/sign-in")
    assert world.catalog.tokens.use("firn_x", "127.0.0.1", now) is None
    sign_in(client, "anna", other.PASSWORD)
    assert world.catalog.tokens.use("firn_x", "127.0.0.1", now) is not None
    assert world.catalog.tokens.use("firn_x", "127.0.0.1", now + REMEMBERED) is None
    assert sign_in(stranger(world, settings), "nobody", other.PASSWORD).startswith("403")
    assert accounts.find("nobody") is None


def test_who_was_closed_here_stays_closed(world: World, settings: LdapSettings) -> None:
    sign_in(stranger(world, settings), "anna", other.PASSWORD)
    world.catalog.accounts.disable("anna", "test", world.clock.now())
    assert "The account anna is closed" in sign_in(stranger(world, settings), "anna", other.PASSWORD)


def test_what_is_no_name_and_password_proves_nothing(settings: LdapSettings) -> None:
    for name, password in (
        ("anna", "wrong"),
        ("anna", ""),
        ("anna", other.PASSWORD + "\x00"),
        ("a*", other.PASSWORD),
        ("*)(uid=anna", other.PASSWORD),
        ("anna)(|(uid=*", other.PASSWORD),
        ("", other.PASSWORD),
        ("unknown", other.PASSWORD),
    ):
        with pytest.raises(NotProved):
            prove(settings, name, password)


def test_wrong_passwords_lock_an_account_of_the_directory_and_slow_an_unknown_name(
    world: World, settings: LdapSettings
) -> None:
    sign_in(stranger(world, settings), "anna", other.PASSWORD)
    client = stranger(world, settings)
    for _ in range(5):
        assert sign_in(client, "anna", "wrong").startswith("422")
    assert "closed for a while" in sign_in(client, "anna", other.PASSWORD)
    world.clock.sleep(7200)
    assert sign_in(stranger(world, settings), "anna", other.PASSWORD) == "/"
    for _ in range(5):
        assert sign_in(client, "somebody", "wrong").startswith("422")
    assert "Too many tries with this name" in sign_in(client, "somebody", "wrong")


def test_a_local_account_goes_on_and_is_never_asked_for_in_the_directory(world: World, settings: LdapSettings) -> None:
    now = world.clock.now()
    world.catalog.accounts.add("local", "", Role.ADMINISTRATOR, passwords.hashed(PASSWORD), False, "test", now)
    gone = replace(settings, url="ldap://localhost:1")
    assert sign_in(stranger(world, gone), "local", PASSWORD) == "/"
    assert sign_in(stranger(world, settings), "local", other.PASSWORD).startswith("422")
    assert "only local accounts" in sign_in(stranger(world, gone), "anna", other.PASSWORD)
    with pytest.raises(UserRefused, match="only administrator left"):
        sign_in(stranger(world, settings), "adam", other.PASSWORD)
        world.catalog.accounts.disable("local", "test", now)


def test_a_directory_that_cannot_be_trusted_or_understood_is_not_asked(
    settings: LdapSettings, slapd: other.Directory, tmp_path: Path
) -> None:
    server_and_client(tmp_path)  # another certificate
    empty = tmp_path / "empty"
    empty.write_text("\n")
    wrong = tmp_path / "wrong"
    wrong.write_text("another")
    for broken in (
        replace(settings, ca_file=tmp_path / "certificate.pem"),
        replace(settings, url=f"ldap://127.0.0.2:{slapd.port}"),  # it answers there; its certificate says another name
        replace(settings, url=f"ldaps://localhost:{slapd.port}"),
        replace(settings, password_file=empty),
        replace(settings, password_file=tmp_path / "missing"),
        replace(settings, password_file=wrong),
        replace(settings, user_filter="(objectClass=inetOrgPerson)"),
        replace(settings, user_filter="(uid={name}"),
    ):
        with pytest.raises(RealmFailed) as failed:
            prove(broken, "anna", other.PASSWORD)
        assert other.PASSWORD not in str(failed.value) and other.LOOKING_PASSWORD not in str(failed.value)


def test_the_strongest_of_several_roles_counts() -> None:
    wanted = {Role.VIEWER: ("a",), Role.ARCHIVIST: ("B", "c")}
    assert role_of(["A", " b "], wanted) is Role.ARCHIVIST
    assert role_of(["x"], wanted) is None
