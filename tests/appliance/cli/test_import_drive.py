"""`firn import --drive`: a disc of somebody else, from a recorder without a robot."""

from pathlib import Path

import pytest

from appliance.cli.failures import ExitStatus
from drivers import isofs
from drivers.base import Barcode
from drivers.clock import SystemClock
from drivers.simulator import DriveSpec, Hands, LibrarySpec, SimulatedLibrary, VolumeSpec
from tests.appliance.cli.conftest import House
from tests.support.studies import encode, small_ct
from tests.support.world import START

STUDY = small_ct("foreign", slices=2)
DISC = Barcode("F1")


@pytest.fixture
def hands(house: House, tmp_path: Path) -> Hands:
    """A recorder on the desk, and a disc of somebody else beside it."""
    root = house.root / "libraries" / "desk"
    volumes = (VolumeSpec(DISC, "DVD+R", 20_000_000),)
    SimulatedLibrary.create(root, LibrarySpec("desk", (DriveSpec("DVD", "R0"),), 0, 0, volumes, by_hand=True))
    text = house.config.read_text()
    entry = (
        f'\n[[library]]\nname = "desk"\ndriver = "simulator"\npath = "{root}"\noptions = {{ time_scale = 100000 }}\n'
    )
    house.config.write_text(text + entry)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number, instance in enumerate(STUDY.instances):
        (tree / f"IM{number}").write_bytes(encode(instance))
    (tree / "README.TXT").write_text("for viewing only")
    isofs.make_image(tree, "HOSPITAL_7", tmp_path / "disc.iso", START)
    hands = Hands(root)
    with SimulatedLibrary(root, SystemClock()) as library:
        hands.feed(0, DISC)
        (root / "volumes" / DISC / "image").write_bytes((tmp_path / "disc.iso").read_bytes())
        facts = (root / "volumes" / DISC / "volume.json").read_text()
        facts = facts.replace('"state": "blank"', '"state": "complete"')
        size = (tmp_path / "disc.iso").stat().st_size
        (root / "volumes" / DISC / "volume.json").write_text(
            facts.replace('"size_bytes": null', f'"size_bytes": {size}')
        )
        assert library.changer.inventory().drives()[0].full
    return hands


def test_a_foreign_disc_is_taken_in_and_given_back(house: House, hands: Hands) -> None:
    result = house.run("import", "--drive", "desk", "--json")
    assert result.exit_code == ExitStatus.FAILED, "one file is no image"
    assert '"accepted": 2' in result.stdout
    assert "README.TXT" in result.stdout
    assert house.study(STUDY.study_uid)["instances"] == 2
    assert hands.take(0) == DISC
    said = house.fails(ExitStatus.TIMED_OUT, "import", "--drive", "desk/0", "--source", "CD")
    assert "A person is needed" in said


@pytest.mark.usefixtures("hands")
def test_a_drive_is_named_or_files_but_not_both(house: House) -> None:
    assert "Give either" in house.fails(ExitStatus.USAGE, "import")
    assert "Give either" in house.fails(ExitStatus.USAGE, "import", "x", "--drive", "desk")
    assert "number of a drive" in house.fails(ExitStatus.USAGE, "import", "--drive", "desk/first")
    assert "There is no library nowhere" in house.fails(ExitStatus.NOT_FOUND, "import", "--drive", "nowhere")
