"""People: who may sign in, and as what."""

from pydantic import Field

from hsm.access.people import Person
from hsm.access.roles import Right, Role
from hsm.access.visitors import Realm
from hsm.catalog.errors import NotCatalogued
from web.access import passwords
from web.access.gate import known_person
from web.api.operations import Operations
from web.api.shape import Listed, NameText, Shape, Time, Words
from web.services import services

operations = Operations("People")


class Account(Shape):
    """One person who may sign in."""

    name: str
    full_name: str
    role: Role
    realm: Realm = Field(description="Who keeps the password and the role: this archive, a directory, a provider.")
    disabled: bool
    must_change: bool = Field(description="The password was given by somebody else, and has to be changed.")
    created_at: Time


class NewAccount(Shape):
    """An account to be made."""

    name: NameText
    full_name: Words = ""
    role: Role


class NewRole(Shape):
    """What a person is here for from now on."""

    role: Role


class OneTimePassword(Shape):
    """A password that is told once and has to be changed at the first sign-in."""

    name: str
    password: str


@operations.get("/people", Right.ADMINISTER)
def list_people() -> Listed[Account]:
    """Everybody who has an account, by name."""
    return Listed(items=tuple(_account(person) for person in services().catalog.accounts.list()))


@operations.get("/people/{name}", Right.ADMINISTER, tagged=True)
def get_person(name: NameText) -> Account:
    """One account."""
    return _account(_known(name))


@operations.post("/people", Right.ADMINISTER, status=201, conflicts=True, located=lambda made: f"/people/{made.name}")
def add_person(body: NewAccount) -> OneTimePassword:
    """Make an account; its password is told once and has to be changed at the first sign-in."""
    house, password = services(), passwords.one_time()
    made = house.catalog.accounts.add(
        body.name,
        body.full_name,
        body.role,
        passwords.hashed(password),
        True,
        known_person().name,
        house.clock.now(),
    )
    return OneTimePassword(name=made.name, password=password)


@operations.put("/people/{name}/role", Right.ADMINISTER, conflicts=True, matches=get_person)
def set_role(name: NameText, body: NewRole) -> Account:
    """Give an account another role. Somebody has to stay administrator."""
    house, account = services(), _known(name)
    house.catalog.accounts.set_role(account.name, body.role, known_person().name, house.clock.now())
    return _account(_known(name))


@operations.post("/people/{name}/close", Right.ADMINISTER, conflicts=True, matches=get_person)
def close_account(name: NameText) -> Account:
    """Close an account: its sessions end at once, its API tokens open nothing."""
    house, account = services(), _known(name)
    house.catalog.accounts.disable(account.name, known_person().name, house.clock.now())
    return _account(_known(name))


@operations.post("/people/{name}/open", Right.ADMINISTER)
def open_account(name: NameText) -> Account:
    """Open an account again, also one that wrong passwords had closed."""
    house, account = services(), _known(name)
    house.catalog.accounts.enable(account.name, known_person().name, house.clock.now())
    return _account(_known(name))


@operations.post("/people/{name}/password", Right.ADMINISTER, conflicts=True)
def give_password(name: NameText) -> OneTimePassword:
    """Give an account a new password, told once; its sessions end, its API tokens do not."""
    house, account, password = services(), _known(name), passwords.one_time()
    by = known_person().name
    house.catalog.accounts.set_password(account.name, passwords.hashed(password), True, by, house.clock.now())
    return OneTimePassword(name=account.name, password=password)


def _known(name: str) -> Person:
    found = services().catalog.accounts.find(name)
    if found is None:
        raise NotCatalogued(f"there is no account {name}")
    return found


def _account(person: Person) -> Account:
    return Account(
        name=person.name,
        full_name=person.full_name,
        role=person.role,
        realm=person.realm,
        disabled=person.disabled,
        must_change=person.must_change,
        created_at=person.created_at,
    )
