"""A volume is emptied at the command line, looked at on the way, and given free."""

import pytest

from tests.appliance.cli.conftest import House


@pytest.fixture
def filled(house: House) -> House:
    """One study on one tape, and on disk."""
    house.publish('rule "one":\n    copy to tape_a\n    keep online\n')
    house.take_in()
    house.ok("tick", "--wait")
    return house


def test_a_volume_is_emptied_shown_and_given_free(filled: House) -> None:
    forecast = filled.json("volumes", "repack", "A00001L8", "--dry-run")["forecast"]
    assert [pack["source"] for pack in forecast["packs"]] == ["online pool"]
    assert "About" in filled.ok("volumes", "repack", "A00001L8", "--dry-run")
    assert "Only a drained volume" in filled.fails(3, "volumes", "erase", "A00001L8", "--yes")
    said = filled.json("volumes", "repack", "A00001L8", "--reason", "worn")
    assert (said["state"], said["repack"]["state"], said["repack"]["left"]) == ("repacking", "running", 1)
    assert "is being copied" in filled.ok("volumes", "show", "A00001L8")
    assert "is paused" in filled.ok("volumes", "repack", "A00001L8", "--pause")
    filled.ok("volumes", "repack", "A00001L8", "--resume", "--wait")
    shown = filled.json("volumes", "show", "A00001L8")
    assert (shown["volume"]["state"], shown["repack"]["state"]) == ("drained", "done")
    assert {copy["state"] for copy in shown["copies"]} == {"superseded"}
    assert "It was repacked" in filled.ok("volumes", "show", "A00001L8")
    wrong = filled.run("volumes", "erase", "A00001L8", input="A00009L8\n")
    assert (wrong.exit_code, "differ" in wrong.stderr) == (3, True)
    assert filled.run("volumes", "erase", "A00001L8", input="A00001L8\n").exit_code == 0
    assert filled.json("volumes", "show", "A00001L8")["volume"]["state"] == "scratch"
    filled.ok("volumes", "label", "A00001L8", "--wait")
    assert filled.json("volumes", "show", "A00001L8")["volume"]["state"] == "labelled"


def test_a_repack_is_given_up(filled: House) -> None:
    filled.ok("volumes", "repack", "A00001L8", "--reason", "worn")
    assert "given up" in filled.ok("volumes", "repack", "A00001L8", "--cancel")
    assert filled.json("volumes", "show", "A00001L8")["volume"]["state"] == "filling"
    assert "not being repacked" in filled.fails(4, "volumes", "repack", "A00001L8", "--pause")


def test_what_cannot_be_repacked_says_why(filled: House) -> None:
    assert "What can be repacked is" in filled.fails(3, "volumes", "repack", "B00001L8", "--reason", "x")
    filled.fails(2, "volumes", "repack", "A00001L8")
    filled.fails(2, "volumes", "repack", "A00001L8", "--pause", "--resume")
    filled.fails(4, "volumes", "repack", "X1", "--dry-run")


def test_a_volume_whose_only_copies_cannot_be_written_elsewhere_is_waited_for_in_vain(filled: House) -> None:
    for barcode in [v["barcode"] for v in filled.json("volumes", "list")["volumes"] if v["state"] == "blank"]:
        filled.ok("volumes", "retire", barcode, "--reason", "none left", "--yes")
    said = filled.fails(5, "volumes", "repack", "A00001L8", "--reason", "worn", "--wait")
    assert "not drained yet" in said
    assert "blank" in said
