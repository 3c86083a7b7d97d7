"""Orders, the messages they come in, performed procedure steps, prefetches; recalls that are due at a time."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0019"
down_revision = "0018"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "orders",
        sa.Column("id", INT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        *_texts("source", "placer_number", "filler_number", "accession_number"),
        *_texts("patient_id", "issuer", "patient_name"),
        sa.Column("birth_date", sa.Date(), nullable=True),
        *_texts("sex"),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        *_texts("procedure_id", "procedure", "procedure_code", "procedure_scheme", "step_id", "modality", "body_part"),
        *_texts("station_aet", "station_name", "location", "performing_physician", "referring_physician"),
        sa.Column("scheduled_at", TIME, nullable=False),
        sa.Column("duration_s", INT, nullable=False),
        *_texts("why"),
        sa.Column("version", INT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        *_texts("changed_by"),
        sa.Column("ended_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_scheduled_at_id", "orders", ["scheduled_at", "id"])
    for name in ("patient_id", "placer_number", "filler_number", "accession_number", "study_instance_uid"):
        op.create_index(f"ix_orders_{name}", "orders", [name])
    op.create_table(
        "hl7_messages",
        sa.Column("id", INT, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        *_texts("address"),
        sa.Column("sender", sa.String(length=128), nullable=False),
        sa.Column("control_id", sa.String(length=199), nullable=False),
        *_texts("kind"),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.String(length=2), nullable=False),
        *_texts("why", "raw"),
        sa.Column("tries", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hl7_messages"),
        sa.UniqueConstraint("sender", "control_id", "sha256", name="uq_hl7_messages_sender_control_id_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hl7_messages_received_at", "hl7_messages", ["received_at"])
    quarantined = sa.text("outcome = 'quarantined'")
    op.create_index(
        "ix_hl7_messages_quarantined", "hl7_messages", ["id"], sqlite_where=quarantined, postgresql_where=quarantined
    )
    op.create_table(
        "patient_changes",
        sa.Column("id", INT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        *_texts("patient_id", "issuer", "prior_id", "prior_issuer"),
        sa.Column("fields", JSON, nullable=False),
        *_texts("source"),
        sa.Column("said_at", TIME, nullable=False),
        sa.Column("orders", INT, nullable=False),
        sa.Column("settled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_patient_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_patient_changes_patient_id", "patient_changes", ["patient_id"])
    op.create_index("ix_patient_changes_prior_id", "patient_changes", ["prior_id"])
    op.create_table(
        "performed_steps",
        sa.Column("id", INT, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("order_fk", INT, nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        *_texts("accession_number", "patient_id", "modality", "station_aet"),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["order_fk"], ["orders.id"], name="fk_performed_steps_order_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_performed_steps"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_performed_steps_sop_instance_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_performed_steps_order_fk", "performed_steps", ["order_fk"])
    op.create_table(
        "prefetches",
        sa.Column("id", INT, nullable=False),
        sa.Column("order_fk", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("request_fk", INT, nullable=True),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("appointment_at", TIME, nullable=False),
        sa.Column("keep_until", TIME, nullable=False),
        *_texts("rule", "why"),
        sa.Column("in_time", sa.Boolean(), nullable=True),
        sa.Column("judged_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["order_fk"], ["orders.id"], name="fk_prefetches_order_fk"),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_prefetches_study_fk"),
        sa.ForeignKeyConstraint(["request_fk"], ["recall_requests.id"], name="fk_prefetches_request_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_prefetches"),
        sa.UniqueConstraint("order_fk", "study_fk", name="uq_prefetches_order_fk_study_fk"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_prefetches_study_fk", "prefetches", ["study_fk"])
    op.create_index("ix_prefetches_request_fk", "prefetches", ["request_fk"])
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("due_at", TIME, nullable=True))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("due_at")
    for table in ("prefetches", "performed_steps", "patient_changes", "hl7_messages", "orders"):
        op.drop_table(table)
