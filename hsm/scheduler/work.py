"""What the scheduler is told, and what it answers: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from drivers.base import Barcode, MediumKind
from hsm.states import JobKind, Place, VolumeState


class Purpose(StrEnum):
    """What a volume is mounted for."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Candidate:
    """One place where a work can be read (or the blank volume that is to be labelled)."""

    barcode: Barcode
    address: int | None  # as the drive gave it: block of a tape, or None
    doubtful: bool = False  # a suspect copy: read only when there is no other


@dataclass(frozen=True)
class QueuedWork:
    """One job that needs a drive. Recalls, verifications and repacks have candidates, migrations a pool."""

    job_id: int
    kind: JobKind
    created_at: datetime
    size_bytes: int
    candidates: tuple[Candidate, ...] = ()
    pool: str | None = None
    not_on: frozenset[Barcode] = frozenset()  # migrate: volumes that already hold a copy of the pack, good or bad
    avoid_drive: str | None = None  # serial number of the drive that should not do it if another can
    due_at: datetime | None = None  # a recall that nobody waits for yet: by when it should be done

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for it: a recall that is not due at some later time."""
        return self.kind is JobKind.RECALL and self.due_at is None


@dataclass(frozen=True)
class IdleDrive:
    """A drive that could begin now."""

    library: str
    index: int
    serial: str
    kind: MediumKind
    generation: str  # its model, for example "LTO-8"; "" when unknown
    loaded: Barcode | None
    served_last: JobKind | None = None  # the most urgent kind of its last assignment, where known
    recalls_only: bool = False  # a person keeps it for recalls


@dataclass(frozen=True)
class BusyDrive:
    """A drive at work."""

    library: str
    index: int
    serial: str
    kind: MediumKind
    generation: str
    barcode: Barcode | None
    serving: JobKind  # the most urgent kind of its assignment
    free_at: datetime  # estimated
    recalls_only: bool = False
    waited_for: bool = True  # False: its recalls are due at some time, and nobody waits for them


@dataclass(frozen=True)
class VolumeFacts:
    """One volume as far as scheduling goes."""

    barcode: Barcode
    kind: MediumKind
    generation: str  # of the medium; "" when nobody has looked yet
    library: str | None
    pool: str | None  # for a blank one: the pool that would label it by itself
    state: VolumeState
    place: Place
    location: str  # shelf or vault, in words
    capacity_bytes: int
    free_bytes: int  # what may still be written, the pool's reserve left out
    end_address: int | None
    mounted_in: str | None  # serial number of a drive
    busy: bool


@dataclass(frozen=True)
class Settings:
    """How the scheduler weighs things. Each has a reason in README.md."""

    reserve_recall_drives: int = 0  # drives of each library and kind that only serve recalls
    head_start: Mapping[JobKind, timedelta] = field(
        default_factory=lambda: {
            JobKind.RECALL: timedelta(0),
            JobKind.SCAN: timedelta(minutes=10),
            JobKind.LABEL: timedelta(minutes=10),
            JobKind.MIGRATE: timedelta(hours=4),
            JobKind.VERIFY: timedelta(hours=12),
            JobKind.REPACK: timedelta(hours=24),
        }
    )
    hurry: timedelta = timedelta(hours=4)  # so long before it is due a recall counts as asked for
    batch_s: float = 1800.0  # reading that is no recall, in one assignment
    most_works: int = 200  # in one assignment
    avoid_wait_s: float = 900.0  # how long a verification waits for another drive than the writer's
    open_another_after_s: float = 3600.0  # how long a migration waits for a filling volume that is in use
    disc_fill_pct: float = 92.0  # of a disc that packs may take; the rest is for its tree (and recovery data, if made)
    by_hand: frozenset[str] = frozenset()  # libraries without a robot: a drive can only use what a person put into it


@dataclass(frozen=True)
class Assignment:
    """One mount: a drive, a volume, and the works in the order they are to be done."""

    drive: IdleDrive
    barcode: Barcode
    purpose: Purpose
    works: tuple[QueuedWork, ...]
    duration_s: float  # estimated, from now until the last work is done; the volume stays mounted
    reason: str


@dataclass(frozen=True)
class Eta:
    """When a work will be done, by what is known now."""

    ready_at: datetime
    position: int  # in the order in which works will be done, from 1
    barcode: Barcode | None  # None while it is not decided
    phase: str  # in words


@dataclass(frozen=True)
class Stuck:
    """A work nobody can do now, and why."""

    job_id: int
    needs_operator: bool  # a person must bring or supply a volume
    barcode: Barcode | None
    reason: str


@dataclass(frozen=True)
class Schedule:
    """What idle drives do now, when everything will be done, and what nobody can do."""

    assignments: tuple[Assignment, ...]
    etas: Mapping[int, Eta]  # by job id; every work that is not stuck
    stuck: tuple[Stuck, ...]
