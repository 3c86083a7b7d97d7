"""From an entry of the audit trail to a DICOM audit message. Pure.

What each action is called in the standard stands in one table. Patient names are in no message, patient IDs are where
the standard wants them.
Source: PS3.15 sections A.5.1 (schema) and A.5.3 (messages); PS3.16 CID 400 to 405.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from hsm.access.actor import Via
from hsm.catalog.audit import AuditOutcome, AuditRecord, ObjectKind

Code = tuple[str, str]  # value in the DICOM Controlled Terminology, and its meaning
APPLICATION, LAUNCHER = ("110150", "Application"), ("110151", "Application Launcher")
DESTINATION, SOURCE = ("110152", "Destination Role ID"), ("110153", "Source Role ID")
STUDY_UID, SOP_CLASS = ("110180", "Study Instance UID"), ("110181", "SOP Class UID")
_HOST_NAME, _IP_ADDRESS = "1", "2"


@dataclass(frozen=True)
class Meaning:
    """What an action is in the standard's terms."""

    event: Code
    action: str  # C, R, U, D, E
    type: Code | None = None


ACTIVITY, AUDIT_USED = ("110100", "Application Activity"), ("110101", "Audit Log Used")
BEGIN, ACCESSED = ("110102", "Begin Transferring DICOM Instances"), ("110103", "DICOM Instances Accessed")
TRANSFERRED, DELETED = ("110104", "DICOM Instances Transferred"), ("110105", "DICOM Study Deleted")
EXPORT, IMPORT, QUERY = ("110106", "Export"), ("110107", "Import"), ("110112", "Query")
ALERT, AUTHENTICATION = ("110113", "Security Alert"), ("110114", "User Authentication")
MEANINGS: Mapping[str, Meaning] = {
    "application_started": Meaning(ACTIVITY, "E", ("110120", "Application Start")),
    "application_stopped": Meaning(ACTIVITY, "E", ("110121", "Application Stop")),
    "audit_pruned": Meaning(AUDIT_USED, "D"),
    "sending_began": Meaning(BEGIN, "E"),
    "instances_sent": Meaning(TRANSFERRED, "R"),
    "instances_received": Meaning(TRANSFERRED, "C"),
    "queried": Meaning(QUERY, "E"),
    "study_deleted": Meaning(DELETED, "D"),
    "study_viewed": Meaning(ACCESSED, "R"),
    "study_looked_at": Meaning(ACCESSED, "R"),
    "export_wanted": Meaning(EXPORT, "R"),
    "read_foreign_wanted": Meaning(IMPORT, "C"),
    "import_wanted": Meaning(IMPORT, "C"),
    "signed_in": Meaning(AUTHENTICATION, "E", ("110122", "Login")),
    "sign_in_refused": Meaning(AUTHENTICATION, "E", ("110122", "Login")),
    "signed_out": Meaning(AUTHENTICATION, "E", ("110123", "Logout")),
    "token_refused": Meaning(AUTHENTICATION, "E", ("110122", "Login")),
    "association_refused": Meaning(ALERT, "E", ("110126", "Node Authentication")),
    "user_role_changed": Meaning(ALERT, "E", ("110136", "Security Roles Changed")),
}
# For actions that have no entry above, by what they were done to.
OF_KIND: Mapping[str, Meaning] = {
    ObjectKind.STUDY: Meaning(ACCESSED, "U"),
    ObjectKind.ACCOUNT: Meaning(ALERT, "E", ("110137", "User Security Attributes Changed")),
    ObjectKind.PEER: Meaning(ALERT, "E", ("110128", "Network Configuration")),
    ObjectKind.POLICY: Meaning(ALERT, "E", ("110131", "Software Configuration")),
    ObjectKind.NOTIFICATION: Meaning(ALERT, "E", ("110131", "Software Configuration")),
    ObjectKind.AUDIT: Meaning(AUDIT_USED, "R"),
    ObjectKind.PAGE: Meaning(ALERT, "E", ("110132", "Use of Restricted Function")),
}
HARDWARE = Meaning(ALERT, "E", ("110130", "Hardware Configuration"))  # volumes, drives, libraries, jobs


@dataclass(frozen=True)
class Station:
    """This archive, as messages name it."""

    ae_title: str
    house: str
    host: str


def meaning_of(entry: AuditRecord) -> Meaning:
    """What an entry is in the standard's terms."""
    return MEANINGS.get(entry.action) or OF_KIND.get(entry.kind) or HARDWARE


def message(entry: AuditRecord, station: Station, patient_id: str = "") -> bytes:
    """The message of one entry, as XML in UTF-8. `patient_id`: of the study that it is about, "" when not known."""
    meaning = meaning_of(entry)
    root = Element("AuditMessage")
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=meaning.action,
        EventDateTime=entry.at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator="0" if entry.outcome == AuditOutcome.SUCCESS else "4",
    )
    _code(event, "EventID", meaning.event)
    if meaning.type is not None:
        _code(event, "EventTypeCode", meaning.type)
    for participant in _participants(entry, meaning, station):
        root.append(participant)
    ours = SubElement(root, "AuditSourceIdentification", AuditSourceID=station.house)
    SubElement(ours, "AuditSourceTypeCode", {"csd-code": "4"})  # an application server process
    _objects(root, entry, meaning, patient_id)
    text: bytes = tostring(root, encoding="utf-8")
    return text


def _code(parent: Element, tag: str, code: Code, system: str = "DCM") -> None:
    value, meant = code
    SubElement(parent, tag, {"csd-code": value, "codeSystemName": system, "originalText": meant})


def _participants(entry: AuditRecord, meaning: Meaning, station: Station) -> list[Element]:
    us = _participant(station.ae_title, False, station.host, _HOST_NAME)
    address_type = _IP_ADDRESS if entry.address else ""
    asker = _participant(entry.actor or "unknown", True, entry.address, address_type)
    destination = str(entry.fields.get("destination", ""))
    if meaning.event == ACTIVITY:
        _code(us, "RoleIDCode", APPLICATION)
        _code(asker, "RoleIDCode", LAUNCHER)
        return [us, asker]
    if meaning.event in (BEGIN, TRANSFERRED) and meaning.action != "C":
        _code(us, "RoleIDCode", SOURCE)
        there = _participant(destination or entry.actor, False, "", "")
        _code(there, "RoleIDCode", DESTINATION)
        return [us, there] if destination in ("", entry.actor) else [us, there, asker]
    if meaning.event in (TRANSFERRED, QUERY, IMPORT):
        _code(asker, "RoleIDCode", SOURCE)
        _code(us, "RoleIDCode", DESTINATION)
        return [asker, us]
    if meaning.event == EXPORT:
        _code(us, "RoleIDCode", SOURCE)
        media = _participant(entry.object or "media", False, "", "")
        _code(media, "RoleIDCode", ("110154", "Destination Media"))
        return [asker, us, media]
    return [asker, us]


def _participant(user: str, asks: bool, address: str, address_type: str) -> Element:
    given = {"UserID": user, "UserIsRequestor": "true" if asks else "false"}
    if address_type:
        given |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": address_type}
    return Element("ActiveParticipant", given)


def _objects(root: Element, entry: AuditRecord, meaning: Meaning, patient_id: str) -> None:
    if meaning.event == QUERY:
        asked = _object(root, str(entry.fields.get("sop_class", "")), "2", "3", SOP_CLASS)
        SubElement(asked, "ParticipantObjectQuery").text = str(entry.fields.get("query", ""))
        _detail(asked, "TransferSyntax", str(entry.fields.get("transfer_syntax", "")))
    elif entry.kind == ObjectKind.STUDY:
        study = _object(root, entry.object, "2", "3", STUDY_UID)
        SubElement(study, "ParticipantObjectName").text = entry.object
        _told(study, entry)
        about = SubElement(study, "ParticipantObjectDescription")
        for uid, count in dict(entry.fields.get("sop_classes", {})).items():
            SubElement(about, "SOPClass", UID=str(uid), NumberOfInstances=str(count))
        if not len(about):
            study.remove(about)
        patient = _object(root, patient_id or "unknown", "1", "1", ("2", "Patient Number"), "RFC-3881")
        SubElement(patient, "ParticipantObjectName")
    elif entry.object and meaning.event not in (ACTIVITY, AUTHENTICATION):
        other = _object(root, entry.object, "2", "13" if meaning.event == ALERT else "3", ("12", "URI"), "RFC-3881")
        SubElement(other, "ParticipantObjectName").text = f"{entry.kind} {entry.object}"
        _told(other, entry)


def _object(root: Element, id_: str, kind: str, role: str, id_type: Code, system: str = "DCM") -> Element:
    found = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=id_,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _code(found, "ParticipantObjectIDTypeCode", id_type, system)
    return found


def _told(parent: Element, entry: AuditRecord) -> None:
    """What else the entry says: the action as Firn calls it, and its fields."""
    _detail(parent, "action", entry.action)
    _detail(parent, "via", Via(entry.via).value)
    for name, value in sorted(entry.fields.items()):
        if name != "sop_classes":
            _detail(parent, name, str(value))


def _detail(parent: Element, kind: str, value: str) -> None:
    SubElement(parent, "ParticipantObjectDetail", type=kind, value=base64.b64encode(value.encode()).decode("ascii"))
