"""Notifications, from the command line."""

import json

from tests.appliance.cli.conftest import House


def test_targets_and_rules_are_made_listed_tried_and_removed(house: House) -> None:
    assert "no address of mail" in house.fails(3, "notify", "target", "Ops", "mail", "nobody")
    house.ok("notify", "target", "Ops", "mail", "ops@example.org")
    assert "target that there is" in house.fails(3, "notify", "rule", "Nobody")
    house.ok("notify", "rule", "Ops", "--level", "error", "--events", "drive_*", "--subject", "TD*", "--when", "night")
    told = json.loads(house.ok("notify", "list", "--json"))
    assert told["rules"][0]["calendar"] == "night" and told["outbox"] == []
    assert "drive_*" in house.ok("notify", "list")
    assert "smtp_host" in house.fails(1, "notify", "test", "Ops")
    house.ok("notify", "remove-rule", "1")
    house.ok("notify", "remove", "Ops")
    for words in (("remove-rule", "1"), ("remove", "Ops"), ("test", "Ops")):
        house.fails(4, "notify", *words)
    house.ok("users", "add", "anna", "--role", "staff")
    assert "anna@example.org" in house.ok("users", "mail", "anna", "anna@example.org")
    assert "no address of mail" in house.fails(3, "users", "mail", "anna", "x")
