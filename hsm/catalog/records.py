"""The facts that only the catalog's callers need, beside those in hsm/facts.py: frozen, without behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from drivers.base import Barcode, MediumKind
from hsm.facts import JobRecord, Member, PoolFile, StoredInstance, StudyUid
from hsm.format.study_json import PackedInstance
from hsm.states import Availability, CopyState, DriveState, JobKind, Place, RequestState


class OutcomeKind(StrEnum):
    """What became of something that arrived."""

    ACCEPTED = "accepted"
    ALREADY_STORED = "already_stored"  # same content: success, and the new file is not needed
    CONFLICT = "conflict"  # same UID, other content or other study: the new file goes to quarantine
    REPLACED = "replaced"  # the new file is in the catalog, the old one goes to quarantine


@dataclass(frozen=True)
class Outcome:
    """What became of one arrival."""

    kind: OutcomeKind
    existing: StoredInstance | None = None  # the row that was there before
    why: str = ""  # of a conflict, in a sentence


@dataclass(frozen=True)
class QuarantinedFile:
    """Something that was sent and could not be accepted."""

    id: int
    at: datetime
    path: str
    reason: str
    sop_instance_uid: str
    source_aet: str
    size_bytes: int


@dataclass(frozen=True)
class StudyRecord:
    """One study as the catalog knows it."""

    id: int
    study_instance_uid: StudyUid
    patient_id: str
    issuer: str
    patient_name: str
    study_date: date | None
    study_time: str
    accession_number: str
    description: str
    institution: str
    modalities: tuple[str, ...]
    source_aet: str
    received_at: datetime
    changed_at: datetime
    accessed_at: datetime | None
    pinned_until: datetime | None
    series_count: int
    instance_count: int
    size_bytes: int


@dataclass(frozen=True)
class StudyCopy:
    """All that one volume holds of one study."""

    kind: MediumKind
    pool: str
    volume: Barcode | None  # None while no volume is assigned
    state: CopyState  # the worst of its packs there
    packs: int
    verified_at: datetime | None  # the oldest of its packs there; None when one was never verified


@dataclass(frozen=True)
class StudySummary:
    """One line of a list of studies."""

    study: StudyRecord
    availability: Availability
    copies: tuple[StudyCopy, ...]

    def as_json(self) -> dict[str, Any]:
        """The line as `firn studies --json` prints it."""
        return {
            "study_instance_uid": self.study.study_instance_uid,
            "patient_id": self.study.patient_id,
            "modalities": list(self.study.modalities),
            "instances": self.study.instance_count,
            "size_bytes": self.study.size_bytes,
            "availability": self.availability.value,
            "copies": [
                {
                    "kind": copy.kind.value,
                    "volume": copy.volume,
                    "state": copy.state.value,
                    "verified_at": copy.verified_at.isoformat() if copy.verified_at else None,
                }
                for copy in self.copies
            ],
        }


@dataclass(frozen=True)
class StudyVolume:
    """A volume that part of a study must be read from."""

    barcode: Barcode
    uuid: str | None  # of a disc: its File-set UID belongs to it
    kind: MediumKind
    place: Place
    location: str


@dataclass(frozen=True)
class CatalogCounts:
    """How much there is."""

    patients: int
    studies: int
    series: int
    instances: int
    size_bytes: int
    online_instances: int
    online_bytes: int
    packs: int
    copies: Mapping[CopyState, int]


@dataclass(frozen=True)
class UnpackedInstance:
    """One instance no pack holds yet."""

    instance_id: int
    file: PoolFile | None
    packed: PackedInstance  # all that a pack must say about it


@dataclass(frozen=True)
class UnpackedStudy:
    """What of a study no pack holds yet, in pack order."""

    study_instance_uid: StudyUid
    received_at: datetime
    changed_at: datetime
    source_aet: str
    instances: tuple[UnpackedInstance, ...]


@dataclass(frozen=True)
class Compression:
    """What was compressed without loss on the way down: of packs that lie on media, or are about to."""

    packs: int
    instances: int
    from_bytes: int  # as they were received
    to_bytes: int  # as they lie in their packs

    @property
    def ratio(self) -> float:
        """How many bytes became one; 1.0 where nothing was compressed."""
        return self.from_bytes / self.to_bytes if self.to_bytes else 1.0


class Layout(Protocol):
    """What seal needs of a laid out pack (hsm.format.pack.PackLayout)."""

    @property
    def digest(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def study_json(self) -> bytes: ...
    @property
    def members(self) -> Sequence[Member]: ...


@dataclass(frozen=True)
class WrittenCopy:
    """One copy that was flushed."""

    copy_id: int
    address: int | None  # as the driver gave it
    stream_sha256: str


@dataclass(frozen=True)
class VolumeEnd:
    """The end of a volume after a flush."""

    used_bytes: int
    last_sequence: int
    end_address: int | None = None
    last_address: int | None = None
    last_digest: str | None = None
    last_stream_sha256: str | None = None
    closed: bool = False  # nothing more goes on it: a disc, or a tape that is full
    image_sha256: str | None = None  # disc
    image_bytes: int | None = None  # disc


@dataclass(frozen=True)
class InventoryChange:
    """What a new inventory taught."""

    appeared: tuple[Barcode, ...] = ()  # never seen before
    returned: tuple[Barcode, ...] = ()  # from a shelf, or missing until now
    vanished: tuple[Barcode, ...] = ()  # were in this library


@dataclass(frozen=True)
class ElementRecord:
    """One place of a library as it was last seen."""

    library: str
    kind: str
    index: int
    full: bool
    barcode: Barcode | None
    drive_serial: str | None
    seen_at: datetime


@dataclass(frozen=True)
class DriveRecord:
    """One drive as the catalog knows it."""

    library: str
    index: int
    serial: str
    kind: MediumKind
    state: DriveState
    barcode: Barcode | None
    reason: str
    errors: int  # in a row
    changed_at: datetime
    alerts: tuple[str, ...] = ()  # TapeAlert flags by name, as it last said
    wants_cleaning: bool = False
    cleaned_at: datetime | None = None
    mounts: int = 0
    recalls_only: bool = False  # a person keeps it for recalls


@dataclass(frozen=True)
class CleaningRecord:
    """One cleaning cartridge."""

    barcode: Barcode
    library: str | None
    present: bool  # the robot sees it
    uses: int  # that this catalog knows of
    used_up: bool
    used_at: datetime | None


@dataclass(frozen=True)
class JobRequest:
    """A piece of work that is wanted."""

    kind: JobKind
    key: str  # kind, subject and target: equal keys are the same work
    study_instance_uid: StudyUid | None = None
    pack_id: int | None = None
    copy_id: int | None = None
    pool: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    size_bytes: int = 0
    barcode: Barcode | None = None
    requested_by: str = "policy"
    not_before: datetime | None = None  # set: waits like a retry
    due_at: datetime | None = None  # set: a recall that nobody waits for yet, by when it should be back


@dataclass(frozen=True)
class RecallStatus:
    """How far a request is."""

    request_id: int
    study_instance_uid: StudyUid
    requested_by: str
    created_at: datetime
    missing: int  # wanted instances that are not online now
    jobs: tuple[JobRecord, ...]
    done: bool  # nothing is missing
    failed: bool  # something is missing and no job works on it any more
    eta_at: datetime | None  # when the last job should end; None when one of them has no estimate
    barcodes: tuple[Barcode, ...]  # volumes the jobs wait for or use
    message: str  # the last thing that went wrong, "" when nothing did
    state: RequestState
    ended_at: datetime | None  # when it was ready, failed or taken back


@dataclass(frozen=True)
class RequestRecord:
    """A wish to have something back, and what became of it."""

    id: int
    study_instance_uid: StudyUid
    requested_by: str
    created_at: datetime
    state: RequestState
    ended_at: datetime | None
    why: str  # why it failed
    seen_at: datetime | None  # when its requester put the news of its end away
    series: int  # how many series are wanted; 0 and 0: the whole study
    instances: int


@dataclass(frozen=True)
class PolicyVersion:
    """One version of the rules."""

    version: int
    text: str
    author: str
    created_at: datetime
    reason: str = ""


@dataclass(frozen=True)
class DraftRecord:
    """Rules that somebody is writing."""

    account: str
    text: str
    base: int  # the version it is a change of; 0: none was in force
    revision: int
    begun_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class HoldRecord:
    """A reason why a study may not go."""

    id: int
    study_instance_uid: StudyUid
    reason: str
    placed_by: str
    placed_at: datetime
    until: datetime | None
    lifted_at: datetime | None
    lifted_by: str = ""
    lift_reason: str = ""


@dataclass(frozen=True)
class EventRecord:
    """Something that happened."""

    id: int
    at: datetime
    level: str
    name: str
    subject: str
    fields: Mapping[str, Any]
