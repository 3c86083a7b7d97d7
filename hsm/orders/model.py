"""An order as everybody sees it, and what is wrong with one that somebody wrote. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from hsm.format.text import is_uid
from hsm.peers.model import ae_title_fault
from hsm.states import OrderState, PerformedState

DEFAULT_DURATION_S = 1800
LONGEST_DURATION_S = 86400
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
_SHORT, _LONG = 16, 64  # VR SH and LO: PS3.5 6.2
_LENGTHS: Mapping[str, int] = {
    "accession_number": _SHORT,
    "procedure_id": _SHORT,
    "step_id": _SHORT,
    "procedure_code": _SHORT,
    "procedure_scheme": _SHORT,
    "station_name": _SHORT,
    "location": _SHORT,
    "patient_id": _LONG,
    "issuer": _LONG,
    "procedure": _LONG,
    "placer_number": _LONG,
    "filler_number": _LONG,
}
_NAMES = ("patient_name", "performing_physician", "referring_physician")


@dataclass(frozen=True)
class OrderFields:
    """What is ordered: one scheduled procedure step of one patient. Empty text for what nobody said."""

    patient_id: str
    modality: str
    scheduled_at: datetime
    issuer: str = ""
    patient_name: str = ""  # as PN: groups with = between them
    birth_date: date | None = None
    sex: str = ""
    accession_number: str = ""
    placer_number: str = ""
    filler_number: str = ""
    study_instance_uid: str = ""
    procedure_id: str = ""
    procedure: str = ""
    procedure_code: str = ""
    procedure_scheme: str = ""
    step_id: str = ""
    body_part: str = ""
    station_aet: str = ""
    station_name: str = ""
    location: str = ""
    performing_physician: str = ""
    referring_physician: str = ""
    duration_s: int = DEFAULT_DURATION_S


FIELD_NAMES = tuple(field.name for field in fields(OrderFields))
NEEDED = ("patient_id", "modality", "scheduled_at")


@dataclass(frozen=True)
class OrderRecord:
    """One order of the catalog."""

    id: int
    state: OrderState
    fields: OrderFields
    source: str
    why: str  # it was cancelled
    version: int  # of what a form was filled with
    created_at: datetime
    changed_at: datetime
    changed_by: str
    ended_at: datetime | None

    @property
    def ends_at(self) -> datetime:
        """When the appointment is over, as planned."""
        return self.fields.scheduled_at + timedelta(seconds=self.fields.duration_s)


@dataclass(frozen=True)
class PerformedRecord:
    """One performed procedure step of the catalog."""

    sop_instance_uid: str
    state: PerformedState
    order_id: int | None
    study_instance_uid: str
    accession_number: str
    patient_id: str
    modality: str
    station_aet: str
    attributes: Mapping[str, Any]
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None


class Doing(StrEnum):
    """What a message wants done with an order."""

    NEW = "new"
    CHANGE = "change"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    START = "start"
    COMPLETE = "complete"


@dataclass(frozen=True)
class OrderChange:
    """One order of a message: which it is, and the fields that were said. Those that were not stay as they are."""

    doing: Doing
    values: Mapping[str, Any]
    why: str = ""


@dataclass(frozen=True)
class PatientChange:
    """What was said about a patient; with `prior_id` two identities are one from now on."""

    patient_id: str
    issuer: str
    values: Mapping[str, Any]  # of patient_name, birth_date, sex: those that were said
    prior_id: str = ""
    prior_issuer: str = ""


class OrderRefused(Exception):
    """An order cannot be kept as asked; the message says why, `faults` names the fields. Nothing is changed."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


def made(values: Mapping[str, Any]) -> OrderFields:
    """A new order of what was said. Raises: OrderRefused with every fault."""
    missing = {name: f"{_words(name)} is missing." for name in NEEDED if not values.get(name)}
    if missing:
        raise OrderRefused(missing)
    return checked(OrderFields(**{name: value for name, value in values.items() if name in FIELD_NAMES}))


def changed(before: OrderFields, values: Mapping[str, Any]) -> OrderFields:
    """The order with other values. Raises: OrderRefused with every fault."""
    empty = {name: f"{_words(name)} cannot be taken away." for name in NEEDED if name in values and not values[name]}
    if empty:
        raise OrderRefused(empty)
    return checked(replace(before, **{name: value for name, value in values.items() if name in FIELD_NAMES}))


def checked(order: OrderFields) -> OrderFields:
    """The same order if a modality can be told of it. Raises: OrderRefused with every fault. Source: PS3.5 6.2."""
    faults: dict[str, str] = {}
    for name, longest in _LENGTHS.items():
        if fault := _text_fault(getattr(order, name), longest):
            faults[name] = f"{_words(name)} {fault}"
    for name in _NAMES:
        groups = getattr(order, name).split("=")
        if len(groups) > 3 or any(_text_fault(group, _LONG) for group in groups):
            faults[name] = f"{_words(name)} has up to three groups of 64 characters, with = between them."
    for name in ("modality", "body_part", "sex"):
        if not _CODE_STRING.fullmatch(getattr(order, name)):
            faults[name] = f"{_words(name)} has up to 16 capital letters, digits, blanks or underscores."
    if order.station_aet and (fault := ae_title_fault(order.station_aet)):
        faults["station_aet"] = fault
    if order.study_instance_uid and not is_uid(order.study_instance_uid):
        faults["study_instance_uid"] = "Study Instance UID is no UID."
    if not 0 < order.duration_s <= LONGEST_DURATION_S:
        faults["duration_s"] = "An appointment takes between a second and a day."
    if order.scheduled_at.tzinfo is None:
        faults["scheduled_at"] = "The time of an appointment needs a zone."
    if faults:
        raise OrderRefused(faults)
    return order


def _text_fault(text: str, longest: int) -> str:
    if len(text) > longest:
        return f"has at most {longest} characters."
    if "\\" in text or any(ord(character) < 32 or ord(character) == 127 for character in text):
        return "has no backslash and no control characters."
    return ""


def _words(name: str) -> str:
    special = {"scheduled_at": "The time of the appointment", "study_instance_uid": "Study Instance UID"}
    return special.get(name, name.replace("_id", " ID").replace("_", " ").capitalize())


def differing(before: OrderFields, after: OrderFields) -> Collection[str]:
    """The names of the fields that differ, in their order."""
    return [name for name in FIELD_NAMES if getattr(before, name) != getattr(after, name)]
