"""The words of a query: levels, information models, conditions, and what can be wrong with a question.

Source: PS3.4 C.3 and C.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hsm.query.matching import Match, MomentRange


class Level(StrEnum):
    """What one answer describes, from the top of the hierarchy down."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @property
    def depth(self) -> int:
        """0 for the patient, 3 for the instance."""
        return LEVELS.index(self)


LEVELS = tuple(Level)
UNIQUE_KEYS: Mapping[Level, int] = {  # PS3.4 tables C.6-1 to C.6-5
    Level.PATIENT: 0x00100020,
    Level.STUDY: 0x0020000D,
    Level.SERIES: 0x0020000E,
    Level.IMAGE: 0x00080018,
}


class Model(StrEnum):
    """An information model of query and retrieve."""

    PATIENT_ROOT = "patient_root"
    STUDY_ROOT = "study_root"
    PATIENT_STUDY_ONLY = "patient_study_only"  # retired, still asked for

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that can be asked for, from the top."""
        if self is Model.PATIENT_ROOT:
            return LEVELS
        return LEVELS[1:] if self is Model.STUDY_ROOT else LEVELS[:2]


IDENTIFIER_DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000


class QueryInvalid(Exception):
    """The identifier breaks a rule of the information model; the message says which, in at most 64 characters."""

    def __init__(self, message: str, status: int = IDENTIFIER_DOES_NOT_MATCH, tag: int | None = None) -> None:
        super().__init__(message[:64])
        self.status = status
        self.tag = tag  # the offending element


@dataclass(frozen=True)
class Condition:
    """One key that must match."""

    tag: int
    match: Match


@dataclass(frozen=True)
class Wanted:
    """One key to be returned; for a sequence the keys inside it, none meaning all."""

    tag: int
    vr: str
    inside: tuple["Wanted", ...] = ()


@dataclass(frozen=True)
class Query:
    """A question that keeps all rules."""

    level: Level
    conditions: tuple[Condition, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    character_set: tuple[str, ...] = field(default=())  # the asker's
    study_moments: MomentRange | None = None  # study date and time as one range, where that was negotiated


@dataclass(frozen=True)
class Retrieval:
    """What a C-MOVE or C-GET asks for. Empty means all there are below the level above."""

    level: Level
    patient_id: str | None = None
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    sop_uids: tuple[str, ...] = ()
