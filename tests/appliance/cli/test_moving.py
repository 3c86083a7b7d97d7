"""Studies go down and come back, at the command line alone, with no engine running."""

from datetime import UTC, datetime

from drivers.base import Barcode
from drivers.simulator import Hands
from hsm.catalog import Catalog
from tests.appliance.cli.conftest import House
from tests.support.studies import mr_study, small_ct, tiny_instance, write_files


def test_a_study_goes_down_is_verified_leaves_the_disk_and_comes_back(house: House) -> None:
    uid = house.take_in()
    assert house.study(uid)["availability"] == "ONLINE"

    house.ok("tick", "--wait")

    row = house.study(uid)
    assert row["availability"] == "NEARLINE"
    assert {(copy["kind"], copy["state"]) for copy in row["copies"]} == {("tape", "verified")}
    assert len({copy["volume"] for copy in row["copies"]}) == 2
    assert not list((house.root / "online").rglob("*.dcm"))

    assert "ONLINE" in house.ok("recall", uid, "--wait")
    assert house.study(uid)["availability"] == "ONLINE"
    assert len(list((house.root / "online").rglob("*.dcm"))) == 3

    assert "NEARLINE" in house.ok("release", uid, "--wait")
    assert house.study(uid)["availability"] == "NEARLINE"


def test_one_series_comes_back_without_the_rest(house: House) -> None:
    sample = mr_study("two series", slices=2, size_px=16)
    uid = house.take_in(sample)
    house.ok("tick", "--wait")
    house.ok("recall", uid, "--series", str(sample.instances[0].SeriesInstanceUID), "--wait")
    back = {path.parent.name for path in (house.root / "online").rglob("*.dcm")}
    assert back == {str(sample.instances[0].SeriesInstanceUID)}
    assert house.study(uid)["availability"] == "NEARLINE"


def test_a_tick_without_wait_only_queues(house: House) -> None:
    house.take_in()
    report = house.json("tick")
    assert (report["planned"], report["new_jobs"]) == ({"copies": 2, "verifies": 0, "releases": 0}, 2)
    assert [job["kind"] for job in report["jobs"]] == ["migrate", "migrate"]
    assert len(house.json("jobs")["jobs"]) == 2
    assert house.json("tick")["new_jobs"] == 0


def test_importing_again_is_harmless_and_what_is_no_dicom_is_named(house: House) -> None:
    house.take_in()
    (house.root / "inbox" / "notes.txt").write_text("not an image")
    result = house.run("import", str(house.root / "inbox"), "--json")
    assert result.exit_code == 1
    assert '"already_stored": 3' in result.stdout
    assert "notes.txt" in result.stdout


def test_a_release_without_proof_is_refused_with_its_reason(house: House) -> None:
    uid = house.take_in()
    assert "stays online" in house.fails(3, "release", uid)
    house.ok("tick", "--wait")
    house.ok("recall", uid, "--wait")
    house.ok("hold", "place", uid, "--reason", "court case")
    assert "court case" in house.fails(3, "release", uid, "--wait")
    assert "until 2" in house.ok("hold", "change", "1", "--reason", "appeal", "--days", "3")
    assert "until it is lifted" in house.ok("hold", "change", "1", "--no-end")
    house.fails(2, "hold", "change", "1", "--no-end", "--days", "1")
    house.ok("hold", "lift", "1", "--reason", "settled")
    house.fails(3, "hold", "change", "1", "--reason", "late")
    assert house.json("hold", "list", "--all")["holds"][0]["lift_reason"] == "settled"
    assert "stays online" in house.fails(3, "release", uid, "--copies", "3")
    assert "stays online" in house.fails(3, "release", uid, "--kinds", "2")
    house.ok("release", uid, "--wait")


def test_a_verification_notices_damage_and_says_where(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    assert "all digests agree" in house.ok("verify", uid, "--wait")
    volume = house.study(uid)["copies"][0]["volume"]
    end_bytes = (house.library / "volumes" / volume / "data").stat().st_size
    house.ok("library", "damage", volume, "--at-bytes", str(end_bytes - 15_000))
    assert volume in house.fails(1, "verify", volume, "--wait")
    states = {copy["volume"]: copy["state"] for copy in house.study(uid)["copies"]}
    assert states[volume] == "suspect"


def test_a_volume_on_the_shelf_makes_a_recall_wait_for_a_person(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    for copy in house.study(uid)["copies"]:
        house.ok("library", "remove", copy["volume"], "--location", "vault 3")
    assert house.study(uid)["availability"] == "OFFLINE"
    assert house.json("volumes", "show", "A00001L8")["volume"]["location"] == "vault 3"
    said = house.fails(5, "recall", uid, "--wait")
    assert "person" in said

    volume = house.study(uid)["copies"][0]["volume"]
    house.ok("library", "insert", volume)
    assert Barcode(volume) not in Hands(house.library).shelf()
    house.ok("recall", uid, "--wait")
    assert house.study(uid)["availability"] == "ONLINE"


def test_waiting_for_an_engine_that_does_nothing_ends_at_the_limit(house: House) -> None:
    uid = house.take_in()
    house.ok("tick")
    catalog = Catalog.open(f"sqlite:///{house.root}/catalog.db")
    try:
        assert catalog.leases.take("engine", "somebody else", datetime.now(UTC), 60)
    finally:
        catalog.close()
    assert "Not done after 0 s" in house.fails(5, "tick", "--wait", "--limit-s", "0")
    assert house.json("status")["engine"]["holder"] == "somebody else"
    assert house.study(uid)["copies"] == []


def test_explain_says_why_and_what_next(house: House) -> None:
    uid = house.take_in()
    lines = house.json("explain", uid)["lines"]
    assert any("tape_a" in line for line in lines)
    assert "ONLINE" in house.ok("explain", uid)


def test_new_instances_of_a_study_on_tape_go_down_as_well(house: House) -> None:
    first, second = tiny_instance("grows", 1), tiny_instance("grows", 2)
    write_files(house.root / "one", [first])
    write_files(house.root / "two", [second])
    house.ok("import", str(house.root / "one"))
    house.ok("tick", "--wait")
    house.ok("import", str(house.root / "two"))
    uid = str(first.StudyInstanceUID)
    assert house.study(uid)["instances"] == 2
    house.ok("tick", "--wait")
    row = house.study(uid)
    assert row["availability"] == "NEARLINE"
    assert {copy["state"] for copy in row["copies"]} == {"verified"}


def test_the_catalog_is_rebuilt_from_the_tapes(house: House) -> None:
    uid = house.take_in(small_ct("rebuild"))
    house.ok("tick", "--wait")
    before = house.study(uid)
    for path in house.root.glob("catalog.db*"):
        path.unlink()
    assert "no catalog" in house.fails(4, "studies")
    report = house.json("rebuild-catalog")
    assert report["studies"] == 1
    assert report["faults"] == []
    after = house.study(uid)
    assert (after["instances"], after["availability"]) == (before["instances"], "NEARLINE")
    assert {copy["volume"] for copy in after["copies"]} == {copy["volume"] for copy in before["copies"]}


def test_rules_that_release_many_more_studies_ask_for_the_number(house: House) -> None:
    house.publish('rule "copies":\n    copy to tape_a, tape_b\n')
    house.take_in()
    house.ok("tick", "--wait")
    config = house.config.read_text()
    house.config.write_text(config + "\n[policy]\nconfirm_releases = 1\n")
    path = house.root / "sooner.policy"
    path.write_text('rule "copies":\n    copy to tape_a, tape_b\nrule "go":\n    release after 2 verified copies\n')
    assert "--confirm 1" in house.fails(3, "policy", "apply", str(path))
    house.ok("policy", "apply", str(path), "--confirm", "1")
