"""What people do with cartridges: label, look at, bring in, take out, move, take out of use."""

import io
import json
from contextlib import closing
from pathlib import Path

import pytest

from drivers.base import Barcode
from drivers.clock import VirtualClock
from drivers.simulator import Hands, SimulatedLibrary
from tests.appliance.cli.conftest import House
from tests.support.world import START


def write_foreign(house: House, barcode: str) -> None:
    """Put data of somebody else on a tape, in the library, and put it back into its slot."""
    with closing(SimulatedLibrary(house.library, VirtualClock(START))) as library:
        place = library.changer.inventory().find(Barcode(barcode))
        assert place is not None
        library.changer.load(place.index, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        drive.append(io.BytesIO(b"a tar of another house" * 100))
        drive.flush()
        drive.unload()
        library.changer.unload(0, place.index)


def place(house: House, barcode: str) -> str:
    """Where the robot says that a volume is: "slot 3"."""
    (found,) = [e for e in house.json("library", "inventory")["elements"] if e["volume"] == barcode]
    return f"{found['kind']} {found['index']}"


def record(house: House, barcode: str) -> dict[str, object]:
    volume: dict[str, object] = house.json("volumes", "show", barcode)["volume"]
    return volume


@pytest.fixture
def seen(house: House) -> House:
    """An archive whose library was looked into."""
    house.ok("library", "inventory")
    return house


def test_one_command_labels_every_blank_and_refuses_what_holds_data(seen: House) -> None:
    write_foreign(seen, "A00002L8")
    result = seen.run("volumes", "label", "--all-blank", "--wait")
    assert result.exit_code == 1
    assert "A00002L8 is not labelled" in result.stderr
    assert "not ours" in result.stderr
    states = {v["barcode"]: v["state"] for v in seen.json("volumes", "list")["volumes"]}
    assert states.pop("A00002L8") == "suspect"
    assert set(states.values()) == {"labelled"}
    again = seen.run("volumes", "label", "--all-blank", "--wait")
    assert again.exit_code == 0
    assert "A00002L8 is not labelled: it is suspect" in " ".join(again.stderr.split())


def test_labelling_says_for_each_volume_why_not(seen: House) -> None:
    seen.ok("volumes", "label", "A00001L8", "--wait")
    document = json.loads(seen.run("volumes", "label", "A00001L8", "A00003L8", "--wait", "--json").stdout)
    assert [job["volume"] for job in document["jobs"]] == ["A00003L8"]
    assert [row["volume"] for row in document["refused"]] == ["A00001L8"]
    assert "only a blank" in document["refused"][0]["reason"]
    assert seen.run("volumes", "label").exit_code == 2
    assert seen.run("volumes", "label", "A00002L8", "--all-blank").exit_code == 2


def test_a_blank_no_pool_names_is_not_labelled(seen: House) -> None:
    seen.ok("library", "buy", "X00001L8", "--library", "tape", "--bytes", "20000000")
    seen.ok("library", "insert", "X00001L8")
    seen.ok("library", "inventory")
    result = seen.run("volumes", "label", "--all-blank")
    assert "X00001L8 is not labelled: no volume pool" in " ".join(result.stderr.split())
    assert "choose one with --pool" in seen.fails(3, "volumes", "label", "X00001L8")


def test_a_scan_says_what_a_medium_is_and_writes_nothing(seen: House) -> None:
    write_foreign(seen, "A00002L8")
    seen.ok("volumes", "label", "A00001L8", "--wait")
    before = (seen.library / "volumes" / "A00002L8" / "data").read_bytes()
    result = seen.run("volumes", "scan", "A00001L8", "A00002L8", "A00003L8", "--wait", "--json")
    assert result.exit_code == 1
    found = {row["volume"]: row for row in json.loads(result.stdout)["found"]}
    assert {v: (row["kind"], row["agrees"]) for v, row in found.items()} == {
        "A00001L8": ("labelled", True),
        "A00002L8": ("foreign", False),
        "A00003L8": ("blank", True),
    }
    assert (seen.library / "volumes" / "A00002L8" / "data").read_bytes() == before
    assert record(seen, "A00002L8")["state"] == "blank"
    assert "not ours" in seen.run("volumes", "scan", "A00002L8", "--wait").stdout


def test_a_scan_of_a_filled_tape_proves_its_end_and_notices_what_the_catalog_does_not_know(house: House) -> None:
    house.take_in()
    house.ok("tick", "--wait")
    assert "as the catalog says" in house.ok("volumes", "scan", "A00001L8", "--wait")
    for path in house.root.glob("catalog.db*"):
        path.unlink()
    house.ok("pool", "init")
    house.ok("library", "inventory")
    result = house.run("volumes", "scan", "A00001L8", "--wait")
    assert result.exit_code == 1
    assert "firn rebuild-catalog --volume A00001L8" in " ".join(result.stdout.split())


def test_an_exported_volume_lies_in_a_mail_slot_until_it_is_taken_and_is_on_the_shelf_at_once(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    exported = house.json("volumes", "export", "A00001L8", "--location", "cabinet 2", "--wait")
    assert exported["offline"] == []  # the copy in the other pool stays
    assert exported["jobs"][0]["mail_slot"] in (9, 10)
    assert place(house, "A00001L8").startswith("mail_slot")
    for _ in range(2):  # looking again does not bring it back
        house.ok("library", "inventory")
        volume = record(house, "A00001L8")
        assert (volume["place"], volume["location"], volume["leaving"]) == ("shelf", "cabinet 2", True)
    Hands(house.library).remove(Barcode("A00001L8"))
    house.ok("library", "inventory")
    assert record(house, "A00001L8")["leaving"] is False
    Hands(house.library).insert(Barcode("A00001L8"))
    house.ok("library", "inventory")
    assert record(house, "A00001L8")["place"] == "library"
    assert house.study(uid)["availability"] == "NEARLINE"


def test_the_only_verified_copy_does_not_leave_without_force(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    house.ok("volumes", "lost", "B00001L8", "--reason", "fell", "--yes")
    assert uid in house.fails(3, "volumes", "export", "A00001L8", "--location", "bank", "--vault")
    said = house.ok("volumes", "export", "A00001L8", "--location", "bank", "--vault", "--force", "--wait")
    assert "1 study is" in said
    assert record(house, "A00001L8")["place"] == "vault"
    assert house.study(uid)["availability"] == "OFFLINE"
    assert "in the vault" in house.fails(5, "recall", uid, "--wait")


def test_a_volume_outside_is_not_exported_and_one_on_its_way_can_be_kept(seen: House) -> None:
    seen.ok("volumes", "export", "A00002L8", "--location", "shelf 1", "--wait")
    assert "set-location" in seen.fails(3, "volumes", "export", "A00002L8", "--location", "shelf 2")
    seen.ok("volumes", "set-location", "A00002L8", "--location", "shelf 2")
    seen.ok("volumes", "import", "A00002L8", "--wait", "--no-scan")
    assert place(seen, "A00002L8").startswith("slot")
    volume = record(seen, "A00002L8")
    assert (volume["place"], volume["location"]) == ("library", "")


def test_full_mail_slots_are_said(seen: House) -> None:
    seen.ok("volumes", "export", "A00001L8", "A00002L8", "--location", "shelf", "--wait")
    assert "no mail slot" in seen.fails(1, "volumes", "export", "A00003L8", "--location", "shelf", "--wait")
    assert record(seen, "A00003L8")["place"] == "library"


def test_what_lies_in_mail_slots_is_brought_in_and_looked_at(seen: House) -> None:
    seen.ok("library", "buy", "X00001L8", "--library", "tape", "--bytes", "20000000")
    seen.ok("library", "buy", "CLN001L8", "--library", "tape", "--medium", "CLN")
    seen.ok("library", "insert", "X00001L8")
    seen.ok("library", "insert", "CLN001L8")
    document = seen.json("volumes", "import", "--wait")
    assert document["imported"] == ["X00001L8", "CLN001L8"]
    assert [(row["volume"], row["kind"]) for row in document["found"]] == [("X00001L8", "blank")]
    assert place(seen, "X00001L8") == "slot 7"
    assert "in no mail slot" in seen.ok("volumes", "import", "A00001L8", "--wait")


def test_slots_that_are_full_leave_volumes_in_the_mail_slot(seen: House) -> None:
    for number in (1, 2, 3):
        seen.ok("library", "buy", f"X0000{number}L8", "--library", "tape", "--bytes", "20000000")
    for number in (1, 2):
        seen.ok("library", "insert", f"X0000{number}L8")
    seen.ok("volumes", "import", "--wait", "--no-scan")
    seen.ok("library", "insert", "X00003L8")
    document = seen.json("volumes", "import", "--wait", "--no-scan")
    assert document["imported"] == []
    assert "no slot is free" in document["left"][0]


def test_a_volume_is_moved_to_a_free_slot_only(seen: House) -> None:
    seen.ok("volumes", "move", "A00001L8", "--to", "8", "--wait")
    assert place(seen, "A00001L8") == "slot 8"
    seen.ok("volumes", "move", "A00001L8", "--to", "8", "--wait")  # it is there
    assert "holds A00002L8" in seen.fails(1, "volumes", "move", "A00001L8", "--to", "2", "--wait")
    assert "slots 1 to 10" in seen.fails(1, "volumes", "move", "A00001L8", "--to", "99", "--wait")
    seen.ok("volumes", "set-location", "A00002L8", "--location", "desk", "--vault")
    assert "no robot reaches it" in seen.fails(3, "volumes", "move", "A00002L8", "--to", "7")


def test_without_wait_things_are_only_asked_for(seen: House) -> None:
    assert "Job" in seen.ok("volumes", "move", "A00001L8", "--to", "8")
    assert "Job" in seen.ok("volumes", "scan", "A00002L8")
    assert "Job" in seen.ok("volumes", "export", "A00003L8", "--location", "shelf")
    assert "Job" in seen.ok("volumes", "import")
    assert {job["state"] for job in seen.json("jobs")["jobs"]} == {"queued"}
    seen.ok("volumes", "move", "A00001L8", "--to", "8", "--wait")  # joins the job that waits
    assert place(seen, "A00001L8") == "slot 8"


@pytest.mark.parametrize(
    ("barcode", "arguments", "words"),
    [
        ("B00001L8", ("close",), "is blank"),
        ("A00001L8", ("clear",), "is filling"),
        ("A00001L8", ("retire", "--reason", "old", "--yes"), "is filling"),
        ("A00002L8", ("retire", "--reason", "old", "--yes"), "is retired"),
        ("A00002L8", ("lost", "--reason", "old", "--yes"), "is retired"),
    ],
)
def test_a_decision_the_state_does_not_allow_says_which_states_do(
    shared: House, barcode: str, arguments: tuple[str, ...], words: str
) -> None:
    said = shared.fails(3, "volumes", arguments[0], barcode, *arguments[1:])
    assert words in said
    assert "What can be" in said


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One archive for questions that change nothing: A1 filling, A2 retired, B1 blank."""
    from tests.appliance.cli.conftest import build_house

    house = build_house(Path(tmp_path_factory.mktemp("shared")))
    house.publish('rule "one":\n    copy to tape_a\n    keep online\n')
    house.take_in()
    house.ok("tick", "--wait")
    house.ok("volumes", "retire", "A00002L8", "--reason", "creased", "--yes")
    return house


def test_a_suspect_tape_is_retired_when_nothing_on_it_is_wanted(seen: House) -> None:
    write_foreign(seen, "A00002L8")
    seen.run("volumes", "label", "A00002L8", "--wait")
    assert "no label of ours" in seen.fails(3, "volumes", "clear", "A00002L8")
    seen.ok("volumes", "retire", "A00002L8", "--reason", "of another house", "--yes")
    seen.take_in()
    seen.ok("tick", "--wait")
    seen.ok("volumes", "doubt", "A00001L8", "--reason", "creased")
    assert "still holds 1 copies" in seen.fails(3, "volumes", "retire", "A00001L8", "--reason", "x", "--yes")
