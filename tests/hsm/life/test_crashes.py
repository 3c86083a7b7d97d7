"""The plug is pulled at every step of a study's life; nothing acknowledged is lost and nothing goes without proof."""

import io
import os
import random
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from hsm.states import Availability, OnlineState
from tests.support.crashing import count_steps, crash_at
from tests.support.studies import encode, small_ct
from tests.support.world import START, World

STUDY = small_ct(slices=2)
FILES = {str(i.SOPInstanceUID): encode(i) for i in STUDY.instances}
ROUNDS = 8


def live(root: Path) -> None:
    """Reception, migration, verification, release and recall; what was acknowledged is noted outside of the archive."""
    world = World(root)
    acknowledged = os.open(root / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for uid, content in FILES.items():
        if world.archive.receive_file(io.BytesIO(content), "CT1").kept:
            os.write(acknowledged, f"{uid}\n".encode())
    world.settle(ROUNDS)
    world.recall(STUDY.study_uid)
    world.close()


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
    world.settle(ROUNDS + 4)
    assert world.availability(STUDY.study_uid) is Availability.NEARLINE, "work does not go on"
    assert len(world.verified_volumes(STUDY.study_uid)) >= 2
    world.recall(STUDY.study_uid)
    assert world.online_bytes(STUDY.study_uid) == FILES
    assert not list((root / "online" / ".incoming").iterdir()) or not acknowledged
    world.close()


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    return count_steps(lambda: live(tmp_path_factory.mktemp("whole")))


PORTIONS = 16


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_a_crash_at_any_step_loses_nothing_and_work_goes_on(tmp_path: Path, steps: int, portion: int) -> None:
    for step in range(1 + portion, steps + 1, PORTIONS):
        root = tmp_path / str(step)
        root.mkdir()
        assert crash_at(lambda root=root: live(root), step), f"there is no step {step}"  # type: ignore[misc]
        check(root)


def test_several_crashes_in_a_row_lose_nothing(tmp_path: Path, steps: int) -> None:
    chance = random.Random(20240101)
    for number in range(3):
        root = tmp_path / str(number)
        root.mkdir()
        for _ in range(4):
            crash_at(lambda root=root: live(root), chance.randint(1, steps))  # type: ignore[misc]
        check(root)
