"""Requests and deliveries at the command line."""

import json

from tests.appliance.cli.conftest import House


def test_a_request_is_listed_and_taken_back(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    assert "No request is waiting" in house.ok("requests", "list")
    house.ok("recall", uid)
    assert uid in house.ok("requests", "list")
    (row,) = json.loads(house.ok("requests", "list", "--json"))["requests"]
    assert (row["state"], row["study_instance_uid"], row["requested_by"]) == ("waiting", uid, "command line")
    assert f"Request {row['id']} is taken back." in house.ok("requests", "cancel", str(row["id"]))
    assert "is over" in house.fails(3, "requests", "cancel", str(row["id"]))
    assert "99" in house.fails(4, "requests", "cancel", "99")


def test_a_delivery_is_asked_for_listed_and_taken_back(house: House) -> None:
    peer = '[[peer]]\nae_title = "WS1"\nhost = "127.0.0.1"\n'
    house.config.write_text(f"{house.config.read_text()}\n{peer}")
    uid = house.take_in()
    assert "Nothing is to be sent" in house.ok("deliveries", "list")
    assert "There is no peer WS2" in house.fails(4, "send", uid, "--to", "WS2")
    assert "Delivery 1 to WS1: to be sent" in house.ok("send", uid, "--to", "WS1")
    assert "WS1" in house.ok("deliveries", "list")
    (row,) = json.loads(house.ok("deliveries", "list", "--by", "command line", "--json"))["deliveries"]
    assert (row["state"], row["destination"], row["tries"]) == ("queued", "WS1", 0)
    assert "did not fail" in house.fails(3, "deliveries", "again", "1")
    assert "is taken back" in house.ok("deliveries", "cancel", "1")
    assert "is over" in house.fails(3, "deliveries", "cancel", "1")
