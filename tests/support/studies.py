"""DICOM studies for every test: the sample studies of the product, smaller, and objects that are odd on purpose.

Everything follows from its seed alone. `encode(instance)` gives the Part 10 file of an instance.
"""

import copy
from pathlib import Path

from pydicom.dataset import FileDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from appliance.demo.images import compress_rle, ct_series, phantom
from appliance.demo.objects import SeriesPlan, encode, new_object, uid, write_files
from appliance.demo.people import PEOPLE, Person
from appliance.demo.studies import (
    SampleStudy,
    cr_study,
    ct_study,
    every_kind,
    mr_study,
    planned,
    rt_study,
    us_study,
)

__all__ = [
    "PEOPLE",
    "Person",
    "SampleStudy",
    "compress_rle",
    "cr_study",
    "ct_study",
    "encode",
    "every_kind",
    "mr_study",
    "one_of_each_kind",
    "phantom",
    "rt_study",
    "same_uid_other_content",
    "small_ct",
    "tiny_instance",
    "uid",
    "us_study",
    "with_pixels_of",
    "with_uids",
    "write_files",
    "write_study",
]


def small_ct(seed: str = "small", slices: int = 3, person: Person = PEOPLE[0], size_px: int = 32) -> SampleStudy:
    """A CT study of a few kilobytes an instance."""
    return ct_study(seed, person, slices, size_px)


def one_of_each_kind(seed: str = "kinds") -> list[SampleStudy]:
    """CT, MR, US, RT, CR with SR and PDF, for people of different character sets; about 1 MB, made in half a second."""
    return [
        ct_study(f"{seed}-ct", PEOPLE[0], 3, 32),
        mr_study(f"{seed}-mr", PEOPLE[1], 2, 32),
        us_study(f"{seed}-us", PEOPLE[2], clips=1, frames=3),
        rt_study(f"{seed}-rt", PEOPLE[3], 3, 32),
        cr_study(f"{seed}-cr", PEOPLE[4], 64),
        ct_study(f"{seed}-ko", PEOPLE[5], 1, 32),
    ]


def tiny_instance(
    seed: str = "tiny", number: int = 1, series_number: int = 1, person: Person = PEOPLE[7]
) -> FileDataset:
    """One CT image of 16 x 16 pixels; instances of one seed share their study."""
    series = SeriesPlan(planned(seed, "Tiny", person), series_number, "CT", f"Series {series_number}", "CHEST")
    return list(ct_series(series, number, 16))[-1]


def with_pixels_of(instance: FileDataset, size_bytes: int) -> FileDataset:
    """The instance with about this many bytes of pixel data, to fill media; its pixels no longer make a picture."""
    rows = max(1, size_bytes // 2 // 1024)
    instance.Rows, instance.Columns = min(rows, 65535), 1024
    block = str(instance.SOPInstanceUID).encode().ljust(64, b"#")
    instance.PixelData = (block * (instance.Rows * 2048 // len(block) + 1))[: instance.Rows * 2048]
    return instance


def same_uid_other_content(instance: FileDataset) -> FileDataset:
    """Another object under the same SOP Instance UID."""
    other = copy.deepcopy(instance)
    other.SeriesDescription = f"{other.get('SeriesDescription', '')} (changed)"
    return other


def with_uids(seed: str, *, study: str, series: str, sop: str) -> FileDataset:
    """An object with exactly these UIDs, valid or not."""
    plan = planned(seed, "Odd UIDs", PEOPLE[7])
    made = new_object(SeriesPlan(plan, 1, "CT", "Odd"), CTImageStorage, 1, ExplicitVRLittleEndian)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = study, series, sop
    made.file_meta.MediaStorageSOPInstanceUID = UID(sop)
    return made


def write_study(folder: Path, study: SampleStudy) -> list[Path]:
    """Write all instances of a study below a folder."""
    return write_files(folder / study.study_uid, study.instances)
