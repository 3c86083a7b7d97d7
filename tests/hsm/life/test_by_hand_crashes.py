"""The plug is pulled while a person feeds discs: nothing acknowledged is lost, every disc is known, work goes on."""

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from drivers.simulator import Hands
from hsm.states import Availability, Place, VolumeState
from tests.hsm.life.desk import RECORDER, STUDY, Desk, pools
from tests.support.crashing import count_steps, crash_at
from tests.support.studies import encode
from tests.support.world import START

POLICY = """\
rule "two discs":
    when stable for 10 seconds
    copy to disc, disc_b

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 2 verified copies
"""
FILES = {str(i.SOPInstanceUID): encode(i) for i in STUDY.instances}
CRASHES = int(os.environ.get("BY_HAND_CRASHES", "6"))  # spread over the whole life
ROUNDS = 25

pytestmark = pytest.mark.timeout(600)


def opened(root: Path, clock: VirtualClock | None = None) -> Desk:
    disc = pools(barcodes=("D0000[12]",))["disc"]
    other = pools(name="disc_b", barcodes=("D0000[345]",))["disc"]
    return Desk(root, clock, POLICY, {"disc": disc, "disc_b": other}, named=5)


def obey(desk: Desk) -> None:
    """A person does what the pick list says, once for each line."""
    desk.engine.take_inventory()
    for line in desk.wanted():
        inside = desk.desk.changer.inventory().drives()[RECORDER].full
        if line.barcode is not None and not inside:
            desk.put_in(line.barcode)


def settle(desk: Desk) -> None:
    for _ in range(ROUNDS):
        desk.work()
        obey(desk)
        if desk.availability(STUDY.study_uid) is Availability.OFFLINE:
            return


def bring_back(desk: Desk) -> None:
    request = desk.recall(STUDY.study_uid)
    for _ in range(ROUNDS):
        obey(desk)
        if desk.catalog.recalls.state(request).done:
            return
        desk.work()


def live(root: Path) -> None:
    """Reception, two discs by hand, each verified after it was put in again, release, and back by hand."""
    root.mkdir(exist_ok=True)
    with opened(root) as desk:
        for content in FILES.values():
            assert desk.archive.receive_file(io.BytesIO(content), "CT1").kept
        (root / "acknowledged").touch()
        settle(desk)
        bring_back(desk)


def check(root: Path) -> None:
    """Start again after the crash; the person takes out what is in the drive, if anything is."""
    if (root / "desk" / "library.json").exists() and any(
        place.kind is not None for place in Hands(root / "desk")._places.read().volumes
    ):
        Hands(root / "desk").take(RECORDER)
    with opened(root, VirtualClock(START + timedelta(days=1))) as desk:
        if (root / "acknowledged").exists():
            assert {str(i.sop_instance_uid) for i in desk.catalog.studies.instances(STUDY.study_uid)} == FILES.keys()
        for content in FILES.values():
            assert desk.archive.receive_file(io.BytesIO(content), "CT1").kept
        settle(desk)
        assert desk.availability(STUDY.study_uid) is Availability.OFFLINE, "work does not go on"
        assert len(desk.verified_volumes(STUDY.study_uid)) >= 2
        bring_back(desk)
        assert desk.online_bytes(STUDY.study_uid) == FILES
        for volume in desk.catalog.volumes.list():
            if volume.library == "desk":
                assert (volume.place, volume.location) == (Place.SHELF, "drawer 2")
                assert volume.state in (VolumeState.BLANK, VolumeState.FULL, VolumeState.SUSPECT)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    warm = tmp_path_factory.mktemp("warm")
    live(warm)
    check(warm)
    return count_steps(lambda: live(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("number", range(CRASHES))
def test_a_crash_while_discs_are_fed_loses_nothing(tmp_path: Path, steps: int, number: int) -> None:
    root = tmp_path / "archive"
    root.mkdir()
    crash_at(lambda: live(root), 1 + (2 * number + 1) * steps // (2 * CRASHES))
    check(root)
