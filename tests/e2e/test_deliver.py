"""What is to be sent to a workstation outlives a killed node and a workstation that was switched off."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Settled
from tests.e2e.house import wait_until
from tests.e2e.wire import all_seen, availability, workstation

pytestmark = [pytest.mark.peer, pytest.mark.crash]


def test_a_study_on_tape_reaches_a_workstation_that_was_off_when_it_was_asked_for(
    moved_in: Callable[[], Settled], tmp_path: Path
) -> None:
    archive = moved_in()
    house, study = archive.house, min(archive.studies)
    given = {uid: one for uid, one in archive.wired.items() if one.study == study}
    house.start("pacs", "engine")
    assert availability(house, study) == "NEARLINE"
    assert "waits for its recall" in house.firn("send", study, "--to", "WORKSTATION")

    def delivery() -> dict[str, object]:
        (found,) = house.json("deliveries", "list", "--all")["deliveries"]
        return dict(found)

    wait_until(lambda: "cannot be reached" in str(delivery()["message"]), "it is brought back, and its sending fails")
    house.running.pop("pacs").kill()
    assert delivery()["state"] in ("queued", "sending")
    with workstation(tmp_path / "workstation", house.peer_port):
        house.start("pacs")
        wait_until(lambda: delivery()["state"] == "done", "it arrives")
    assert all_seen(tmp_path / "workstation") == given
    assert delivery()["sent"] == len(given)
    assert house.json("requests", "list", "--all")["requests"][0]["state"] == "ready"
    house.stop("pacs", "engine")
