"""Studies go to two tapes and a burnt DVD and back; the catalog is made again; stock tools restore each medium."""

import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest

from drivers.base import Barcode
from hsm.rebuild import rebuild
from hsm.states import Availability
from tests.devices.attach import run
from tests.devices.simulated import Simulated, two_drives
from tests.devices.tgt import Tgt
from tests.devices.world import DeskWorld, loaded, restored, tapes
from tests.e2e.wire import all_seen
from tests.support.studies import one_of_each_kind
from tests.support.world import POLICY

pytestmark = [pytest.mark.devices, pytest.mark.timeout(5400)]

DISC = Barcode("D00001")
TAPES = (Barcode("A00001L8"), Barcode("B00001L8"))


def test_the_whole_life_of_studies_on_real_devices(tmp_path: Path) -> None:
    tgt = Tgt()
    tgt("disc", "none")
    with Simulated(tmp_path, two_drives("life", volumes=tapes(*TAPES))) as library:
        with closing(DeskWorld(tmp_path, library, tgt, POLICY, (DISC,))) as world:
            uids: list[str] = [world.receive(study) for study in one_of_each_kind()]
            before = {uid: world.online_bytes(uid) for uid in uids}

            world.live(uids)
            for uid in uids:
                assert world.availability(uid) is Availability.NEARLINE
                assert world.online_bytes(uid) == {}
                assert world.verified_volumes(uid) == {*TAPES, DISC}
            for uid in uids:
                world.recall(uid)
            assert {uid: world.online_bytes(uid) for uid in uids} == before
            clock = world.clock

        for path in tmp_path.glob("catalog.db*"):
            path.unlink()
        for name in ("online", "staging", "quarantine"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        tgt("disc", DISC)
        with closing(DeskWorld(tmp_path, library, tgt, POLICY, (), clock, take_over=False)) as world:
            report = rebuild(world.catalog, world.pool, world.libraries, world.clock)
            assert report.faults == []
            world.engine.take_over()
            for uid in uids:
                assert world.availability(uid) is Availability.NEARLINE
                assert {copy.barcode for copy in world.copies(uid)} == {*TAPES, DISC}
                world.recall(uid)
            assert {uid: world.online_bytes(uid) for uid in uids} == before

        objects = {name: content for study in before.values() for name, content in study.items()}
        for barcode in TAPES:
            assert restored(loaded(library, barcode), tmp_path / barcode) == objects
    disc_is_restored(tgt, objects, tmp_path)


def disc_is_restored(tgt: Tgt, objects: dict[str, bytes], folder: Path) -> None:
    """The DVD, read by stock tools from the recorder's device."""
    tgt("disc", DISC)
    node = tgt.recorder.node
    assert node is not None
    tree = folder / "disc"
    assert f"Volume Id    : {DISC}" in run("xorriso", "-indev", node, "-pvd_info")
    run("osirrox", "-indev", node, "-extract", "/", tree)
    run("chmod", "-R", "u+w", tree)
    sums = list(tree.glob("ARCHIVE/*/FILES.sha256"))
    assert sums
    for one in sums:
        said = run("sh", "-c", 'cd "$0" && sha256sum -c --strict "$1"', tree, one.relative_to(tree))
        assert all(line.endswith(": OK") for line in said.splitlines())
    run(sys.executable, "-I", tree / "ARCHIVE" / "RESTORE.PY", "verify", tree)
    given, found = folder / "given", folder / "found"
    for name, content in objects.items():
        given.mkdir(exist_ok=True)
        (given / name).write_bytes(content)
    found.mkdir()
    for number, path in enumerate(sorted(path for path in (tree / "IMAGES").rglob("*") if path.is_file())):
        shutil.copy(path, found / str(number))
    assert all_seen(found) == all_seen(given)
