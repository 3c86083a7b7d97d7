"""What a plan consists of. An action is a wish with its reason; whether it is safe is proved again when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drivers.base import Barcode
from hsm.facts import StudyUid


@dataclass(frozen=True)
class CopyAction:
    """Make one copy of every pack of a study that the pool does not have yet; unpacked instances are packed first."""

    study_instance_uid: StudyUid
    pool: str
    size_bytes: int  # of what is missing there; unpacked instances are estimated
    packs_missing: int  # unpacked instances count as one
    needs_recall: bool  # some of it is not on disk and has to be read from another volume first
    rule: str
    line: int
    reason: str
    compress: str = ""  # how unpacked instances are compressed before; size_bytes is what is expected after that
    saves_bytes: int = 0  # about so much less than it would be uncompressed


@dataclass(frozen=True)
class VerifyAction:
    """Read one copy back."""

    study_instance_uid: StudyUid
    copy_id: int
    barcode: Barcode
    avoid_drive: str | None  # serial number of the drive that wrote it, or could not read it: better another one
    size_bytes: int
    rule: str  # "" when no rule is needed: what was written is always read back
    line: int
    reason: str


@dataclass(frozen=True)
class ReleaseAction:
    """Take a study off the disk, once its copies are proved again."""

    study_instance_uid: StudyUid
    copies_needed: int
    kinds_needed: int
    size_bytes: int  # on disk now
    rule: str
    line: int
    reason: str


@dataclass(frozen=True)
class PinAction:
    """Keep a study on disk until a time."""

    study_instance_uid: StudyUid
    until: datetime
    size_bytes: int
    rule: str
    line: int
    reason: str


Planned = CopyAction | VerifyAction | ReleaseAction | PinAction


@dataclass(frozen=True)
class Problem:
    """Something the rules ask for and nobody can do without a person."""

    study_instance_uid: StudyUid | None  # None: it concerns more than one study
    sentence: str


@dataclass(frozen=True)
class Done:
    """What was carried out for one rule since midnight."""

    studies: int = 0
    size_bytes: int = 0


DoneToday = Mapping[str, Done]  # by rule name


@dataclass(frozen=True)
class Count:
    """How many actions, how many bytes."""

    actions: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class PoolTotal:
    """What a plan would write to one pool."""

    studies: int
    packs: int
    size_bytes: int
    volumes: int  # estimated, as if beginning with empty ones


@dataclass(frozen=True)
class Totals:
    """A plan in figures."""

    studies: int = 0  # with at least one action
    size_bytes: int = 0  # moved: copied, read back and released; pins move nothing
    copy: Count = Count()
    verify: Count = Count()
    release: Count = Count()
    pin: Count = Count()
    pools: Mapping[str, PoolTotal] = field(default_factory=dict)
    saved_bytes: int = 0  # about so much less is written because of lossless compression


@dataclass(frozen=True)
class Plan:
    """Everything the rules ask for at one moment."""

    copies: tuple[CopyAction, ...] = ()
    verifies: tuple[VerifyAction, ...] = ()
    releases: tuple[ReleaseAction, ...] = ()  # longest unused first
    pins: tuple[PinAction, ...] = ()
    problems: tuple[Problem, ...] = ()
    held_back: Mapping[str, int] = field(default_factory=dict)  # rule name: actions that its limits left for later
    capped_releases: int = 0  # left out because of max_releases: a person should look before it goes on
    space_needed: bool = False
    totals: Totals = field(default_factory=Totals)

    @property
    def actions(self) -> tuple[Planned, ...]:
        """All actions: pins first, so that what they protect is protected."""
        return (*self.pins, *self.copies, *self.verifies, *self.releases)
