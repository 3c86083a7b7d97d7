"""Which SOP classes and transfer syntaxes are served, and in which role.

Source: PS3.4 annexes A, B, C, F, J, K; PS3.6 annex A.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES
from pynetdicom.sop_class import _NON_PATIENT_OBJECT_CLASSES, _STORAGE_CLASSES

from hsm.query.model import Model

IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"  # the push model
WORKLIST = "1.2.840.10008.5.1.4.31"
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
MESSAGE_SYNTAXES = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})  # of identifiers
STORAGE_SYNTAXES = frozenset(str(uid) for uid in ALL_TRANSFER_SYNTAXES)
_STORAGE = frozenset(_STORAGE_CLASSES.values())
_NOT_PATIENTS = frozenset(_NON_PATIENT_OBJECT_CLASSES.values())  # hanging protocols and the like have no study


class Service(StrEnum):
    """What a presentation context is for."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMIT = "commit"
    WORKLIST = "worklist"
    PERFORMED = "performed"


_QUERY_RETRIEVE: Mapping[str, tuple[Service, Model]] = {
    f"1.2.840.10008.5.1.4.1.2.{root}.{what}": (service, model)
    for root, model in ((1, Model.PATIENT_ROOT), (2, Model.STUDY_ROOT), (3, Model.PATIENT_STUDY_ONLY))
    for what, service in ((1, Service.FIND), (2, Service.MOVE), (3, Service.GET))
}


@dataclass(frozen=True)
class Served:
    """A SOP class we provide."""

    service: Service
    model: Model | None = None


def served(sop_class_uid: str, unrestricted: bool) -> Served | None:
    """What we do with a SOP class, None when nothing."""
    if sop_class_uid == VERIFICATION:
        return Served(Service.ECHO)
    if sop_class_uid == COMMITMENT:
        return Served(Service.COMMIT)
    if sop_class_uid == WORKLIST:
        return Served(Service.WORKLIST)
    if sop_class_uid == PERFORMED_STEP:
        return Served(Service.PERFORMED)
    if sop_class_uid in _QUERY_RETRIEVE:
        return Served(*_QUERY_RETRIEVE[sop_class_uid])
    if is_storage(sop_class_uid):
        return Served(Service.STORE)
    known = UID(sop_class_uid).type != ""
    return Served(Service.STORE) if unrestricted and not known else None


def is_storage(sop_class_uid: str) -> bool:
    """Whether objects of a SOP class of the standard, retired ones included, belong to a study and can be stored."""
    if sop_class_uid in _STORAGE:
        return True
    if sop_class_uid in _NOT_PATIENTS or not sop_class_uid.startswith("1.2.840.10008.5.1.4.1.1."):
        return False
    uid = UID(sop_class_uid)
    return uid.type == "SOP Class" and "Storage" in uid.name


def picks(served_class: Served, proposed: list[str], unrestricted: bool) -> str | None:
    """The transfer syntax we take: the first proposed that we know, as peers put first what they like best."""
    if served_class.service is Service.STORE:
        if unrestricted:
            return proposed[0] if proposed else None
        return next((uid for uid in proposed if uid in STORAGE_SYNTAXES), None)
    return next((uid for uid in proposed if uid in MESSAGE_SYNTAXES), None)
