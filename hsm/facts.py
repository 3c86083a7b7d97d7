"""The facts that walk between the rooms of hsm: frozen, complete, without behaviour that reaches outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NewType

from drivers.base import Barcode, MediumKind
from hsm.states import Availability, CopyState, JobKind, OnlineState, Place, VolumeState

StudyUid = NewType("StudyUid", str)
SeriesUid = NewType("SeriesUid", str)
SopInstanceUid = NewType("SopInstanceUid", str)
PackDigest = NewType("PackDigest", str)


@dataclass(frozen=True)
class PoolFile:
    """Where one instance lies in the online pool."""

    directory: Path
    path: str  # relative to the directory


@dataclass(frozen=True)
class Header:
    """What the catalog keeps of one object, decoded to Unicode. Empty text for what is absent."""

    sop_instance_uid: SopInstanceUid
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: StudyUid
    series_instance_uid: SeriesUid
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: date | None = None
    sex: str = ""
    study_date: date | None = None
    study_time: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    referring_physician: str = ""
    institution: str = ""
    character_set: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    body_part: str = ""
    series_date: date | None = None
    series_time: str = ""
    instance_number: int | None = None
    # DICOM JSON (PS3.18 F.2) of the further keys a query may ask for, by level
    patient_attributes: Mapping[str, Any] = field(default_factory=dict)
    study_attributes: Mapping[str, Any] = field(default_factory=dict)
    series_attributes: Mapping[str, Any] = field(default_factory=dict)
    instance_attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """One object whose bytes are durable in the online pool and which the catalog has not seen yet."""

    header: Header
    file: PoolFile
    size_bytes: int
    sha256: str  # of the stored file
    dataset_sha256: str
    dataset_offset: int
    received_at: datetime
    source_aet: str = ""


@dataclass(frozen=True)
class StoredInstance:
    """One instance as the catalog knows it."""

    id: int
    sop_instance_uid: SopInstanceUid
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: StudyUid
    series_instance_uid: SeriesUid
    size_bytes: int
    sha256: str
    dataset_sha256: str
    dataset_offset: int
    online_state: OnlineState
    file: PoolFile | None  # None unless online_state is ONLINE or RELEASING
    pack_id: int | None


@dataclass(frozen=True)
class Pressed:
    """An instance as it lies in a pack, where that is not as it was received: compressed without loss."""

    transfer_syntax_uid: str
    size_bytes: int
    sha256: str
    dataset_offset: int
    dataset_sha256: str
    pixel_vr: str  # of Pixel Data as it was received: with the transfer syntax all that is needed to restore the bytes


@dataclass(frozen=True)
class Member:
    """One instance inside a pack."""

    instance_id: int
    sop_instance_uid: SopInstanceUid
    series_instance_uid: SeriesUid
    offset_bytes: int  # of its first byte in the pack stream
    size_bytes: int  # as it lies there
    sha256: str  # as it lies there
    pressed: bool = False  # it lies there compressed; what was received is in the pack's description


@dataclass(frozen=True)
class PackRecord:
    """One pack as the catalog knows it, members in pack order."""

    id: int
    digest: PackDigest
    study_instance_uid: StudyUid
    size_bytes: int
    study_json: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class CopyRecord:
    """One copy of one pack."""

    id: int
    pack_id: int
    pack_digest: PackDigest
    study_instance_uid: StudyUid
    size_bytes: int
    pool: str
    kind: MediumKind
    state: CopyState
    barcode: Barcode | None
    sequence: int | None
    address: int | None
    stream_sha256: str | None
    written_by: str | None
    verified_at: datetime | None
    verified_by: str | None
    doubts: int
    doubted_by: str | None
    volume_place: Place | None
    volume_state: VolumeState | None


@dataclass(frozen=True)
class VolumeRecord:
    """One volume as the catalog knows it."""

    barcode: Barcode
    uuid: str | None
    kind: MediumKind
    generation: str
    pool: str | None
    library: str | None
    place: Place
    location: str
    state: VolumeState
    capacity_bytes: int
    used_bytes: int
    end_address: int | None
    last_sequence: int
    last_address: int | None
    last_digest: str | None
    last_stream_sha256: str | None
    image_sha256: str | None
    image_bytes: int | None
    labelled_at: datetime | None
    first_filled_at: datetime | None
    verified_at: datetime | None
    mounts: int
    errors: int
    reason: str
    leaving: bool = False  # exported; lies in a mail slot until a person takes it
    written_bytes: int | None = None  # over its whole life; None where neither cartridge nor drive tell
    read_bytes: int | None = None
    corrected_errors: int | None = None  # as its drive told after its last session
    uncorrected_errors: int | None = None
    told_at: datetime | None = None
    former_uuid: str | None = None  # scratch: of the label that may be written over


@dataclass(frozen=True)
class VolumePool:
    """A set of volumes that share a purpose; packs are copied *to a pool*, the scheduler picks the volume."""

    name: str
    kind: MediumKind
    library: str
    barcodes: tuple[str, ...]  # shell patterns
    auto_label: bool = False
    reserve_bytes: int = 0  # left unwritten at the end of each volume
    burn_after_s: float = 86400.0  # discs: burn one that is not full when its oldest pack has waited so long
    flush_every_bytes: int = 32 * 1024**3
    flush_every_packs: int = 200
    catalog_every_bytes: int = 200 * 1024**3


@dataclass(frozen=True)
class PackFacts:
    """What a policy may know of one pack of a study."""

    pack_id: int
    digest: PackDigest
    size_bytes: int
    online: bool  # every member is in the online pool
    copies: tuple[CopyRecord, ...]  # those in WANTED_COPIES and LOST ones; superseded and reclaimed ones are left out


@dataclass(frozen=True)
class StudyFacts:
    """What a policy may know of one study."""

    study_instance_uid: StudyUid
    patient_id: str
    patient_birth_date: date | None
    modalities: tuple[str, ...]
    study_date: date | None
    description: str
    institution: str
    body_parts: tuple[str, ...]
    source_aet: str
    instance_count: int
    size_bytes: int
    online_bytes: int
    online_instances: int
    unpacked_instances: int
    received_at: datetime
    changed_at: datetime
    accessed_at: datetime | None
    pinned_until: datetime | None
    holds: tuple[str, ...]  # reasons in force
    availability: Availability
    packs: tuple[PackFacts, ...]
    active_jobs: frozenset[tuple[JobKind, str]]  # (MIGRATE, pool), (RELEASE, ""), (RECALL, ""), (VERIFY, copy id)


@dataclass(frozen=True)
class DiskFacts:
    """How full the online pool is."""

    capacity_bytes: int
    used_bytes: int
    high_water_pct: float
    low_water_pct: float


@dataclass(frozen=True)
class ReleasedFile:
    """One file that a proof allows to be deleted."""

    instance_id: int
    file: PoolFile
    size_bytes: int


@dataclass(frozen=True)
class JobRecord:
    """One job as the catalog knows it."""

    id: int
    kind: JobKind
    key: str
    state: str
    study_instance_uid: StudyUid | None
    pack_id: int | None
    copy_id: int | None
    pool: str | None
    payload: Mapping[str, Any]
    reason: str
    size_bytes: int
    done_bytes: int
    phase: str
    message: str
    barcode: Barcode | None
    attempts: int
    requested_by: str
    created_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    eta_at: datetime | None
    drive: str | None = None  # serial number of the drive it was given to last
    rate_bytes_s: int = 0  # lately, while it runs
    due_at: datetime | None = None  # a recall that nobody waits for yet: by when it should be back
