"""When the safekeeping of an object may be promised. Pure: facts in, verdict out.

Source: PS3.4 annex J.3.3; failure reasons in PS3.3 C.14.1.1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from hsm.states import Place


class Level(StrEnum):
    """How safe an object must be before a peer may forget its own."""

    DISK = "disk"  # durable here, wherever
    TWO_COPIES = "two_copies"  # read back from two volumes
    TWO_SITES = "two_sites"  # read back from two volumes, one of which is in a vault


_WEB = "web\\"  # no AE title holds a backslash


def web_asker(name: str) -> str:
    """What stands in place of an AE title for somebody who asks over the web."""
    return f"{_WEB}{name}"[:64]


def asked_over_web(asker: str) -> bool:
    """Whether who asked looks for the answer itself, and is not told."""
    return asker.startswith(_WEB)


class Reason(IntEnum):
    """Why an object is not committed."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT = 0x0112
    RESOURCE_LIMITATION = 0x0213  # the level was not reached in time
    CLASS_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION = 0x0131


@dataclass(frozen=True)
class Reference:
    """One object that a peer asks about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class FileSet:
    """The volume a person would look for, by what is printed on it."""

    file_set_id: str
    file_set_uid: str  # "" when the volume has none


@dataclass(frozen=True)
class Held:
    """What the archive has of an object."""

    sop_class_uid: str
    online: bool
    verified: Mapping[str, Place] = field(default_factory=dict)  # barcode of each volume it was read back from
    file_set: FileSet | None = None  # for what is not on disk


@dataclass(frozen=True)
class Committed:
    """An object whose safekeeping is promised."""

    reference: Reference
    file_set: FileSet | None = None


@dataclass(frozen=True)
class Refused:
    """An object whose safekeeping is not promised."""

    reference: Reference
    reason: Reason


@dataclass(frozen=True)
class Verdict:
    """The answer to a request; `waiting` objects are on their way to their level, so it is not final."""

    committed: tuple[Committed, ...]
    refused: tuple[Refused, ...]
    waiting: int = 0

    @property
    def final(self) -> bool:
        """Whether it may be told."""
        return not self.waiting


def reached(held: Held, level: Level) -> bool:
    """Whether an object is as safe as a level asks for."""
    match level:
        case Level.DISK:
            return held.online or bool(held.verified)
        case Level.TWO_COPIES:
            return len(held.verified) >= 2
        case Level.TWO_SITES:
            return len(held.verified) >= 2 and Place.VAULT in held.verified.values()


def decide(
    references: Sequence[Reference],
    held: Mapping[str, Held],
    level: Level,
    asked_at: datetime,
    now: datetime,
    patience: timedelta,
) -> Verdict:
    """What is true of each object now, in the order it was asked; `held` is by SOP Instance UID.

    What is not here at all is refused at once; what has not reached its level is waited for, until `patience` is over.
    """
    committed: list[Committed] = []
    refused: list[Refused] = []
    waiting = 0
    for reference in references:
        found = held.get(reference.sop_instance_uid)
        if found is None:
            refused.append(Refused(reference, Reason.NO_SUCH_OBJECT))
        elif found.sop_class_uid != reference.sop_class_uid:
            refused.append(Refused(reference, Reason.CLASS_CONFLICT))
        elif reached(found, level):
            committed.append(Committed(reference, found.file_set))
        elif now - asked_at >= patience:
            refused.append(Refused(reference, Reason.RESOURCE_LIMITATION))
        else:
            waiting += 1
    return Verdict(tuple(committed), tuple(refused), waiting)


def next_try_at(now: datetime, tries: int, first_s: float = 30.0, longest_s: float = 3600.0) -> datetime:
    """When an answer that could not be delivered is tried again, after so many tries in vain."""
    return now + timedelta(seconds=min(longest_s, first_s * 2 ** min(tries - 1, 20)))
