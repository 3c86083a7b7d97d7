"""What every generated object shares: identity, patient, study, series, and the file around it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from appliance.demo.people import Person

IMPLEMENTATION_UID = "2.25.192307251937184518437654021563450327714"
SHORT_ID_LENGTH = 16  # of VR SH


def uid(*parts: object) -> UID:
    """A UID that follows from its parts alone, so that the same seed makes the same study again. Source: PS3.5 B.2."""
    text = "\0".join(str(part) for part in parts)
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return UID(f"2.25.{int.from_bytes(digest, 'big')}")


@dataclass(frozen=True)
class StudyPlan:
    """One examination: who, when, and what it is called."""

    seed: str
    person: Person
    day: date
    at: time
    description: str
    accession_number: str = ""

    @property
    def study_uid(self) -> UID:
        """The Study Instance UID."""
        return uid("study", self.seed)


@dataclass(frozen=True)
class SeriesPlan:
    """One series of an examination."""

    study: StudyPlan
    number: int
    modality: str
    description: str
    body_part: str = ""
    maker: str = "Firn Instruments"
    model: str = "Snowflake"
    frame_of_reference: str = ""  # empty: the study's own
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def series_uid(self) -> UID:
        """The Series Instance UID."""
        return uid("series", self.study.seed, self.number)

    @property
    def frame_of_reference_uid(self) -> UID:
        """The Frame of Reference UID that all spatial series of the study share."""
        return UID(self.frame_of_reference) if self.frame_of_reference else uid("frame", self.study.seed)


def new_object(series: SeriesPlan, sop_class: str, number: int, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """An object with patient, study, series and equipment filled in, without content."""
    study, person = series.study, series.study.person
    sop_uid = uid("instance", study.seed, series.number, number)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "FIRN_DEMO"
    made = FileDataset(
        None,  # type: ignore[arg-type] # it has no file
        {},
        preamble=b"\0" * 128,
        file_meta=meta,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,  # pynetdicom encodes by it, pydicom by the file meta
        is_little_endian=True,
    )
    if person.character_set:
        made.SpecificCharacterSet = (
            list(person.character_set) if isinstance(person.character_set, tuple) else person.character_set
        )
    made.SOPClassUID = UID(sop_class)
    made.SOPInstanceUID = sop_uid
    made.InstanceCreationDate = made.StudyDate = made.SeriesDate = f"{study.day:%Y%m%d}"
    made.InstanceCreationTime = made.StudyTime = made.SeriesTime = f"{study.at:%H%M%S}"
    made.AccessionNumber = study.accession_number
    made.Modality = series.modality
    made.Manufacturer = series.maker
    made.InstitutionName = person.institution
    made.ReferringPhysicianName = person.referring_physician
    made.StudyDescription = study.description
    made.SeriesDescription = series.description
    made.ManufacturerModelName = series.model
    made.DeviceSerialNumber = "1"
    made.SoftwareVersions = "1.0"
    made.PatientName = person.name
    made.PatientID = person.patient_id
    made.PatientBirthDate = person.birth_date
    made.PatientSex = person.sex
    if series.body_part:
        made.BodyPartExamined = series.body_part
    made.StudyInstanceUID = study.study_uid
    made.SeriesInstanceUID = series.series_uid
    made.StudyID = study.seed[-SHORT_ID_LENGTH:]
    made.SeriesNumber = series.number
    made.InstanceNumber = number
    return made


def place_in_space(target: Dataset, series: SeriesPlan, z_mm: float, spacing_mm: float, thickness_mm: float) -> None:
    """An axial plane of the study's frame of reference."""
    target.FrameOfReferenceUID = series.frame_of_reference_uid
    target.PositionReferenceIndicator = ""
    target.ImagePositionPatient = [-125.0, -125.0, z_mm]
    target.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    target.PixelSpacing = [round(spacing_mm, 6)] * 2  # 16 characters at most (PS3.5 6.2)
    target.SliceThickness = thickness_mm


def items(*datasets: Dataset) -> DicomSequence:
    """A sequence of these items."""
    return DicomSequence(datasets)


def item(**elements: object) -> Dataset:
    """One item of a sequence, by keyword."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A coded entry. Source: PS3.3 section 8."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def reference(target: Dataset) -> Dataset:
    """A reference to an instance by class and UID."""
    return item(ReferencedSOPClassUID=target.SOPClassUID, ReferencedSOPInstanceUID=target.SOPInstanceUID)


def encode(instance: Dataset) -> bytes:
    """The whole Part 10 file."""
    buffer = BytesIO()
    dcmwrite(buffer, instance, enforce_file_format=True)
    return buffer.getvalue()


def write_files(folder: Path, instances: Iterable[Dataset]) -> list[Path]:
    """Write each instance as `<folder>/<sop instance uid>.dcm`; the paths in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for instance in instances:
        path = folder / f"{instance.SOPInstanceUID}.dcm"
        path.write_bytes(encode(instance))
        paths.append(path)
    return paths


def taken_at(study: StudyPlan) -> datetime:
    """When the examination took place, without a zone, as objects without Timezone Offset say it."""
    return datetime.combine(study.day, study.at)
