"""Peers, from the command line."""

import json

from tests.appliance.cli.conftest import House


def test_peers_are_added_changed_listed_and_removed(house: House) -> None:
    house.ok("peers", "add", "WS1", "192.0.2.9", "104", "--right", "query", "--right", "receive", "--patience", "60")
    assert "already" in house.fails(3, "peers", "add", "WS1", "192.0.2.9", "104")
    house.ok("peers", "change", "WS1", "--host", "127.0.0.1", "--port", "1", "--patience", "")
    row = next(r for r in json.loads(house.ok("peers", "list", "--json"))["peers"] if r["ae_title"] == "WS1")
    assert (row["host"], row["port"], row["patience_s"], row["rights"]) == ("127.0.0.1", 1, None, ["query", "receive"])
    more = ("--commit", "two_sites", "--tls", "--recalls-per-day", "3", "--address", "192.0.2.9", "--address", "::1")
    house.ok("peers", "change", "WS1", *more)
    house.ok("peers", "change", "WS1", "--no-tls")
    row = next(r for r in json.loads(house.ok("peers", "list", "--json"))["peers"] if r["ae_title"] == "WS1")
    assert (row["commit"], row["tls"], row["recalls_per_day"], row["addresses"]) == (
        "two_sites", False, 3, ["192.0.2.9", "::1"],
    )  # fmt: skip
    assert "cannot be reached" in house.fails(1, "peers", "check", "WS1")
    assert "cannot be reached" in house.ok("peers", "list")
    house.ok("peers", "remove", "WS1")
    assert "no peer" in house.fails(4, "peers", "remove", "WS1")
