"""The machine burned down: the volumes are all there is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm.states import CopyState
from tests.e2e.conftest import Settled
from tests.e2e.house import wait_until
from tests.e2e.wire import availability, move

pytestmark = pytest.mark.peer


def test_rebuild_from_media_alone(moved_in: Callable[[], Settled], tmp_path: Path) -> None:
    archive = moved_in()
    house = archive.house
    for path in house.root.glob("catalog.db*"):
        path.unlink()
    for name in ("online", "quarantine", "staging"):
        shutil.rmtree(house.root / name)
    house.firn("pool", "init")
    report = house.json("rebuild-catalog")
    assert report["faults"] == []
    assert (report["studies"], report["instances"]) == (len(archive.studies), len(archive.given))
    house.start("pacs", "engine")
    assert {availability(house, study) for study in archive.studies} == {"NEARLINE"}
    assert move(house, tmp_path / "moved", sorted(archive.studies)) == archive.wired

    # the copies that were found are read back, and nothing is copied again
    with house.catalog() as catalog:
        left = sorted(archive.studies)

        def verified() -> bool:
            while left and all(copy.state is CopyState.VERIFIED for copy in catalog.copies.of_study(left[-1])):
                left.pop()
            return not left

        wait_until(verified, "every copy is verified again")
        for uid in archive.studies:
            assert sorted(copy.pool for copy in catalog.copies.of_study(uid)) == ["disc", "tape_a", "tape_b"]
    house.stop("pacs", "engine")
