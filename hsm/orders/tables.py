"""The tables of orders, of the messages they came in, of performed procedure steps, and of prefetches."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import NEVER_AGAIN, Base, Uid, partial_index


class OrderRow(Base):
    """One scheduled procedure step."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_scheduled_at_id", "scheduled_at", "id"),
        Index("ix_orders_patient_id", "patient_id"),
        Index("ix_orders_placer_number", "placer_number"),
        Index("ix_orders_filler_number", "filler_number"),
        Index("ix_orders_accession_number", "accession_number"),
        Index("ix_orders_study_instance_uid", "study_instance_uid"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(16))  # OrderState
    source: Mapped[str] = mapped_column(Text)  # who placed it: a person, or the application of the messages
    placer_number: Mapped[str] = mapped_column(Text)
    filler_number: Mapped[str] = mapped_column(Text)
    accession_number: Mapped[str] = mapped_column(Text)
    patient_id: Mapped[str] = mapped_column(Text)
    issuer: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)  # as PN: groups with = between them
    birth_date: Mapped[date | None]
    sex: Mapped[str] = mapped_column(Text)
    study_instance_uid: Mapped[str] = mapped_column(Uid)
    procedure_id: Mapped[str] = mapped_column(Text)  # of the requested procedure
    procedure: Mapped[str] = mapped_column(Text)
    procedure_code: Mapped[str] = mapped_column(Text)
    procedure_scheme: Mapped[str] = mapped_column(Text)
    step_id: Mapped[str] = mapped_column(Text)
    modality: Mapped[str] = mapped_column(Text)
    body_part: Mapped[str] = mapped_column(Text)
    station_aet: Mapped[str] = mapped_column(Text)
    station_name: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(Text)
    performing_physician: Mapped[str] = mapped_column(Text)
    referring_physician: Mapped[str] = mapped_column(Text)
    scheduled_at: Mapped[datetime]
    duration_s: Mapped[int]
    why: Mapped[str] = mapped_column(Text)  # it was cancelled
    version: Mapped[int]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None]


class MessageRow(Base):
    """One HL7 message that was answered. `raw` is kept of those that were not understood."""

    __tablename__ = "hl7_messages"
    __table_args__ = (
        UniqueConstraint("sender", "control_id", "sha256", name="uq_hl7_messages_sender_control_id_sha256"),
        Index("ix_hl7_messages_received_at", "received_at"),
        partial_index("ix_hl7_messages_quarantined", "id", where="outcome = 'quarantined'"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(String(128))  # application and facility
    control_id: Mapped[str] = mapped_column(String(199))
    kind: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))  # accepted, quarantined, settled
    answer: Mapped[str] = mapped_column(String(2))  # AA, AE, AR
    why: Mapped[str] = mapped_column(Text)
    raw: Mapped[str] = mapped_column(Text)  # base64; "" of accepted ones
    tries: Mapped[int]  # how often it came


class PatientChangeRow(Base):
    """What the hospital said about a patient: other data, or that two identities are one. Studies are as they were."""

    __tablename__ = "patient_changes"
    __table_args__ = (
        Index("ix_patient_changes_patient_id", "patient_id"),
        Index("ix_patient_changes_prior_id", "prior_id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # update, merge
    patient_id: Mapped[str] = mapped_column(Text)
    issuer: Mapped[str] = mapped_column(Text)
    prior_id: Mapped[str] = mapped_column(Text)  # merge: the identity that is given up
    prior_issuer: Mapped[str] = mapped_column(Text)
    fields: Mapped[dict[str, Any]]  # patient_name, birth_date, sex, as far as they were said
    source: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime]
    orders: Mapped[int]  # open ones that were changed
    settled_at: Mapped[datetime | None]  # when it was applied to studies


class PerformedRow(Base):
    """One performed procedure step, as a modality reports it."""

    __tablename__ = "performed_steps"
    __table_args__ = (
        UniqueConstraint("sop_instance_uid", name="uq_performed_steps_sop_instance_uid"),
        Index("ix_performed_steps_order_fk", "order_fk"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(Uid)
    state: Mapped[str] = mapped_column(String(16))  # PerformedState
    order_fk: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))  # None: nobody had ordered it
    study_instance_uid: Mapped[str] = mapped_column(Uid)
    accession_number: Mapped[str] = mapped_column(Text)
    patient_id: Mapped[str] = mapped_column(Text)
    modality: Mapped[str] = mapped_column(Text)
    station_aet: Mapped[str] = mapped_column(Text)
    attributes: Mapped[dict[str, Any]]  # DICOM JSON of all of it
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class PrefetchRow(Base):
    """One prior that is wanted on disk for one appointment."""

    __tablename__ = "prefetches"
    __table_args__ = (
        UniqueConstraint("order_fk", "study_fk", name="uq_prefetches_order_fk_study_fk"),
        Index("ix_prefetches_study_fk", "study_fk"),
        Index("ix_prefetches_request_fk", "request_fk"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_fk: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    request_fk: Mapped[int | None] = mapped_column(ForeignKey("recall_requests.id"))  # None: it was on disk
    asked_at: Mapped[datetime]
    appointment_at: Mapped[datetime]  # as it was when this was asked
    keep_until: Mapped[datetime]
    rule: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    in_time: Mapped[bool | None]  # on disk when the appointment began; None: it has not begun
    judged_at: Mapped[datetime | None]
