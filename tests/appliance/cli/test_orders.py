"""Orders on the command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.build import open_catalog
from appliance.cli.failures import ExitStatus
from appliance.config import load
from hsm.orders.hl7_answer import take
from tests.appliance.cli.conftest import House
from tests.hsm.orders.messages import orm
from tests.support.studies import small_ct


def test_an_order_is_placed_listed_and_taken_back(house: House, tmp_path: Path) -> None:
    assert "No appointment" in house.ok("orders", "list")
    house.take_in(small_ct("prior"))
    patient = str(small_ct("prior").instances[0].PatientID)
    at = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    house.fails(ExitStatus.USAGE, "orders", "add", patient, "c-t", at)
    assert "Order 1 is placed" in house.ok("orders", "add", patient, "ct", at, "--body-part", "chest")
    assert "CT CHEST" in house.ok("orders", "list", "--days", "2")
    assert "No prior is wanted" in house.ok("orders", "prefetch")
    rules = tmp_path / "rules"
    rules.write_text('rule "p":\n prefetch the last 1 prior of the same modality 2 hours before the appointment\n')
    told = house.ok("orders", "prefetch", "--rules", str(rules))
    assert "is on disk and is kept" in told and "1 priors are wanted, 1 of them are asked for now" in told
    house.ok("orders", "cancel", "1", "--reason", "by mistake")
    assert "No appointment" in house.ok("orders", "list")
    assert "cancelled" in house.ok("orders", "list", "--all")


def test_messages_in_quarantine_are_read_and_settled(house: House) -> None:
    assert "No message waits" in house.ok("orders", "quarantine", "list")
    with open_catalog(load(house.config, {}), create=False) as catalog:
        take(orm(doing="QQ"), "192.0.2.7", catalog, UTC, datetime.now(UTC))
    assert "order control QQ" in " ".join(house.ok("orders", "quarantine", "list").split())
    assert "ORC|QQ" in house.ok("orders", "quarantine", "show", "1")
    house.ok("orders", "quarantine", "settle", "1")
    house.fails(ExitStatus.NOT_FOUND, "orders", "quarantine", "settle", "1")
