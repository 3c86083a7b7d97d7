"""The sample studies are what other programs call valid, and always the same."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from tests.support.studies import (
    PEOPLE,
    SampleStudy,
    encode,
    one_of_each_kind,
    rt_study,
    same_uid_other_content,
    small_ct,
    tiny_instance,
    us_study,
    with_pixels_of,
    with_uids,
    write_study,
)


@pytest.fixture(scope="module")
def studies() -> list[SampleStudy]:
    return one_of_each_kind()


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_a_foreign_validator_finds_no_error_in_any_kind_of_object(tmp_path: Path, studies: list[SampleStudy]) -> None:
    found = []
    for study in studies:
        for path in write_study(tmp_path, study):
            judged = subprocess.run(
                ["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", timeout=30, check=False
            )
            errors = [line for line in judged.stderr.splitlines() if line.startswith("Error")]
            if judged.returncode or errors:
                found.append((study.plan.description, judged.returncode, errors))
    assert found == []


def test_the_same_seed_makes_the_same_bytes_and_another_seed_another_study() -> None:
    first = [encode(instance) for instance in us_study("seed", frames=2).instances]
    assert first == [encode(instance) for instance in us_study("seed", frames=2).instances]
    assert us_study("seed", frames=2).study_uid != us_study("other", frames=2).study_uid


def test_names_survive_in_every_character_set() -> None:
    for person in PEOPLE:
        instance = dcmread(BytesIO(encode(tiny_instance(person.patient_id, person=person))))
        assert str(instance.PatientName) == person.name
        assert str(instance.ReferringPhysicianName) == person.referring_physician


def test_compressed_clips_decode_to_what_was_drawn(studies: list[SampleStudy]) -> None:
    clip = dcmread(BytesIO(encode(studies[2].instances[0])))
    assert clip.file_meta.TransferSyntaxUID == RLELossless
    assert clip.pixel_array.shape == (3, 240, 320)
    assert 30 < clip.pixel_array.mean() < 120


def test_radiotherapy_objects_point_at_their_images() -> None:
    *images, structures, plan, dose = rt_study("rt", slices=3, size_px=16).instances
    contoured = {
        str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        for region in structures.ROIContourSequence
        for contour in region.ContourSequence
    }
    assert contoured == {str(image.SOPInstanceUID) for image in images}
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_odd_objects_are_odd_in_the_one_way_asked_for() -> None:
    plain = tiny_instance()
    changed = same_uid_other_content(plain)
    assert changed.SOPInstanceUID == plain.SOPInstanceUID
    assert encode(changed) != encode(plain)
    assert 900_000 < len(encode(with_pixels_of(tiny_instance(), 1_000_000))) < 1_100_000
    odd = with_uids("odd", study="1.2..3", series="1.2.3", sop="1.2.3.4")
    assert b"1.2..3" in encode(odd)
    assert len(small_ct().instances) == 3
