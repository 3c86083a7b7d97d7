"""What a person fetches: new blanks are named, and the pick list says what is wanted, from where and for whom."""

from appliance.cli.failures import ExitStatus
from tests.appliance.cli.conftest import House


def test_a_named_blank_lies_on_its_shelf(house: House) -> None:
    said = house.ok("volumes", "add", "A00007L8", "A00008L8", "--pool", "tape_a", "--location", "drawer 2")
    assert "2 blank volumes for tape_a at drawer 2: A00007L8, A00008L8." in said
    row = house.json("volumes", "show", "A00007L8")["volume"]
    assert (row["state"], row["place"], row["location"], row["library"]) == ("blank", "shelf", "drawer 2", "tape")


def test_a_name_that_no_pool_takes_or_that_is_taken_adds_nothing(house: House) -> None:
    said = house.fails(ExitStatus.REFUSED, "volumes", "add", "A00009L8", "X00001L8", "--pool", "tape_a")
    assert "X00001L8 fits none of these; no volume was added" in said
    assert "nowhere" in house.fails(ExitStatus.NOT_FOUND, "volumes", "add", "A00009L8", "--pool", "nowhere")
    house.ok("volumes", "add", "A00007L8", "--pool", "tape_a")
    said = house.fails(ExitStatus.REFUSED, "volumes", "add", "A00009L8", "A00007L8", "--pool", "tape_a")
    assert "the catalog knows A00007L8 already: no volume was added" in said
    assert house.run("volumes", "show", "A00009L8").exit_code == ExitStatus.NOT_FOUND


def test_the_pick_list_names_volume_shelf_and_who_waits(house: House) -> None:
    assert "No volume has to be fetched." in house.ok("volumes", "wanted")
    uid = house.take_in()
    house.ok("tick", "--wait")
    volumes = [row["volume"] for row in house.study(uid)["copies"]]
    for volume in volumes:
        house.ok("library", "remove", volume, "--location", "vault 3")
    house.run("recall", uid, "--wait", "--limit-s", "30")
    house.ok("recall", uid)
    (line,) = house.json("volumes", "wanted")["wanted"]
    assert line["volume"] in volumes
    assert (line["location"], line["studies"], line["wanted_by"]) == ("vault 3", 1, ["command line"])
    assert f"needs {line['volume']}, which is on the shelf (vault 3)" in line["reason"]
    said = house.ok("volumes", "wanted")
    assert line["volume"] in said and "vault 3" in said
    (job,) = house.json("jobs", "--waiting")["jobs"]
    assert (job["state"], job["wanted_by"]) == ("waiting_operator", ["command line"])
    assert "wanted by command line" in house.ok("jobs", "--waiting")
