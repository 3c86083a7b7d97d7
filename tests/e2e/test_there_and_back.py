"""A study's whole way: over the wire to disk, to two tapes and a disc, off the disk, and back over the wire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Settled
from tests.e2e.wire import GETSCU_PREFERS, availability, get, move, tool

pytestmark = pytest.mark.peer


def test_a_study_walks_down_and_comes_back_over_the_wire(moved_in: Callable[[], Settled], tmp_path: Path) -> None:
    archive = moved_in()
    house, given = archive.house, archive.wired
    assert not list((house.root / "online").rglob("*.dcm")), "something is still on disk"
    house.start("pacs", "engine")
    tool("echoscu", "-aec", "FIRN", "127.0.0.1", house.port)
    assert len(archive.studies) > 15
    assert {availability(house, study) for study in archive.studies} == {"NEARLINE"}
    studies = sorted(archive.studies)
    half = {uid: one for uid, one in given.items() if one.study in studies[::2]}
    rest = {uid: one for uid, one in given.items() if uid not in half}
    gettable = {uid: one for uid, one in given.items() if one.syntax in GETSCU_PREFERS}
    cold = dict({one.syntax: (uid, one) for uid, one in rest.items() if uid in gettable}.values())
    # first what must be brought back by the request itself, both ways; then everything, both ways
    assert move(house, tmp_path / "moved", studies[::2]) == half
    assert get(house, tmp_path / "got", cold) == cold
    assert move(house, tmp_path / "moved again", studies[1::2]) == rest
    assert get(house, tmp_path / "got again", gettable) == gettable
    house.stop("pacs", "engine")
