"""From HL7 v2 messages to what they want done: orders (ORM^O01, OMG^O19, OMI^O23), patients (ADT^A08, ADT^A40). Pure.

Source: HL7 v2.5.1 chapters 3 and 4; IHE RAD TF-2 sections 4.2 to 4.4, 4.12 (which identifier stands where).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise
from typing import Any

from hsm.orders.hl7_text import NULL, Message, MessageInvalid, Segment, moment, person
from hsm.orders.model import Doing, OrderChange, PatientChange
from hsm.values import date_of

ORDERS = frozenset({("ORM", "O01"), ("OMG", "O19"), ("OMI", "O23")})
PATIENTS = frozenset({("ADT", "A08"), ("ADT", "A40")})
VERSIONS = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8")
_DOING: Mapping[str, Doing] = {
    "NW": Doing.NEW,
    "XO": Doing.CHANGE,
    "XX": Doing.CHANGE,
    "RP": Doing.CHANGE,
    "SN": Doing.NEW,
    "CA": Doing.CANCEL,
    "OC": Doing.CANCEL,
    "DC": Doing.DISCONTINUE,
    "OD": Doing.DISCONTINUE,
}
_BY_STATUS: Mapping[str, Doing] = {  # ORC-1 is SC: what ORC-5 says. HL7 table 0038
    "SC": Doing.CHANGE,
    "IP": Doing.START,
    "A": Doing.START,
    "CM": Doing.COMPLETE,
    "CA": Doing.CANCEL,
    "DC": Doing.DISCONTINUE,
}
_DURATIONS = {"S": 1, "M": 60, "H": 3600, "D": 86400}
_COUNT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class Wishes:
    """What a message wants done."""

    orders: tuple[OrderChange, ...] = ()
    patients: tuple[PatientChange, ...] = ()


def wishes(message: Message, zone: tzinfo) -> Wishes:
    """What a message wants. Times without an offset are meant in that of MSH-7, or in `zone`.

    Raises: MessageInvalid, with what to answer.
    """
    header = message.header
    if not header.control_id:
        raise MessageInvalid("the message has no control ID", "AR", 101, "MSH^10")
    if header.processing_id not in ("", "P"):
        raise MessageInvalid(f"processing ID {header.processing_id[:8]} is for tests", "AR", 202, "MSH^11")
    if header.version and not header.version.startswith(VERSIONS):
        raise MessageInvalid(f"version {header.version[:16]} is not understood", "AR", 203, "MSH^12")
    kind = (header.code, header.trigger)
    zone = header.zone or zone
    if kind in ORDERS:
        patient = _patient(message.first("PID"))
        visit = next(message.all("PV1"), None)
        made = tuple(_order(group, patient, visit, zone) for group in _groups(message))
        if not made:
            raise MessageInvalid("the message has no order (ORC segment)", code=100, where="ORC")
        return Wishes(orders=made)
    if kind in PATIENTS:
        return Wishes(patients=tuple(_patient_changes(message, merge=header.trigger == "A40")))
    known = {code for code, _ in ORDERS | PATIENTS}
    code = 201 if header.code in known else 200
    raise MessageInvalid(f"messages {header.kind[:16]} are not taken here", "AR", code, "MSH^9")


# -- patients --------------------------------------------------------------------------------------------------------


def _identity(segment: Segment, field: int) -> tuple[str, str]:
    """The ID and who assigned it: the repetition that is a medical record number, or the first."""
    found = [
        (segment(field, 1, r), segment(field, 4, r), segment(field, 5, r))
        for r in range(1, segment.repetitions(field) + 1)
    ]
    best = next((one for one in found if one[2] in ("MR", "PI") and one[0]), found[0])
    return ("" if best[0] == NULL else best[0]), ("" if best[1] == NULL else best[1])


def _patient(pid: Segment) -> dict[str, Any]:
    patient_id, issuer = _identity(pid, 3)
    if not patient_id:
        raise MessageInvalid("the patient has no ID", code=101, where="PID^1^3")
    return {"patient_id": patient_id, "issuer": issuer, **_demographics(pid)}


def _demographics(pid: Segment) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if pid.said(5):
        said["patient_name"] = person(pid, 5)
    if pid.said(7):
        day = pid(7)
        said["birth_date"] = None if day == NULL else date_of(day[:8])
        if said["birth_date"] is None and day != NULL:
            raise MessageInvalid(f"{day[:16]!r} is no birth date", code=102, where="PID^1^7")
    if pid.said(8):
        said["sex"] = {"M": "M", "F": "F", "O": "O", NULL: ""}.get(pid(8), "O")
    return said


def _patient_changes(message: Message, merge: bool) -> Iterator[PatientChange]:
    segments = [segment for segment in message.segments if segment.name in ("PID", "MRG")]
    if not any(segment.name == "PID" for segment in segments):
        message.first("PID")
    if not merge:
        for pid in (segment for segment in segments if segment.name == "PID"):
            patient = _patient(pid)
            yield PatientChange(patient.pop("patient_id"), patient.pop("issuer"), patient)
        return
    pairs = [(a, b) for a, b in pairwise(segments) if (a.name, b.name) == ("PID", "MRG")]
    if not pairs:
        raise MessageInvalid("a merge needs a PID segment with an MRG segment behind it", code=100, where="MRG")
    for pid, mrg in pairs:
        patient = _patient(pid)
        prior_id, prior_issuer = _identity(mrg, 1)
        if not prior_id:
            raise MessageInvalid("the merge does not name the ID that is given up", code=101, where="MRG^1^1")
        yield PatientChange(patient.pop("patient_id"), patient.pop("issuer"), patient, prior_id, prior_issuer)


# -- orders ----------------------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """An ORC with what follows it up to the next."""

    orc: Segment
    rest: list[Segment]

    def first(self, name: str) -> Segment | None:
        return next((segment for segment in self.rest if segment.name == name), None)


def _groups(message: Message) -> list[_Group]:
    groups: list[_Group] = []
    for segment in message.segments:
        if segment.name == "ORC":
            groups.append(_Group(segment, []))
        elif groups:
            groups[-1].rest.append(segment)
    return groups


def _order(group: _Group, patient: Mapping[str, Any], visit: Segment | None, zone: tzinfo) -> OrderChange:
    orc, obr, ipc = group.orc, group.first("OBR"), group.first("IPC")
    doing = _doing(orc)
    values: dict[str, Any] = dict(patient)

    def put(name: str, segment: Segment | None, field: int, component: int = 1, take: Callable[..., Any] = str) -> None:
        """Set a field to what is said; a later call overrules an earlier one, and what is not said changes nothing."""
        if segment is None or not segment.said(field):
            return
        text = segment(field, component)
        if text:
            values[name] = "" if text == NULL else take(text)

    for segment in (obr, orc):
        put("placer_number", segment, 2)
        put("filler_number", segment, 3)
    if not values.get("placer_number") and not values.get("filler_number"):
        raise MessageInvalid("the order has no number of its placer or filler", code=101, where="ORC^1^2")
    put("accession_number", obr, 18)
    put("procedure_id", obr, 19)
    put("step_id", obr, 20)
    put("modality", obr, 24, take=str.upper)
    put("procedure_code", obr, 4)
    put("procedure", obr, 4, 2)
    put("procedure_scheme", obr, 4, 3)
    put("body_part", obr, 15, 4, take=_code)
    put("study_instance_uid", group.first("ZDS"), 1)
    for name, field, component in (
        *(("accession_number", 1, 1), ("procedure_id", 2, 1), ("study_instance_uid", 3, 1), ("step_id", 4, 1)),
        *(("modality", 5, 1), ("station_name", 7, 1), ("location", 8, 1), ("station_aet", 9, 1)),
    ):
        put(name, ipc, field, component)
    put("location", visit, 3)
    if obr is not None and obr.said(34):
        values["performing_physician"] = f"{obr(34, sub=2)}^{obr(34, sub=3)}".strip("^")
    for segment, field in ((visit, 8), (obr, 16), (orc, 12)):
        if segment is not None and segment.said(field):
            values["referring_physician"] = person(segment, field, 2)
            break
    values |= _when(group, zone)
    return OrderChange(doing, values, orc(16, 2) or orc(16))


def _doing(orc: Segment) -> Doing:
    control, status = orc(1), orc(5)
    if control == "SC":
        doing = _BY_STATUS.get(status)
        if doing is None:
            raise MessageInvalid(
                f"order status {status[:8] or 'without a value'} is not known", code=103, where="ORC^1^5"
            )
        return doing
    found = _DOING.get(control)
    if found is None:
        raise MessageInvalid(
            f"order control {control[:8] or 'without a value'} is not taken", code=103, where="ORC^1^1"
        )
    return found


def _when(group: _Group, zone: tzinfo) -> dict[str, Any]:
    """The time of the appointment and how long it takes: TQ1, or the quantity/timing of older versions."""
    tq1, obr, orc = group.first("TQ1"), group.first("OBR"), group.orc
    places: Sequence[tuple[Segment | None, int, int, str]] = (
        (tq1, 7, 1, "TQ1^1^7"),
        (orc, 7, 4, "ORC^1^7"),
        (obr, 27, 4, "OBR^1^27"),
        (obr, 36, 1, "OBR^1^36"),
    )
    said: dict[str, Any] = {}
    for segment, field, component, where in places:
        text = segment(field, component) if segment is not None else ""
        if text and text != NULL:
            said["scheduled_at"] = moment(text, zone, where)
            break
    duration = tq1(6) if tq1 is not None else ""
    unit = (tq1(6, 2) or "min") if tq1 is not None else ""
    if _COUNT.fullmatch(duration) and unit[:1].upper() in _DURATIONS:
        said["duration_s"] = int(duration) * _DURATIONS[unit[:1].upper()]
    elif orc(7, 3)[:1] in _DURATIONS and _COUNT.fullmatch(orc(7, 3)[1:]):
        said["duration_s"] = int(orc(7, 3)[1:]) * _DURATIONS[orc(7, 3)[0]]
    return said


def _code(text: str) -> str:
    """A text as a code string: body parts are told in many ways."""
    return "".join(c if c.isalnum() and c.isascii() else " " for c in text.upper())[:16].strip()
