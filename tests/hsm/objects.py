"""Small DICOM objects made by hand, and the files pydicom brings along."""

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
TEST_DATA = Path(pydicom.__file__).parent / "data"


def dataset(**attributes: Any) -> Dataset:
    """A minimal data set, with whatever else is asked for."""
    made = Dataset()
    made.SOPClassUID = CT
    made.SOPInstanceUID = "1.2.3.4"
    made.StudyInstanceUID = "1.2.3"
    made.SeriesInstanceUID = "1.2.3.1"
    made.PatientID = "P1"
    made.PatientName = "Doe^Jane"
    made.Modality = "CT"
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def part10(content: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The data set as a Part 10 file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = UID(str(content.get("SOPClassUID", CT)))
    meta.MediaStorageSOPInstanceUID = UID(str(content.get("SOPInstanceUID", "1.2.3.4")))
    out = io.BytesIO()
    copied = copy.deepcopy(content)
    copied.file_meta, copied.preamble = meta, bytes(128)
    pydicom.dcmwrite(out, copied, enforce_file_format=True)
    return out.getvalue()


def stored_data_set(data: bytes) -> bytes:
    """The bytes behind the file meta, found with pydicom and not with our code."""
    stream = io.BytesIO(data)
    stream.seek(132)
    pydicom.filereader._read_file_meta_info(stream)
    return data[stream.tell() :]


def files_of_pydicom() -> Iterator[Path]:
    """Every file of pydicom's own test data that could be an object, sorted."""
    for path in sorted(TEST_DATA.rglob("*")):
        if path.is_file() and path.suffix in {".dcm", ""} and "DICOMDIR" not in path.name:
            yield path
