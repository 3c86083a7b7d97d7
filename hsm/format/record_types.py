"""Which directory record stands for an object, and which keys it carries.

Source: PS3.3 F.4 and F.5 (directory record types and their keys); PS3.4 B.5 (storage SOP classes).
"""

from enum import Enum, auto
from typing import Final

PRIVATE: Final = "PRIVATE"
PRIVATE_RECORD_UID: Final = "2.25.207512720952134718888866418815012675157"
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."


class Need(Enum):
    """What to do when the object lacks a key."""

    NUMBER = auto()  # put the number of the instance in its series
    DATE = auto()  # put the study date
    TIME = auto()  # put midnight
    LABEL = auto()  # put a word
    EMPTY = auto()  # leave it empty (type 2)
    OPTIONAL = auto()  # leave it out
    MUST = auto()  # nothing honest can be put: the record becomes a private one


_NUMBER: Final = {"InstanceNumber": Need.NUMBER}
_CONTENT: Final = {**_NUMBER, "ContentDate": Need.DATE, "ContentTime": Need.TIME}
_CREATOR: Final = {"ContentDescription": Need.EMPTY, "ContentCreatorName": Need.EMPTY}
_LABELLED: Final = {**_CONTENT, "ContentLabel": Need.LABEL, **_CREATOR}
_CONCEPT: Final = {"ConceptNameCodeSequence": Need.MUST, "ContentSequence": Need.OPTIONAL}

KEYS: Final[dict[str, dict[str, Need]]] = {
    "IMAGE": _NUMBER,
    "RT DOSE": {**_NUMBER, "DoseSummationType": Need.MUST},
    "RT STRUCTURE SET": {
        **_NUMBER,
        "StructureSetLabel": Need.LABEL,
        "StructureSetDate": Need.EMPTY,
        "StructureSetTime": Need.EMPTY,
    },
    "RT PLAN": {**_NUMBER, "RTPlanLabel": Need.LABEL, "RTPlanDate": Need.EMPTY, "RTPlanTime": Need.EMPTY},
    "RT TREAT RECORD": {**_NUMBER, "TreatmentDate": Need.EMPTY, "TreatmentTime": Need.EMPTY},
    "PRESENTATION": {
        **_NUMBER,
        "PresentationCreationDate": Need.DATE,
        "PresentationCreationTime": Need.TIME,
        "ContentLabel": Need.LABEL,
        **_CREATOR,
        "ReferencedSeriesSequence": Need.OPTIONAL,
    },
    "WAVEFORM": _CONTENT,
    "RAW DATA": _CONTENT,
    "SR DOCUMENT": {
        **_CONTENT,
        "CompletionFlag": Need.MUST,
        "VerificationFlag": Need.MUST,
        "VerificationDateTime": Need.OPTIONAL,
        **_CONCEPT,
    },
    "KEY OBJECT DOC": {**_CONTENT, **_CONCEPT},
    "SPECTROSCOPY": {
        **_CONTENT,
        "ImageType": Need.MUST,
        "ReferencedImageEvidenceSequence": Need.OPTIONAL,
        "NumberOfFrames": Need.MUST,
        "Rows": Need.MUST,
        "Columns": Need.MUST,
        "DataPointRows": Need.MUST,
        "DataPointColumns": Need.MUST,
    },
    "REGISTRATION": _LABELLED,
    "FIDUCIAL": _LABELLED,
    "VALUE MAP": _LABELLED,
    "MEASUREMENT": _LABELLED,
    "SURFACE": _LABELLED,
    "TRACT": _LABELLED,
    "SURFACE SCAN": {"ContentDate": Need.DATE, "ContentTime": Need.TIME},
    "STEREOMETRIC": {**_NUMBER, "ContentLabel": Need.LABEL, **_CREATOR},
    "PLAN": {},
    "ENCAP DOC": {
        **_NUMBER,
        "ContentDate": Need.EMPTY,
        "ContentTime": Need.EMPTY,
        "DocumentTitle": Need.EMPTY,
        "HL7InstanceIdentifier": Need.OPTIONAL,
        "ConceptNameCodeSequence": Need.EMPTY,
        "MIMETypeOfEncapsulatedDocument": Need.MUST,
    },
    "ASSESSMENT": {**_NUMBER, "InstanceCreationDate": Need.DATE, "InstanceCreationTime": Need.EMPTY},
    "RADIOTHERAPY": {
        **_NUMBER,
        "UserContentLabel": Need.OPTIONAL,
        "UserContentLongLabel": Need.OPTIONAL,
        **_CREATOR,
    },
    PRIVATE: {},
}

# By SOP class behind the storage root; the longest entry that a class begins with decides.
_BY_CLASS: Final = {
    "": "IMAGE",
    "4.2": "SPECTROSCOPY",
    "9.": "WAVEFORM",
    "11.": "PRESENTATION",
    "66": "RAW DATA",
    "66.1": "REGISTRATION",
    "66.2": "FIDUCIAL",
    "66.3": "REGISTRATION",
    "66.4": "IMAGE",
    "66.5": "SURFACE",
    "66.6": "TRACT",
    "66.7": "IMAGE",
    "66.8": "IMAGE",
    "67": "VALUE MAP",
    "68.": "SURFACE SCAN",
    "77.1.5.3": "STEREOMETRIC",
    "78.": "MEASUREMENT",
    "78.6": "SR DOCUMENT",
    "79.1": "SR DOCUMENT",
    "80.1": "MEASUREMENT",
    "88.": "SR DOCUMENT",
    "88.59": "KEY OBJECT DOC",
    "90.1": "ASSESSMENT",
    "104.": "ENCAP DOC",
    "131": "PRESENTATION",
    "481.2": "RT DOSE",
    "481.3": "RT STRUCTURE SET",
    "481.4": "RT TREAT RECORD",
    "481.5": "RT PLAN",
    "481.6": "RT TREAT RECORD",
    "481.7": "RT TREAT RECORD",
    "481.8": "RT PLAN",
    "481.9": "RT TREAT RECORD",
    "481.1": "IMAGE",
    **{f"481.{number}": "RADIOTHERAPY" for number in range(10, 30)},
}
_OUTSIDE: Final = {"1.2.840.10008.5.1.4.34.7": "PLAN", "1.2.840.10008.5.1.4.34.10": "PLAN"}


def record_type(sop_class_uid: str) -> str:
    """The Directory Record Type for a SOP class; PRIVATE for what the standard has no record for."""
    if sop_class_uid in _OUTSIDE:
        return _OUTSIDE[sop_class_uid]
    if not sop_class_uid.startswith(_STORAGE):
        return PRIVATE
    tail = sop_class_uid.removeprefix(_STORAGE)
    return _BY_CLASS[max((begin for begin in _BY_CLASS if _covers(begin, tail)), key=len)]


def _covers(begin: str, tail: str) -> bool:
    return not begin or tail == begin or tail.startswith(begin if begin.endswith(".") else begin + ".")
