"""What is to be sent to a workstation outlives a killed node and a workstation that was switched off."""

from pathlib import Path

import pytest

from tests.e2e.house import House, wait_until
from tests.e2e.wire import all_seen, availability, workstation
from tests.support.studies import small_ct, write_study

pytestmark = [pytest.mark.peer, pytest.mark.crash]


def test_a_study_on_tape_reaches_a_workstation_that_was_off_when_it_was_asked_for(tmp_path: Path) -> None:
    house, study = House(tmp_path / "archive"), small_ct("to be sent")
    house.build()
    try:
        write_study(tmp_path / "inbox", study)
        house.json("import", str(tmp_path / "inbox" / study.study_uid))
        house.start("engine", "pacs")
        wait_until(lambda: availability(house, study.study_uid) == "NEARLINE", "it leaves the disk")
        assert "waits for its recall" in house.firn("send", study.study_uid, "--to", "WORKSTATION")

        def delivery() -> dict[str, object]:
            (found,) = house.json("deliveries", "list", "--all")["deliveries"]
            return dict(found)

        wait_until(lambda: "cannot be reached" in str(delivery()["message"]), "it is back, and its sending fails")
        house.running.pop("pacs").kill()
        assert delivery()["state"] in ("queued", "sending")
        with workstation(tmp_path / "workstation", house.peer_port):
            house.start("pacs")
            wait_until(lambda: delivery()["state"] == "done", "it arrives")
        assert set(all_seen(tmp_path / "workstation")) == {str(one.SOPInstanceUID) for one in study.instances}
        assert delivery()["sent"] == len(study.instances)
        assert house.json("requests", "list", "--all")["requests"][0]["state"] == "ready"
        house.stop("pacs", "engine")
    finally:
        house.close()
