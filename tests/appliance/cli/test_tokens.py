"""API tokens from the command line."""

import re

from tests.appliance.cli.conftest import House


def test_tokens_are_made_listed_and_taken_back(house: House) -> None:
    assert "firn tokens add" in house.ok("tokens", "list")
    house.ok("users", "add", "boss", "--role", "administrator")
    told = house.ok(
        "tokens", "add", "boss", "nightly [b]report", "--scope", "look", "--scope", "metrics", "--days", "9"
    )
    made = re.search(r"^firn_[\w-]{43}$", told, re.MULTILINE)
    assert made
    (row,) = house.json("tokens", "list", "--owner", "boss", "--json")["tokens"]
    assert (row["scopes"], row["state"], row["used_at"]) == (["look", "metrics"], "live", None)
    assert made[0].endswith(row["ends_in"]) and made[0] not in house.ok("tokens", "list")
    assert "nightly" in house.ok("tokens", "revoke", str(row["id"]))
    assert house.json("tokens", "list", "--json")["tokens"][0]["state"] == "revoked"


def test_what_cannot_be_done_with_a_token_is_said(house: House) -> None:
    house.ok("users", "add", "anna", "--role", "staff")
    assert "no account" in house.fails(3, "tokens", "add", "nobody", "x", "--scope", "look")
    assert "no right to rules" in house.fails(3, "tokens", "add", "anna", "x", "--scope", "rules")
    assert "tokens list" in house.fails(4, "tokens", "revoke", "77")
    house.fails(2, "tokens", "add", "anna", "x")
