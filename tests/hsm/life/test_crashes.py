"""The plug is pulled at every step of a study's life; nothing acknowledged is lost and nothing goes without proof."""

import io
import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from hsm.states import Availability, OnlineState
from tests.support.crashing import count_steps, crash_at, pulled_at
from tests.support.studies import encode, small_ct
from tests.support.world import START, World

STUDY = small_ct(slices=2)
FILES = {str(i.SOPInstanceUID): encode(i) for i in STUDY.instances}
ROUNDS = 15


def live(root: Path) -> None:
    """Reception, migration, verification, release and recall; what was acknowledged is noted outside of the archive."""
    root.mkdir(exist_ok=True)
    world = World(root)
    acknowledged = os.open(root / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for uid, content in FILES.items():
        if world.archive.receive_file(io.BytesIO(content), "CT1").kept:
            os.write(acknowledged, f"{uid}\n".encode())
    settle(world)
    world.recall(STUDY.study_uid)
    world.close()


def settle(world: World) -> None:
    """Let the archive work until the study left the disk, or for as long as it may take after a failure."""
    for _ in range(ROUNDS):
        world.settle(1)
        if world.availability(STUDY.study_uid) is Availability.NEARLINE:
            return


def check(root: Path) -> None:
    """Start again after the crash and hold the archive to its promises."""
    noted = root / "acknowledged"
    acknowledged = set(noted.read_text().split()) if noted.exists() else set()
    world = World(root, clock=VirtualClock(START + timedelta(days=1)))
    stored = {str(i.sop_instance_uid): i for i in world.catalog.studies.instances(STUDY.study_uid)}
    assert acknowledged <= stored.keys(), "an acknowledged instance is gone"
    for instance in stored.values():
        assert instance.online_state is not OnlineState.RELEASING
        if instance.online_state is OnlineState.RELEASED:
            assert len(world.verified_volumes(STUDY.study_uid)) >= 2, "released without proof"
    for content in FILES.values():  # the sender tries again, as it must when it got no answer
        assert world.archive.receive_file(io.BytesIO(content), "CT1").kept
    settle(world)
    assert world.availability(STUDY.study_uid) is Availability.NEARLINE, "work does not go on"
    assert len(world.verified_volumes(STUDY.study_uid)) >= 2
    world.recall(STUDY.study_uid)
    assert world.online_bytes(STUDY.study_uid) == FILES
    swept = world.pool.sweep(world.catalog.intake.known, datetime.now(UTC) + timedelta(hours=1))
    assert {file.path.split("/")[-1].split(".dcm")[0].rsplit(".", 1)[0] for file in swept.orphans} <= FILES.keys()
    assert not list((root / "online" / ".incoming").iterdir())
    world.close()


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is compiled once here, the children need not compile again."""
    folder = tmp_path_factory.mktemp("warm")
    live(folder)
    check(folder)


pytestmark = pytest.mark.timeout(900)  # many lives in one test
PORTIONS = int(os.environ.get("CRASH_PORTIONS", "8"))  # 1: every place in one test


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_a_crash_at_any_step_loses_nothing_and_work_goes_on(tmp_path: Path, portion: int) -> None:
    root, left = tmp_path / "life", tmp_path / "left"
    root.mkdir()
    left.mkdir()
    steps = pulled_at(lambda: live(root), root, left, lambda step: step % PORTIONS == portion)
    assert len(steps) > 100 // PORTIONS
    for step in steps:
        shutil.rmtree(root)
        (left / str(step)).rename(root)  # under the name it had: paths are kept in it
        check(root)


def test_several_crashes_in_a_row_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(20240101)
    visits = count_steps(lambda: live(tmp_path / "whole"), every=True)
    for number in range(3):
        root = tmp_path / str(number)
        root.mkdir()
        for _ in range(4):
            crash_at(lambda root=root: live(root), chance.randint(1, visits), every=True)  # type: ignore[misc]
        check(root)
