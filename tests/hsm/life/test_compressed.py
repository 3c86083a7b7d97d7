"""A study is compressed on its way down and comes back byte for byte; what lies on the media needs no Firn."""

import hashlib
import io
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest

from drivers.base import Barcode
from drivers.clock import VirtualClock
from hsm.archive import Archive, ArchiveSettings
from hsm.format.disc import DiscReader
from hsm.format.study_json import parse
from hsm.lossless import jpeg_ls
from hsm.lossless.press import NotRestored
from hsm.lossless.presses import RestoreTask, put_together
from hsm.rebuild import rebuild
from hsm.states import Availability, JobKind, JobState
from tests.support.crashing import count_steps, crash_at
from tests.support.studies import encode, small_ct
from tests.support.world import POLICY, START, TAPES_ONLY, World

PRESSING = 'rule "smaller":\n    compress losslessly with JPEG-LS\n\n' + POLICY
PRESSING_TAPES = 'rule "smaller":\n    compress losslessly with JPEG-LS\n\n' + TAPES_ONLY
STUDY = small_ct(slices=3, size_px=64)
FILES = {str(i.SOPInstanceUID): encode(i) for i in STUDY.instances}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, policy=PRESSING)


def staged(world: World) -> list[str]:
    folder = world.settings.staging / "pressed"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_compressed_study_lies_smaller_on_every_volume_and_comes_back_as_it_was_received(world: World) -> None:
    uid = world.receive(STUDY)
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    assert len(world.verified_volumes(uid)) == 3
    (pack,) = world.catalog.packs.of_study(uid)
    assert all(member.pressed for member in pack.members)
    saved = world.catalog.packs.compression(uid)
    assert saved.instances == 3
    assert saved.to_bytes == sum(member.size_bytes for member in pack.members) < saved.from_bytes
    (job,) = world.catalog.jobs.list(kinds=(JobKind.COMPRESS,))
    assert job.state == JobState.DONE
    assert f"3 of 3 objects compressed {saved.ratio:.2f} : 1" in job.message
    assert staged(world) == []
    world.recall(uid)
    assert world.online_bytes(uid) == FILES
    described = parse(pack.study_json.encode())
    assert {i.header.sop_instance_uid: i.sha256 for i in described} == {
        uid: hashlib.sha256(content).hexdigest() for uid, content in FILES.items()
    }


def test_what_lies_on_a_disc_is_dicom_that_other_programs_decompress_to_the_same_pixels(
    world: World, tmp_path: Path
) -> None:
    world.receive(STUDY)
    world.settle(3)
    disc = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file() and _is_disc(path))
    found = {}
    with disc.open("rb") as image:
        reader = DiscReader(image)
        for place in (place for place in reader.paths() if place.startswith("IMAGES/")):
            path = tmp_path / "object.dcm"
            path.write_bytes(b"".join(reader.read_file(place)))
            plain = tmp_path / "plain.dcm"
            subprocess.run(["dcmdjpls", path, plain], check=True, capture_output=True)
            dataset = pydicom.dcmread(plain)
            found[str(dataset.SOPInstanceUID)] = dataset.pixel_array
            assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
            assert "LossyImageCompression" not in dataset
    assert found.keys() == FILES.keys()
    for sop, pixels in found.items():
        assert np.array_equal(pixels, pydicom.dcmread(io.BytesIO(FILES[sop])).pixel_array)


def _is_disc(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0x8001)
        return file.read(5) == b"CD001"


def test_with_catalog_and_disk_gone_a_rebuild_knows_what_was_received(tmp_path: Path) -> None:
    world = World(tmp_path, policy=PRESSING)
    uid = world.receive(STUDY)
    world.settle()
    before = {i.sop_instance_uid: (i.sha256, i.transfer_syntax_uid) for i in world.catalog.studies.instances(uid)}
    saved = world.catalog.packs.compression()
    world.close()
    for path in tmp_path.glob("catalog.db*"):
        path.unlink()
    shutil.rmtree(tmp_path / "online")
    world = World(tmp_path, policy=PRESSING, clock=VirtualClock(START + timedelta(days=1)))
    report = rebuild(world.catalog, world.pool, {"test": world.library}, world.clock, [Barcode("B00001L8")])
    assert report.faults == []
    assert {
        i.sop_instance_uid: (i.sha256, i.transfer_syntax_uid) for i in world.catalog.studies.instances(uid)
    } == before
    assert world.catalog.packs.compression() == saved
    world.recall(uid)
    assert world.online_bytes(uid) == FILES
    assert rebuild(world.catalog, world.pool, {}, world.clock).faults == []  # what is online again fits, too


def test_a_pack_whose_compressed_files_are_gone_is_written_with_the_same_bytes(world: World) -> None:
    uid = world.receive(STUDY)
    world.later(30)
    world.engine.tick()
    world.engine.drain()  # compressed and sealed, and nothing written yet
    (pack,) = world.catalog.packs.of_study(uid)
    assert staged(world) == [pack.digest]
    shutil.rmtree(world.settings.staging / "pressed")
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    assert len(world.verified_volumes(uid)) == 3


def test_a_damaged_compressed_file_is_made_again_before_it_is_written(world: World) -> None:
    uid = world.receive(STUDY)
    world.later(30)
    world.engine.tick()
    world.engine.drain()
    for path in (world.settings.staging / "pressed").rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[-100] ^= 1
            path.write_bytes(content)
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    world.recall(uid)
    assert world.online_bytes(uid) == FILES


def test_a_pack_whose_codec_gives_other_bytes_than_before_is_sealed_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = world.receive(STUDY)
    world.later(30)
    world.engine.tick()
    world.engine.drain()
    shutil.rmtree(world.settings.staging / "pressed")
    honest = jpeg_ls.encode
    monkeypatch.setattr(jpeg_ls, "encode", lambda frame, image: honest(frame, image) + b"\0\0")
    (sealed,) = world.catalog.packs.of_study(uid)
    world.settle()
    told = [job.message for job in world.catalog.jobs.list(kinds=(JobKind.MIGRATE,)) if job.state == JobState.FAILED]
    assert told and all("cannot be compressed as it was" in message for message in told)
    (pack,) = world.catalog.packs.of_study(uid)
    assert pack.digest != sealed.digest
    assert len(world.verified_volumes(uid)) == 3
    assert world.availability(uid) is Availability.NEARLINE
    world.recall(uid)
    assert world.online_bytes(uid) == FILES


def test_an_instance_that_is_replaced_leaves_its_compressed_version_on_the_media(world: World) -> None:
    uid = world.receive(STUDY)
    world.settle(3)
    changed = pydicom.dcmread(io.BytesIO(next(iter(FILES.values()))))
    changed.PatientComments = "corrected"
    archive = Archive(world.catalog, world.pool, world.clock, ArchiveSettings(on_conflict="replace"))
    receipt = archive.receive_file(io.BytesIO(encode(changed)), "CT1")
    assert receipt.kept
    world.settle()
    first, second = world.catalog.packs.of_study(uid)
    assert [len(first.members), len(second.members)] == [3, 1]
    assert world.availability(uid) is Availability.NEARLINE
    world.recall(uid)
    assert world.online_bytes(uid)[str(changed.SOPInstanceUID)] == encode(changed)


def live(root: Path, rounds: int = 8) -> None:
    """From reception to release and back, compressed on the way; one round compresses and seals."""
    root.mkdir(exist_ok=True)
    world = World(root, policy=PRESSING_TAPES)
    for content in FILES.values():
        assert world.archive.receive_file(io.BytesIO(content), "CT1").kept
    for _ in range(rounds):
        world.settle(1)
        if world.availability(STUDY.study_uid) is Availability.NEARLINE:
            world.recall(STUDY.study_uid)
            break
    world.close()


@pytest.mark.crash
def test_a_crash_while_a_study_is_compressed_or_restored_loses_nothing_and_work_goes_on(tmp_path: Path) -> None:
    received, sealed, steps = (count_steps(lambda n=n: live(tmp_path / f"whole{n}", n)) for n in (0, 1, 8))  # type: ignore[misc]
    assert received < sealed < steps
    for step in (sealed - (sealed - received) // 3, sealed, steps - 8):
        root = tmp_path / str(step)
        root.mkdir()
        crash_at(lambda root=root: live(root), step)  # type: ignore[misc]
        world = World(root, policy=PRESSING_TAPES, clock=VirtualClock(START + timedelta(days=1)))
        for content in FILES.values():
            assert world.archive.receive_file(io.BytesIO(content), "CT1").kept
        for _ in range(8):
            world.settle(1)
            if world.availability(STUDY.study_uid) is Availability.NEARLINE:
                break
        assert world.availability(STUDY.study_uid) is Availability.NEARLINE
        assert world.catalog.packs.compression().instances == 3
        world.recall(STUDY.study_uid)
        assert world.online_bytes(STUDY.study_uid) == FILES
        assert not list((root / "online" / ".incoming").iterdir())
        assert not list((root / "staging").glob("restoring.*"))
        world.close()


def test_a_compressor_that_fails_in_any_way_ends_its_job_and_the_study_is_copied_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the codec's library went mad")

    monkeypatch.setattr("hsm.engine.compressor.seal_pressed", broken)
    uid = world.receive(STUDY)
    world.settle(8)
    jobs = world.catalog.jobs.list(kinds=(JobKind.COMPRESS,))
    assert {job.state for job in jobs} == {JobState.FAILED}
    assert "went mad" in jobs[0].message
    assert world.availability(uid) is Availability.NEARLINE
    (pack,) = world.catalog.packs.of_study(uid)
    assert not any(member.pressed for member in pack.members)


def test_an_object_that_cannot_be_restored_keeps_no_other_from_coming_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = world.receive(STUDY)
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    bad, *good = FILES
    digest = hashlib.sha256(FILES[bad]).hexdigest()

    def refused(task: RestoreTask) -> None:
        if task.sha256 == digest:
            raise NotRestored("it has another digest")
        put_together(task)

    with monkeypatch.context() as patched:
        patched.setattr("hsm.lossless.presses.put_together", refused)
        world.recall(uid)
    assert world.online_bytes(uid) == {sop: FILES[sop] for sop in good}
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    assert job.state == JobState.FAILED
    assert bad in job.message
    world.recall(uid)
    assert world.online_bytes(uid) == FILES
