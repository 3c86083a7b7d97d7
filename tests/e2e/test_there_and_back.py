"""A study's whole way: over the wire to disk, to two tapes and a disc, off the disk, and back over the wire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Settled
from tests.e2e.wire import availability, get, move, tool

pytestmark = pytest.mark.peer


def test_a_study_walks_down_and_comes_back_over_the_wire(moved_in: Callable[[], Settled], tmp_path: Path) -> None:
    archive = moved_in()
    house, given = archive.house, archive.given
    assert not list((house.root / "online").rglob("*.dcm")), "something is still on disk"
    house.start("pacs", "engine")
    tool("echoscu", "-aec", "FIRN", "127.0.0.1", house.port)
    assert {availability(house, study) for study in archive.studies} == {"NEARLINE"}
    studies = sorted(archive.studies)
    half = {uid: one for uid, one in given.items() if one.study in studies[::2]}
    rest = {uid: one for uid, one in given.items() if uid not in half}
    # each half is cold when it is asked for the first time, and asked for in the other way as well
    assert move(house, tmp_path / "moved", studies[::2]) == half
    assert get(house, tmp_path / "got", rest) == rest
    assert move(house, tmp_path / "moved again", studies[1::2]) == rest
    assert get(house, tmp_path / "got again", half) == half
    house.stop("pacs", "engine")
