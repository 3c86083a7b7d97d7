"""The four roles and what each may do, on one screen. Pages, commands and the API ask for rights, never for roles."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is here for."""

    VIEWER = "viewer"  # looks, and changes nothing
    STAFF = "staff"  # wants studies back
    ARCHIVIST = "archivist"  # decides what is kept where and for how long
    ADMINISTRATOR = "administrator"  # answers for devices, people and the whole house


class Right(StrEnum):
    """One kind of thing that can be done."""

    METRICS = "metrics"  # read figures about the house as a whole; no patient, no study
    LOOK = "look"  # see studies, volumes, jobs, rules, events
    RECALL = "recall"  # have studies brought back, take such a wish back
    STORE = "store"  # send studies in
    RULES = "rules"  # publish rules, place and lift holds
    MEDIA = "media"  # label, import, export, move, retire, verify volumes
    ADMINISTER = "administer"  # people, drives, peers, settings


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.METRICS, Right.LOOK}),
    Role.STAFF: frozenset({Right.METRICS, Right.LOOK, Right.RECALL, Right.STORE}),
    Role.ARCHIVIST: frozenset({Right.METRICS, Right.LOOK, Right.RECALL, Right.STORE, Right.RULES, Right.MEDIA}),
    Role.ADMINISTRATOR: frozenset(Right),
}


def may(role: Role, right: Right) -> bool:
    """Whether a role has a right."""
    return right in RIGHTS[role]
