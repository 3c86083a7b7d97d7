"""The directory of a disc: one record for every object on it (docs/FORMAT.md section 5.1)."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from hsm.facts import Header
from hsm.format import dicomdir
from hsm.format.dicom_text import clean
from hsm.format.dicomdir import Record, Value, Values
from hsm.format.record_types import KEYS, PRIVATE, PRIVATE_RECORD_UID, Need, record_type

UNKNOWN: Final = "UNKNOWN"
_FIRST_DATE: Final = "19000101"
_MIDNIGHT: Final = "000000"
_REFERENCES: Final = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID", "ReferencedFrameNumber")
_CODES: Final = ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodeMeaning")
_OBSERVERS: Final = "VerifyingObserverSequence"
_BESIDE: Final = ("SpecificCharacterSet", _OBSERVERS)  # what the keys are read with, or from
# What pydicom raises on objects that are not quite DICOM. Such an object still gets a record, from the catalog's facts.
_UNREADABLE: Final = (
    InvalidDicomError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
)


def file_set_id(barcode: str) -> str:
    """The File-set ID for a barcode: the same text as far as DICOM allows it."""
    return clean("CS", barcode.replace(" ", "_"))


def file_set_uid(volume_uuid: str) -> str:
    """The File-set UID: the volume's uuid as PS3.5 B.2 spells it. Raises: ValueError."""
    return f"2.25.{UUID(volume_uuid).int}"


class Directory:
    """Collects the records of a disc, pack by pack."""

    def __init__(self) -> None:
        self._patients: dict[tuple[str, str, str], Record] = {}
        self._studies: dict[str, Record] = {}
        self._series: dict[tuple[str, str], Record] = {}
        self._leaves: dict[str, tuple[Record, Record]] = {}  # SOP Instance UID -> (series record, its own)
        self.private: list[str] = []  # SOP Instance UIDs with a record of type PRIVATE

    def add(self, header: Header, file_id: str, path: Path, transfer_syntax_uid: str = "") -> None:
        """Reference one object. `file_id`: its place with `/` between components; `path`: where it can be read now.
        `transfer_syntax_uid`: of that file, where it is not that of the header.

        An object that is there already, by its UID, is referenced at the new place instead.
        """
        uid = header.sop_instance_uid
        if uid in self._leaves:
            series, old = self._leaves.pop(uid)
            series.children.remove(old)
        series = self._series_of(header)
        kind = record_type(header.sop_class_uid)
        values = _keys(kind, _read(path, kind), header, len(series.children) + 1)
        if values is None:
            kind, values = PRIVATE, {}
        if kind == PRIVATE:
            values["PrivateRecordUID"] = PRIVATE_RECORD_UID
            self.private.append(uid)
        values |= {
            "ReferencedFileID": file_id.replace("/", "\\"),
            "ReferencedSOPClassUIDInFile": header.sop_class_uid,
            "ReferencedSOPInstanceUIDInFile": uid,
            "ReferencedTransferSyntaxUIDInFile": transfer_syntax_uid or header.transfer_syntax_uid,
        }
        leaf = Record(kind, values)
        series.children.append(leaf)
        self._leaves[uid] = series, leaf

    def encode(self, barcode: str, volume_uuid: str) -> bytes:
        """The file DICOMDIR. Raises: ValueError when the uuid is none."""
        patients = [patient for patient in map(_pruned, self._patients.values()) if patient is not None]
        return dicomdir.encode(file_set_id(barcode), file_set_uid(volume_uuid), patients)

    def _series_of(self, header: Header) -> Record:
        key = header.study_instance_uid, header.series_instance_uid
        if key not in self._series:
            study = self._study_of(header)
            series = Record(
                "SERIES",
                {
                    "Modality": clean("CS", header.modality) or "OT",
                    "SeriesInstanceUID": header.series_instance_uid,
                    "SeriesNumber": _number(header.series_number, len(study.children) + 1),
                },
            )
            study.children.append(series)
            self._series[key] = series
        return self._series[key]

    def _study_of(self, header: Header) -> Record:
        uid = header.study_instance_uid
        if uid not in self._studies:
            study = Record(
                "STUDY",
                {
                    "StudyDate": _date(header),
                    "StudyTime": clean("TM", header.study_time) or _MIDNIGHT,
                    "StudyDescription": clean("LO", header.study_description),
                    "StudyInstanceUID": uid,
                    "StudyID": clean("SH", header.study_id) or UNKNOWN,
                    "AccessionNumber": clean("SH", header.accession_number),
                },
            )
            self._patient_of(header).children.append(study)
            self._studies[uid] = study
        return self._studies[uid]

    def _patient_of(self, header: Header) -> Record:
        # Without an ID nobody can say that two studies are of one patient.
        key = header.patient_id, header.issuer, "" if header.patient_id else header.study_instance_uid
        if key not in self._patients:
            patient_id = clean("LO", header.patient_id) or f"{UNKNOWN} {len(self._patients) + 1}"
            values: dict[str, Value] = {"PatientName": clean("PN", header.patient_name), "PatientID": patient_id}
            if clean("LO", header.issuer):
                values["IssuerOfPatientID"] = clean("LO", header.issuer)
            self._patients[key] = Record("PATIENT", values)
        return self._patients[key]


def _pruned(record: Record) -> Record | None:
    """Without branches that lost their last object to a later pack."""
    if "ReferencedFileID" in record.values:
        return record
    children = [child for child in map(_pruned, record.children) if child is not None]
    return Record(record.kind, record.values, children) if children else None


def _date(header: Header) -> str:
    if header.study_date is None:
        return _FIRST_DATE
    return f"{header.study_date.year:04d}{header.study_date.month:02d}{header.study_date.day:02d}"


def _number(number: int | None, otherwise: int) -> str:
    return str(number) if number is not None and abs(number) < 2**31 else str(otherwise)


def _read(path: Path, kind: str) -> dict[str, Value]:
    """The keys of that record type that the object has, cleaned."""
    wanted = list(KEYS[kind])
    if wanted in ([], ["InstanceNumber"]):
        return {}  # the catalog knows it
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=[*wanted, *_BESIDE])
    except _UNREADABLE:
        return {}
    found: dict[str, Value] = {}
    for keyword in wanted:
        try:
            value = _value(dataset, keyword)
        except _UNREADABLE:
            continue
        if value not in ("", []):
            found[keyword] = value
    return found


def _value(dataset: Dataset, keyword: str) -> Value:
    vr = dictionary_VR(keyword)
    if vr == "SQ":
        return _SEQUENCES[keyword](dataset.get(keyword) or [])
    value = _last_verified(dataset) if keyword == "VerificationDateTime" else dataset.get(keyword)
    if value is None or value == "":
        return ""
    if vr in ("US", "UL"):
        return int(value)
    if keyword == "ImageType":
        return "\\".join(clean("CS", str(item)) for item in value)
    return clean(vr, str(value[0] if isinstance(value, list | tuple) else value))


def _last_verified(dataset: Dataset) -> str:
    """When a document was last verified; it says so for each observer, a record only once (PS3.3 F.5)."""
    return max((str(each.get("VerificationDateTime") or "") for each in dataset.get(_OBSERVERS) or []), default="")


def _picked(item: Dataset, keywords: tuple[str, ...]) -> dict[str, Value]:
    pairs = ((keyword, clean(dictionary_VR(keyword), str(item.get(keyword) or ""))) for keyword in keywords)
    return {keyword: value for keyword, value in pairs if value}


def _concepts(items: Any) -> list[Values]:
    """Codes, one item of a sequence being one code."""
    return [code for code in (_picked(item, _CODES) for item in items) if len(code) > 1]


def _modifiers(items: Any) -> list[Values]:
    """The coded concept modifiers at the top of a document: all of its content that a record carries (PS3.3 F.5)."""
    found: list[Values] = []
    for item in items:
        if item.get("RelationshipType") == "HAS CONCEPT MOD" and item.get("ValueType") == "CODE":
            name, code = _concepts(item.ConceptNameCodeSequence), _concepts(item.ConceptCodeSequence)
            if name and code:
                found.append(
                    {
                        "RelationshipType": "HAS CONCEPT MOD",
                        "ValueType": "CODE",
                        "ConceptNameCodeSequence": name,
                        "ConceptCodeSequence": code,
                    }
                )
    return found


def _referenced(items: Any) -> list[Values]:
    """Which images a presentation state is for."""
    found: list[Values] = []
    for item in items:
        uid = clean("UI", str(item.get("SeriesInstanceUID") or ""))
        images = [_picked(image, _REFERENCES) for image in item.get("ReferencedImageSequence") or []]
        images = [image for image in images if len(image) > 1]
        if uid and images:
            found.append({"SeriesInstanceUID": uid, "ReferencedImageSequence": images})
    return found


def _evidence(items: Any) -> list[Values]:
    """Images that an object refers to; a record names them in one row, the object by study and series."""
    return [
        image
        for item in items
        for series in item.get("ReferencedSeriesSequence") or []
        for image in (_picked(each, _REFERENCES[:2]) for each in series.get("ReferencedSOPSequence") or [])
        if len(image) > 1
    ]


_SEQUENCES: Final = {
    "ReferencedImageEvidenceSequence": _evidence,
    "ConceptNameCodeSequence": _concepts,
    "ContentSequence": _modifiers,
    "ReferencedSeriesSequence": _referenced,
}


def _keys(kind: str, found: Mapping[str, Value], header: Header, place: int) -> dict[str, Value] | None:
    """All keys of a record, substitutes included; None when one is missing that has no honest substitute."""
    values: dict[str, Value] = {}
    for keyword, need in KEYS[kind].items():
        if need is Need.NUMBER:
            values[keyword] = _number(header.instance_number, place)
        elif keyword in found:
            values[keyword] = found[keyword]
        elif need is Need.MUST:
            return None
        elif need is Need.EMPTY:
            values[keyword] = [] if dictionary_VR(keyword) == "SQ" else ""
        elif need is not Need.OPTIONAL:
            values[keyword] = {Need.DATE: _date(header), Need.TIME: _MIDNIGHT, Need.LABEL: UNKNOWN}[need]
    if values.get("VerificationFlag") == "VERIFIED" and "VerificationDateTime" not in values:
        return None  # required of a verified document (PS3.3 F.5), and nothing honest can be put
    return values
