"""The attributes that can be asked for, the level each describes, and how each is matched.

Source: PS3.4 tables C.6-1 to C.6-5; the further ones are what hsm/header keeps.
"""

from collections.abc import Mapping

from pydicom.datadict import dictionary_VR

from hsm.header import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS
from hsm.query.model import Level

# attributes with a column of their own
COLUMN_KEYS: Mapping[int, Level] = {
    0x00100010: Level.PATIENT,  # Patient's Name
    0x00100020: Level.PATIENT,  # Patient ID
    0x00100021: Level.PATIENT,  # Issuer of Patient ID
    0x00100030: Level.PATIENT,  # Patient's Birth Date
    0x00100040: Level.PATIENT,  # Patient's Sex
    0x0020000D: Level.STUDY,  # Study Instance UID
    0x00080020: Level.STUDY,  # Study Date
    0x00080030: Level.STUDY,  # Study Time
    0x00080050: Level.STUDY,  # Accession Number
    0x00200010: Level.STUDY,  # Study ID
    0x00081030: Level.STUDY,  # Study Description
    0x00080090: Level.STUDY,  # Referring Physician's Name
    0x0020000E: Level.SERIES,  # Series Instance UID
    0x00080060: Level.SERIES,  # Modality
    0x00200011: Level.SERIES,  # Series Number
    0x0008103E: Level.SERIES,  # Series Description
    0x00180015: Level.SERIES,  # Body Part Examined
    0x00080021: Level.SERIES,  # Series Date
    0x00080031: Level.SERIES,  # Series Time
    0x00080018: Level.IMAGE,  # SOP Instance UID
    0x00080016: Level.IMAGE,  # SOP Class UID
    0x00200013: Level.IMAGE,  # Instance Number
    0x00083002: Level.IMAGE,  # Available Transfer Syntax UID
}

# attributes that are counted or collected when they are asked for
MODALITIES, SOP_CLASSES = 0x00080061, 0x00080062
PATIENT_STUDIES, PATIENT_SERIES, PATIENT_INSTANCES = 0x00201200, 0x00201202, 0x00201204
STUDY_SERIES, STUDY_INSTANCES, SERIES_INSTANCES = 0x00201206, 0x00201208, 0x00201209
COMPUTED_KEYS: Mapping[int, Level] = {
    PATIENT_STUDIES: Level.PATIENT,
    PATIENT_SERIES: Level.PATIENT,
    PATIENT_INSTANCES: Level.PATIENT,
    MODALITIES: Level.STUDY,
    SOP_CLASSES: Level.STUDY,
    STUDY_SERIES: Level.STUDY,
    STUDY_INSTANCES: Level.STUDY,
    SERIES_INSTANCES: Level.SERIES,
}

# attributes every answer carries by itself
RETRIEVE_AE, AVAILABILITY, FILE_SET_ID, FILE_SET_UID = 0x00080054, 0x00080056, 0x00880130, 0x00880140
QUERY_LEVEL, CHARACTER_SET = 0x00080052, 0x00080005

_LEVEL_OF: Mapping[int, Level] = {
    **dict.fromkeys(PATIENT_KEYS, Level.PATIENT),
    **dict.fromkeys(STUDY_KEYS, Level.STUDY),
    **dict.fromkeys(SERIES_KEYS, Level.SERIES),
    **dict.fromkeys(INSTANCE_KEYS, Level.IMAGE),
    **COMPUTED_KEYS,
    **COLUMN_KEYS,
}


def level_of(tag: int) -> Level | None:
    """The level an attribute describes, or None when nothing is kept of it."""
    return _LEVEL_OF.get(tag)


def supported_at(tag: int, level: Level) -> bool:
    """Whether answers at a level can carry an attribute: its own level, or one above."""
    own = level_of(tag)
    return own is not None and own.depth <= level.depth


def vr_of_tag(tag: int) -> str:
    """The VR of an attribute; "UN" when the dictionary does not know it."""
    try:
        return dictionary_VR(tag).split(" ")[0]
    except KeyError:
        return "UN"


def default_keys(level: Level) -> tuple[int, ...]:
    """All attributes with a column, or counted, that an answer at a level can carry."""
    return tuple(tag for tag in (*COLUMN_KEYS, *COMPUTED_KEYS) if supported_at(tag, level))
