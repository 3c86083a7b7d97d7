"""Who may sign in, from the command line."""

import re

from appliance.build import open_catalog
from appliance.config import load
from hsm.access.people import Person
from tests.appliance.cli.conftest import House
from web.access import passwords

PASSWORD = re.compile(r"signs in with ((?:[a-z0-9]{4}-){3}[a-z0-9]{4})")


def account(house: House, name: str) -> Person:
    with open_catalog(load(house.config, {}), create=False) as catalog:
        found = catalog.accounts.find(name)
    assert found is not None
    return found


def test_accounts_are_made_changed_closed_and_opened_again(house: House) -> None:
    assert "Nobody can sign in yet" in house.ok("users", "list")
    told = PASSWORD.search(house.ok("users", "add", "Boss", "--role", "administrator"))
    house.ok("users", "add", "anna", "--role", "staff", "--full-name", "Anna A.")
    assert told and passwords.fits(account(house, "boss").password_hash, told[1])
    again = PASSWORD.search(house.ok("users", "password", "boss"))
    assert again and passwords.fits(account(house, "boss").password_hash, again[1])
    assert "viewer" in house.ok("users", "role", "anna", "viewer")
    house.ok("users", "close", "anna")
    assert account(house, "anna").disabled
    assert re.search(r"anna\s+Anna A\.\s+viewer\s+closed", house.ok("users", "list"))
    house.ok("users", "open", "anna")
    assert not account(house, "anna").disabled


def test_what_cannot_be_done_with_an_account_is_said(house: House) -> None:
    house.ok("users", "add", "boss", "--role", "administrator")
    assert "already" in house.fails(3, "users", "add", "boss", "--role", "staff")
    assert "no name to sign in with" in house.fails(3, "users", "add", "a b", "--role", "staff")
    assert "only administrator" in house.fails(3, "users", "close", "boss")
    assert "only administrator" in house.fails(3, "users", "role", "boss", "staff")
    assert "users list" in house.fails(4, "users", "open", "nobody")
    house.fails(2, "users", "add", "x", "--role", "king")
