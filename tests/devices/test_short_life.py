"""A study goes to two tapes through mtx and st, leaves the disk, comes back, and is restored by stock tools."""

from pathlib import Path

import pytest

from drivers.base import Barcode
from hsm.states import Availability
from tests.devices.simulated import Simulated, two_drives
from tests.devices.world import loaded, restored, robot, settle_until, tapes
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, ArchiveWorld, volume_pools

pytestmark = [pytest.mark.devices, pytest.mark.timeout(600)]


def test_a_study_goes_to_two_tapes_and_comes_back(tmp_path: Path) -> None:
    with Simulated(tmp_path, two_drives("short", volumes=tapes("A00001L8", "B00001L8"))) as library:
        world = ArchiveWorld(tmp_path, {"test": robot(library)}, volume_pools(), TAPES_ONLY)
        uid = world.receive(small_ct())
        before = world.online_bytes(uid)

        settle_until(world, [uid], Availability.NEARLINE)
        assert world.online_bytes(uid) == {}
        assert world.verified_volumes(uid) == {Barcode("A00001L8"), Barcode("B00001L8")}
        assert all(copy.verified_by not in (None, copy.written_by) for copy in world.copies(uid))

        request = world.recall(uid)
        assert world.catalog.recalls.state(request).done
        assert world.online_bytes(uid) == before
        world.close()

        node = loaded(library, Barcode("B00001L8"))
        assert restored(node, tmp_path / "restored") == before
