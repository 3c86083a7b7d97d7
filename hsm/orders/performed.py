"""What a modality may say about a performed procedure step, and when. Pure.

Attributes are DICOM JSON. Required are those of type 1; those of type 2 may be absent as well as empty.
Source: PS3.4 F.7.2 and table F.7.2-1, PS3.7 sections 10.1.3 and 10.1.5.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from hsm.states import PERFORMED_TABLE, IllegalTransition, PerformedState, step

Attributes = Mapping[str, Any]
STATUS, STATION, MODALITY, SCHEDULED, SERIES = "00400252", "00400241", "00080060", "00400270", "00400340"
STUDY_UID, ACCESSION, STEP_ID, PATIENT_ID = "0020000D", "00080050", "00400009", "00100020"
STEP_NUMBER, BEGAN_ON, BEGAN_AT, ENDED_ON, ENDED_AT = "00400253", "00400244", "00400245", "00400250", "00400251"
SERIES_UID, CHARACTER_SET = "0020000E", "00080005"
FIRST = (SCHEDULED, STEP_NUMBER, STATION, BEGAN_ON, BEGAN_AT, STATUS, MODALITY)  # type 1 when a step begins
LAST = (ENDED_ON, ENDED_AT, SERIES)  # type 1 when it has ended
FIXED = frozenset({SCHEDULED, STEP_NUMBER, STATION, BEGAN_ON, BEGAN_AT, MODALITY, "00200010", "00400242", "00400243"})
_PATIENT = ("00100010", "00100020", "00100021", "00100030", "00100040")
NO_LONGER = 0xA710  # Error ID: PS3.4 table F.7.2-2


class Refusal(IntEnum):
    """Why a step is not created or changed: the status of the answer. Source: PS3.7 annex C."""

    INVALID_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    MISSING_ATTRIBUTE = 0x0120
    MISSING_VALUE = 0x0121


class StepRefused(Exception):
    """A performed step is not created or changed; the message says why. Nothing is changed."""

    def __init__(self, refusal: Refusal, why: str, key: str = "", error_id: int | None = None) -> None:
        super().__init__(why)
        self.refusal = refusal
        self.tag = int(key, 16) if key else None  # the offending element
        self.error_id = error_id


def begun(attributes: Attributes) -> Attributes:
    """The attributes of a new step. Raises: StepRefused."""
    for key in FIRST:
        _needed(attributes, key)
    if _text(attributes, STATUS) != PerformedState.IN_PROGRESS:
        raise StepRefused(Refusal.INVALID_VALUE, "a step begins with the status IN PROGRESS", STATUS)
    for item in attributes[SCHEDULED]["Value"]:
        _needed(item, STUDY_UID)
    return {key: value for key, value in attributes.items() if key != CHARACTER_SET}


def moved(state: PerformedState, before: Attributes, said: Attributes) -> tuple[PerformedState, Attributes]:
    """The state and the attributes after an N-SET. Raises: StepRefused."""
    if state is not PerformedState.IN_PROGRESS:
        why = f"the step is {state.value} and may no longer be updated"
        raise StepRefused(Refusal.PROCESSING_FAILURE, why, error_id=NO_LONGER)
    said = {key: value for key, value in said.items() if key != CHARACTER_SET}
    for key in (*sorted(FIXED), *_PATIENT):
        if key in said and said[key].get("Value", []) != before.get(key, {}).get("Value", []):
            raise StepRefused(Refusal.INVALID_VALUE, f"({key[:4]},{key[4:]}) may not be changed by N-SET", key)
    after = {**before, **said}
    wanted = _text(after, STATUS)
    try:
        state = step(PERFORMED_TABLE, state, wanted)
    except IllegalTransition:
        raise StepRefused(Refusal.INVALID_VALUE, f"{wanted[:16]!r} is no status of a step", STATUS) from None
    if state is not PerformedState.IN_PROGRESS:
        for key in LAST:
            _needed(after, key)
        for series in after[SERIES]["Value"]:
            _needed(series, SERIES_UID)
    return state, after


def named(attributes: Attributes) -> Sequence[tuple[str, str, str]]:
    """What a step says it works on: (Study Instance UID, accession number, ID of the scheduled step) each."""
    items = attributes.get(SCHEDULED, {}).get("Value", ())
    return [(_text(item, STUDY_UID), _text(item, ACCESSION), _text(item, STEP_ID)) for item in items]


def text_of(attributes: Attributes, key: str) -> str:
    """The first value of an attribute as a text; "" when there is none."""
    return _text(attributes, key)


def _text(attributes: Attributes, key: str) -> str:
    values = attributes.get(key, {}).get("Value") or ("",)
    return str(values[0] if values[0] is not None else "").strip()


def _needed(attributes: Attributes, key: str) -> None:
    name = f"({key[:4]},{key[4:]})"
    if key not in attributes:
        raise StepRefused(Refusal.MISSING_ATTRIBUTE, f"{name} is missing", key)
    if not [value for value in attributes[key].get("Value", ()) if value not in (None, "")]:
        raise StepRefused(Refusal.MISSING_VALUE, f"{name} has no value", key)
