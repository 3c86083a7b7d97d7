"""The tables of the catalog.

Times are UTC. Digests are lower-case hexadecimal SHA-256. Texts are Unicode as decoded from the objects; columns ending
in `_folded` hold the same text without case and accents, for matching. States are written by hsm/catalog only, through
the tables in hsm/states.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hsm.columns import NEVER_AGAIN, Base, Digest, Name, Uid, partial_index


class Patient(Base):
    """One patient ID of one issuer. Names are the most recent received; each study keeps its own."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("patient_id", "issuer"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[str] = mapped_column(Text)  # "" when the objects carry none
    issuer: Mapped[str] = mapped_column(Text, default="")
    name: Mapped[str] = mapped_column(Text, default="")
    name_folded: Mapped[str] = mapped_column(Text, default="", index=True)
    birth_date: Mapped[date | None]
    sex: Mapped[str] = mapped_column(Text, default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)  # DICOM JSON of further patient keys
    studies: Mapped[list["Study"]] = relationship(back_populates="patient")


class Study(Base):
    """One study, with what policies and queries ask of it."""

    __tablename__ = "studies"
    __table_args__ = (Index("ix_studies_date_time", "study_date", "study_time"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_fk: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    study_instance_uid: Mapped[str] = mapped_column(Uid, unique=True)
    patient_name: Mapped[str] = mapped_column(Text, default="")
    patient_name_folded: Mapped[str] = mapped_column(Text, default="", index=True)
    study_date: Mapped[date | None]
    study_time: Mapped[str] = mapped_column(Text, default="")  # "HHMMSS.FFFFFF", padded, "" when absent
    accession_number: Mapped[str] = mapped_column(Text, default="", index=True)
    study_id: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    referring_physician: Mapped[str] = mapped_column(Text, default="")
    referring_physician_folded: Mapped[str] = mapped_column(Text, default="")
    institution: Mapped[str] = mapped_column(Text, default="")
    character_set: Mapped[str] = mapped_column(Text, default="")  # as in its first instance
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)  # DICOM JSON of further study keys
    source_aet: Mapped[str] = mapped_column(Text, default="")  # who sent the first instance
    received_at: Mapped[datetime] = mapped_column(index=True)  # first instance
    changed_at: Mapped[datetime] = mapped_column(index=True)  # last new instance
    accessed_at: Mapped[datetime | None]  # last retrieval; searching, verifying and migrating are none
    pinned_until: Mapped[datetime | None]  # not released before
    instance_count: Mapped[int] = mapped_column(default=0)
    series_count: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(default=0)
    modalities: Mapped[list[Any]] = mapped_column(default=list)  # sorted, distinct
    patient: Mapped[Patient] = relationship(back_populates="studies")
    series: Mapped[list["Series"]] = relationship(back_populates="study")


class Series(Base):
    """One series of one study."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_fk", "series_instance_uid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    series_instance_uid: Mapped[str] = mapped_column(Uid, index=True)
    modality: Mapped[str] = mapped_column(Text, default="", index=True)
    series_number: Mapped[int | None]
    description: Mapped[str] = mapped_column(Text, default="")
    body_part: Mapped[str] = mapped_column(Text, default="")
    series_date: Mapped[date | None]
    series_time: Mapped[str] = mapped_column(Text, default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    instance_count: Mapped[int] = mapped_column(default=0)
    study: Mapped[Study] = relationship(back_populates="series")
    instances: Mapped[list["Instance"]] = relationship(back_populates="series")


class Instance(Base):
    """One SOP instance and where its bytes lie in the online pool."""

    __tablename__ = "instances"
    __table_args__ = (
        Index("ix_instances_series_number", "series_fk", "instance_number"),
        # Small beside the table, and all that availability, recall, packing and a restart ask for (the state is in the
        # first so that it covers the question, and is preferred to the index of all members):
        partial_index(
            "ix_instances_not_online", "pack_fk", "series_fk", "online_state", where="online_state <> 'online'"
        ),
        partial_index("ix_instances_releasing", "study_fk", where="online_state = 'releasing'"),
        partial_index("ix_instances_unpacked", "study_fk", where="pack_fk IS NULL"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    series_fk: Mapped[int] = mapped_column(ForeignKey("series.id"))
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(Uid, unique=True)
    sop_class_uid: Mapped[str] = mapped_column(Text)
    transfer_syntax_uid: Mapped[str] = mapped_column(Text)
    instance_number: Mapped[int | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)  # rows, columns, frames, content date ...
    size_bytes: Mapped[int]  # of the stored file, file meta included
    sha256: Mapped[str] = mapped_column(Digest)  # of the stored file
    dataset_sha256: Mapped[str] = mapped_column(Digest)  # of the bytes behind the file meta: "same content" means this
    dataset_offset: Mapped[int]  # where the data set begins in the stored file
    source_aet: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime]
    online_state: Mapped[str] = mapped_column(String(16))
    pool_directory: Mapped[str | None] = mapped_column(Text)  # None once released
    pool_path: Mapped[str | None] = mapped_column(Text)  # relative to pool_directory
    pack_fk: Mapped[int | None] = mapped_column(ForeignKey("packs.id"), index=True)
    pack_offset_bytes: Mapped[int | None]  # of the member's first byte in the pack stream
    pack_size_bytes: Mapped[int | None]  # of the member, where it lies compressed in its pack; else as size_bytes
    pack_sha256: Mapped[str | None] = mapped_column(Digest)  # likewise; else as sha256
    series: Mapped[Series] = relationship(back_populates="instances")


class Pack(Base):
    """An immutable set of instances of one study, as it lies on every volume (docs/FORMAT.md section 1)."""

    __tablename__ = "packs"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, unique=True)  # of 01_MANIFEST.sha256: the pack's name
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    size_bytes: Mapped[int]  # of the whole tar stream
    instance_count: Mapped[int]
    study_json: Mapped[str] = mapped_column(Text)  # member 02_STUDY.json, to the byte
    created_at: Mapped[datetime]
    pressed_instances: Mapped[int] = mapped_column(default=0)  # of its members, those that lie there compressed
    pressed_from_bytes: Mapped[int] = mapped_column(default=0)  # how large they were when they were received
    pressed_to_bytes: Mapped[int] = mapped_column(default=0)  # how large they are in the pack


class SupersededMember(Base):
    """A member of a pack whose instance was replaced by another version: still on the media, never recalled."""

    __tablename__ = "superseded_members"

    id: Mapped[int] = mapped_column(primary_key=True)
    pack_fk: Mapped[int] = mapped_column(ForeignKey("packs.id"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(Uid, index=True)
    series_instance_uid: Mapped[str] = mapped_column(Uid)
    offset_bytes: Mapped[int]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(Digest)
    replaced_at: Mapped[datetime]


class Copy(Base):
    """One pack on one volume."""

    __tablename__ = "copies"
    __table_args__ = (
        Index("ix_copies_volume_sequence", "volume_fk", "sequence"),
        # One pack lies once on a volume: two copies there would fail together.
        partial_index("uq_copies_pack_volume", "pack_fk", "volume_fk", where="state <> 'reclaimed'", unique=True),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    pack_fk: Mapped[int] = mapped_column(ForeignKey("packs.id"), index=True)
    pool: Mapped[str] = mapped_column(Name)  # the volume pool it was made for
    kind: Mapped[str] = mapped_column(String(16))  # MediumKind
    state: Mapped[str] = mapped_column(String(16), index=True)
    volume_fk: Mapped[int | None] = mapped_column(ForeignKey("volumes.id"))  # None while planned
    sequence: Mapped[int | None]  # number of the pack on its volume, from 1
    address: Mapped[int | None]  # as the driver gave it; unread
    stream_sha256: Mapped[str | None] = mapped_column(Digest)  # of this copy's whole stream, header included
    written_at: Mapped[datetime | None]
    written_by: Mapped[str | None] = mapped_column(Name)  # serial number of the drive
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None] = mapped_column(Name)
    doubts: Mapped[int] = mapped_column(default=0)  # failed verifications in a row
    doubted_by: Mapped[str | None] = mapped_column(Name)  # the drive that could not read it last


class Volume(Base):
    """One cartridge or disc."""

    __tablename__ = "volumes"

    id: Mapped[int] = mapped_column(primary_key=True)
    barcode: Mapped[str] = mapped_column(String(64), unique=True)
    uuid: Mapped[str | None] = mapped_column(String(36), unique=True)  # from the label
    kind: Mapped[str] = mapped_column(String(16))
    generation: Mapped[str] = mapped_column(String(16), default="")
    pool: Mapped[str | None] = mapped_column(Name, index=True)
    library: Mapped[str | None] = mapped_column(Name)  # where it is, or was last
    place: Mapped[str] = mapped_column(String(16))  # Place
    location: Mapped[str] = mapped_column(Text, default="")  # the shelf or vault, in words
    state: Mapped[str] = mapped_column(String(24), index=True)
    capacity_bytes: Mapped[int] = mapped_column(default=0)
    used_bytes: Mapped[int] = mapped_column(default=0)
    end_address: Mapped[int | None]  # tape: where the next pack goes
    last_sequence: Mapped[int] = mapped_column(default=0)
    last_address: Mapped[int | None]  # tape: of the last flushed pack
    last_digest: Mapped[str | None] = mapped_column(Digest)  # of the last flushed pack (its name)
    last_stream_sha256: Mapped[str | None] = mapped_column(Digest)
    image_sha256: Mapped[str | None] = mapped_column(Digest)  # disc: of the whole image
    image_bytes: Mapped[int | None]
    labelled_at: Mapped[datetime | None]
    first_filled_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    mounts: Mapped[int] = mapped_column(default=0)
    errors: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text, default="")  # why suspect, retired, missing
    leaving: Mapped[bool] = mapped_column(default=False)  # exported; lies in a mail slot until a person takes it
    # What the cartridge and its drive told after its last session; None where they do not tell:
    written_bytes: Mapped[int | None]  # over its whole life
    read_bytes: Mapped[int | None]
    corrected_errors: Mapped[int | None]  # in reading and writing, since the counters of the drive began
    uncorrected_errors: Mapped[int | None]
    told_at: Mapped[datetime | None]
    former_uuid: Mapped[str | None] = mapped_column(String(36))  # scratch: of the label that may be written over


class LibraryElement(Base):
    """What a library held when it was last asked."""

    __tablename__ = "elements"
    __table_args__ = (UniqueConstraint("library", "kind", "index"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    library: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(String(16))
    index: Mapped[int]
    full: Mapped[bool]
    barcode: Mapped[str | None] = mapped_column(String(64))
    drive_serial: Mapped[str | None] = mapped_column(Name)
    seen_at: Mapped[datetime]


class Drive(Base):
    """One tape drive or recorder of a library."""

    __tablename__ = "drives"
    __table_args__ = (UniqueConstraint("library", "index"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    library: Mapped[str] = mapped_column(Name)
    index: Mapped[int]
    serial: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    barcode: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text, default="")
    errors: Mapped[int] = mapped_column(default=0)  # in a row
    changed_at: Mapped[datetime]
    failed_at: Mapped[str | None] = mapped_column(String(16))  # "read" or "write": what it failed at last
    alerts: Mapped[list[Any]] = mapped_column(default=list)  # by name, as it last said
    wants_cleaning: Mapped[bool] = mapped_column(default=False)
    cleaned_at: Mapped[datetime | None]
    mounts: Mapped[int] = mapped_column(default=0)
    recalls_only: Mapped[bool] = mapped_column(default=False)  # a person keeps it for recalls


class CleaningCartridge(Base):
    """What cleans the heads of drives; never a volume."""

    __tablename__ = "cleaning_cartridges"

    id: Mapped[int] = mapped_column(primary_key=True)
    barcode: Mapped[str] = mapped_column(String(64), unique=True)
    library: Mapped[str | None] = mapped_column(Name)  # where it is, or was last
    present: Mapped[bool]  # the robot sees it
    uses: Mapped[int] = mapped_column(default=0)  # that this catalog knows of
    used_up: Mapped[bool] = mapped_column(default=False)
    used_at: Mapped[datetime | None]


class Job(Base):
    """One piece of work on one pack, copy or study."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_kind", "state", "kind"),
        Index("ix_jobs_requested_by_id", "requested_by", "id"),
        Index("ix_jobs_drive_id", "drive", "id"),
        Index("ix_jobs_barcode_id", "barcode", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(255), index=True)  # kind, subject and target
    active_key: Mapped[str | None] = mapped_column(String(255), unique=True)  # key while active: makes ticks repeatable
    state: Mapped[str] = mapped_column(String(24))
    study_fk: Mapped[int | None] = mapped_column(ForeignKey("studies.id"), index=True)
    pack_fk: Mapped[int | None] = mapped_column(ForeignKey("packs.id"), index=True)
    copy_fk: Mapped[int | None] = mapped_column(ForeignKey("copies.id"), index=True)
    pool: Mapped[str | None] = mapped_column(Name)  # migrate: the volume pool to copy to
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    done_bytes: Mapped[int] = mapped_column(default=0)
    rate_bytes_s: Mapped[int] = mapped_column(default=0)  # how fast it went lately, while bytes move
    phase: Mapped[str] = mapped_column(Text, default="")  # in words: "locating block 81234 on A00012L8"
    message: Mapped[str] = mapped_column(Text, default="")  # what went wrong last
    barcode: Mapped[str | None] = mapped_column(String(64))  # volume in use or wanted
    attempts: Mapped[int] = mapped_column(default=0)
    requested_by: Mapped[str] = mapped_column(Text, default="policy")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    eta_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)  # wished while running; the mover looks
    drive: Mapped[str | None] = mapped_column(Name)  # serial number of the drive it was given to last
    due_at: Mapped[datetime | None]  # a recall that nobody waits for yet: by when it should be back


class JobLine(Base):
    """One line of what was written about a job."""

    __tablename__ = "job_lines"
    __table_args__ = (UniqueConstraint("job_fk", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_fk: Mapped[int] = mapped_column(ForeignKey("jobs.id"))
    number: Mapped[int]  # from 1
    at: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    done_bytes: Mapped[int | None]


class RecallRequest(Base):
    """Somebody who wants a study, some series or some instances back; equal wishes share jobs."""

    __tablename__ = "recall_requests"
    __table_args__ = (Index("ix_recall_requests_requester", "requested_by", "id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    requested_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    series_uids: Mapped[list[Any]] = mapped_column(default=list)  # empty: the whole study
    instance_uids: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(String(16), default="waiting")  # RequestState
    ended_at: Mapped[datetime | None]  # when it became ready, failed or was taken back
    why: Mapped[str] = mapped_column(Text, default="")  # why it failed
    seen_at: Mapped[datetime | None]  # when its requester put the news of its end away


class RecallJob(Base):
    """Which jobs serve which request."""

    __tablename__ = "recall_jobs"

    request_fk: Mapped[int] = mapped_column(ForeignKey("recall_requests.id"), primary_key=True)
    job_fk: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True, index=True)


class Policy(Base):
    """Every version of the rules that was ever in force."""

    __tablename__ = "policies"

    id: Mapped[int] = mapped_column(primary_key=True)  # the version
    text: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")  # why these and no longer those before them


class PolicyDraft(Base):
    """Rules that somebody is writing: one draft for each account, until it is published or thrown away."""

    __tablename__ = "policy_drafts"

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(200), unique=True)
    text: Mapped[str] = mapped_column(Text)
    base: Mapped[int]  # the version it is a change of; 0: none was in force
    revision: Mapped[int]  # one more with each change, so that two open pages do not undo each other
    begun_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Hold(Base):
    """A reason why a study may not be released, expired or destroyed."""

    __tablename__ = "holds"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    placed_by: Mapped[str] = mapped_column(Text)
    placed_at: Mapped[datetime]
    until: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(Text, default="")
    lift_reason: Mapped[str] = mapped_column(Text, default="")


class Event(Base):
    """What happened, in the past tense."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    level: Mapped[str] = mapped_column(String(16))  # info, warning, error
    name: Mapped[str] = mapped_column(Name, index=True)
    subject: Mapped[str] = mapped_column(Text, default="", index=True)  # a UID, barcode, drive serial, pack digest
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AuditEntry(Base):
    """Who did what, to what, from where. Only ever added to."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_actor_id", "actor", "id"),
        Index("ix_audit_object_id", "object", "id"),
        Index("ix_audit_action_id", "action", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(Text)  # account, AE title, user of the machine, or "firn"
    via: Mapped[str] = mapped_column(String(16))  # Via
    address: Mapped[str] = mapped_column(Text, default="")
    action: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(String(16))  # ObjectKind
    object: Mapped[str] = mapped_column(Text, default="")
    outcome: Mapped[str] = mapped_column(String(16))  # AuditOutcome
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Quarantined(Base):
    """Something that was sent and could not be accepted; kept for a person to look at."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    path: Mapped[str] = mapped_column(Text, unique=True)
    reason: Mapped[str] = mapped_column(Text)
    sop_instance_uid: Mapped[str] = mapped_column(Text, default="", index=True)
    source_aet: Mapped[str] = mapped_column(Text, default="")
    size_bytes: Mapped[int] = mapped_column(default=0)


class Counter(Base):
    """A number that only grows, for those who want to know cheaply whether anything changed."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


class Lease(Base):
    """Who owns what only one process may own, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]
