"""The first tables. Written out, not taken from hsm/models, which goes on changing."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", INT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "drives",
        sa.Column("id", INT, nullable=False),
        sa.Column("library", sa.String(length=64), nullable=False),
        sa.Column("index", INT, nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("barcode", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("errors", INT, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drives"),
        sa.UniqueConstraint("library", "index", name="uq_drives_library_index"),
    )
    op.create_table(
        "elements",
        sa.Column("id", INT, nullable=False),
        sa.Column("library", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("index", INT, nullable=False),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("barcode", sa.String(length=64), nullable=True),
        sa.Column("drive_serial", sa.String(length=64), nullable=True),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_elements"),
        sa.UniqueConstraint("library", "kind", "index", name="uq_elements_library_kind_index"),
    )
    op.create_table(
        "events",
        sa.Column("id", INT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_name", "events", ["name"])
    op.create_index("ix_events_subject", "events", ["subject"])

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "patients",
        sa.Column("id", INT, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("attributes", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("patient_id", "issuer", name="uq_patients_patient_id_issuer"),
    )
    op.create_index("ix_patients_name_folded", "patients", ["name_folded"])

    op.create_table(
        "policies",
        sa.Column("id", INT, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", INT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("source_aet", sa.Text(), nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("path", name="uq_quarantine_path"),
    )
    op.create_index("ix_quarantine_sop_instance_uid", "quarantine", ["sop_instance_uid"])

    op.create_table(
        "volumes",
        sa.Column("id", INT, nullable=False),
        sa.Column("barcode", sa.String(length=64), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.String(length=16), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("library", sa.String(length=64), nullable=True),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("capacity_bytes", INT, nullable=False),
        sa.Column("used_bytes", INT, nullable=False),
        sa.Column("end_address", INT, nullable=True),
        sa.Column("last_sequence", INT, nullable=False),
        sa.Column("last_address", INT, nullable=True),
        sa.Column("last_digest", sa.String(length=64), nullable=True),
        sa.Column("last_stream_sha256", sa.String(length=64), nullable=True),
        sa.Column("image_sha256", sa.String(length=64), nullable=True),
        sa.Column("image_bytes", INT, nullable=True),
        sa.Column("labelled_at", TIME, nullable=True),
        sa.Column("first_filled_at", TIME, nullable=True),
        sa.Column("verified_at", TIME, nullable=True),
        sa.Column("mounts", INT, nullable=False),
        sa.Column("errors", INT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
        sa.UniqueConstraint("barcode", name="uq_volumes_barcode"),
        sa.UniqueConstraint("uuid", name="uq_volumes_uuid"),
    )
    op.create_index("ix_volumes_pool", "volumes", ["pool"])
    op.create_index("ix_volumes_state", "volumes", ["state"])

    op.create_table(
        "studies",
        sa.Column("id", INT, nullable=False),
        sa.Column("patient_fk", INT, nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_name_folded", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("study_time", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("referring_physician", sa.Text(), nullable=False),
        sa.Column("referring_physician_folded", sa.Text(), nullable=False),
        sa.Column("institution", sa.Text(), nullable=False),
        sa.Column("character_set", sa.Text(), nullable=False),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("source_aet", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("accessed_at", TIME, nullable=True),
        sa.Column("pinned_until", TIME, nullable=True),
        sa.Column("instance_count", INT, nullable=False),
        sa.Column("series_count", INT, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("modalities", JSON, nullable=False),
        sa.ForeignKeyConstraint(["patient_fk"], ["patients.id"], name="fk_studies_patient_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("study_instance_uid", name="uq_studies_study_instance_uid"),
    )
    op.create_index("ix_studies_accession_number", "studies", ["accession_number"])
    op.create_index("ix_studies_changed_at", "studies", ["changed_at"])
    op.create_index("ix_studies_date_time", "studies", ["study_date", "study_time"])
    op.create_index("ix_studies_patient_fk", "studies", ["patient_fk"])
    op.create_index("ix_studies_patient_name_folded", "studies", ["patient_name_folded"])
    op.create_index("ix_studies_received_at", "studies", ["received_at"])

    op.create_table(
        "holds",
        sa.Column("id", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_holds_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_study_fk", "holds", ["study_fk"])

    op.create_table(
        "packs",
        sa.Column("id", INT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("instance_count", INT, nullable=False),
        sa.Column("study_json", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_packs_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_packs"),
        sa.UniqueConstraint("digest", name="uq_packs_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_packs_study_fk", "packs", ["study_fk"])

    op.create_table(
        "recall_requests",
        sa.Column("id", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("series_uids", JSON, nullable=False),
        sa.Column("instance_uids", JSON, nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_recall_requests_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_recall_requests"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recall_requests_study_fk", "recall_requests", ["study_fk"])

    op.create_table(
        "series",
        sa.Column("id", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("series_number", INT, nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("series_date", sa.Date(), nullable=True),
        sa.Column("series_time", sa.Text(), nullable=False),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("instance_count", INT, nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_series_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("study_fk", "series_instance_uid", name="uq_series_study_fk_series_instance_uid"),
    )
    op.create_index("ix_series_modality", "series", ["modality"])
    op.create_index("ix_series_series_instance_uid", "series", ["series_instance_uid"])

    op.create_table(
        "copies",
        sa.Column("id", INT, nullable=False),
        sa.Column("pack_fk", INT, nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("volume_fk", INT, nullable=True),
        sa.Column("sequence", INT, nullable=True),
        sa.Column("address", INT, nullable=True),
        sa.Column("stream_sha256", sa.String(length=64), nullable=True),
        sa.Column("written_at", TIME, nullable=True),
        sa.Column("written_by", sa.String(length=64), nullable=True),
        sa.Column("verified_at", TIME, nullable=True),
        sa.Column("verified_by", sa.String(length=64), nullable=True),
        sa.Column("doubts", INT, nullable=False),
        sa.Column("doubted_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["pack_fk"], ["packs.id"], name="fk_copies_pack_fk"),
        sa.ForeignKeyConstraint(["volume_fk"], ["volumes.id"], name="fk_copies_volume_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_copies"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_copies_pack_fk", "copies", ["pack_fk"])
    op.create_index("ix_copies_state", "copies", ["state"])
    op.create_index("ix_copies_volume_sequence", "copies", ["volume_fk", "sequence"])
    op.create_index(
        "uq_copies_pack_volume",
        "copies",
        ["pack_fk", "volume_fk"],
        unique=True,
        sqlite_where=sa.text("state <> 'reclaimed'"),
        postgresql_where=sa.text("state <> 'reclaimed'"),
    )

    op.create_table(
        "instances",
        sa.Column("id", INT, nullable=False),
        sa.Column("series_fk", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("instance_number", INT, nullable=True),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("dataset_sha256", sa.String(length=64), nullable=False),
        sa.Column("dataset_offset", INT, nullable=False),
        sa.Column("source_aet", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("online_state", sa.String(length=16), nullable=False),
        sa.Column("pool_directory", sa.Text(), nullable=True),
        sa.Column("pool_path", sa.Text(), nullable=True),
        sa.Column("pack_fk", INT, nullable=True),
        sa.Column("pack_offset_bytes", INT, nullable=True),
        sa.ForeignKeyConstraint(["pack_fk"], ["packs.id"], name="fk_instances_pack_fk"),
        sa.ForeignKeyConstraint(["series_fk"], ["series.id"], name="fk_instances_series_fk"),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_instances_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_instances_sop_instance_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_instances_not_online",
        "instances",
        ["pack_fk", "series_fk", "online_state"],
        sqlite_where=sa.text("online_state <> 'online'"),
        postgresql_where=sa.text("online_state <> 'online'"),
    )
    op.create_index("ix_instances_pack_fk", "instances", ["pack_fk"])
    op.create_index(
        "ix_instances_releasing",
        "instances",
        ["study_fk"],
        sqlite_where=sa.text("online_state = 'releasing'"),
        postgresql_where=sa.text("online_state = 'releasing'"),
    )
    op.create_index("ix_instances_series_number", "instances", ["series_fk", "instance_number"])
    op.create_index("ix_instances_study_fk", "instances", ["study_fk"])
    op.create_index(
        "ix_instances_unpacked",
        "instances",
        ["study_fk"],
        sqlite_where=sa.text("pack_fk IS NULL"),
        postgresql_where=sa.text("pack_fk IS NULL"),
    )

    op.create_table(
        "superseded_members",
        sa.Column("id", INT, nullable=False),
        sa.Column("pack_fk", INT, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("offset_bytes", INT, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("replaced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["pack_fk"], ["packs.id"], name="fk_superseded_members_pack_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_superseded_members"),
    )
    op.create_index("ix_superseded_members_pack_fk", "superseded_members", ["pack_fk"])
    op.create_index("ix_superseded_members_sop_instance_uid", "superseded_members", ["sop_instance_uid"])

    op.create_table(
        "jobs",
        sa.Column("id", INT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("active_key", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("study_fk", INT, nullable=True),
        sa.Column("pack_fk", INT, nullable=True),
        sa.Column("copy_fk", INT, nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("done_bytes", INT, nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("barcode", sa.String(length=64), nullable=True),
        sa.Column("attempts", INT, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("eta_at", TIME, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["copy_fk"], ["copies.id"], name="fk_jobs_copy_fk"),
        sa.ForeignKeyConstraint(["pack_fk"], ["packs.id"], name="fk_jobs_pack_fk"),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_jobs_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("active_key", name="uq_jobs_active_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_copy_fk", "jobs", ["copy_fk"])
    op.create_index("ix_jobs_key", "jobs", ["key"])
    op.create_index("ix_jobs_pack_fk", "jobs", ["pack_fk"])
    op.create_index("ix_jobs_state_kind", "jobs", ["state", "kind"])
    op.create_index("ix_jobs_study_fk", "jobs", ["study_fk"])

    op.create_table(
        "recall_jobs",
        sa.Column("request_fk", INT, nullable=False),
        sa.Column("job_fk", INT, nullable=False),
        sa.ForeignKeyConstraint(["job_fk"], ["jobs.id"], name="fk_recall_jobs_job_fk"),
        sa.ForeignKeyConstraint(["request_fk"], ["recall_requests.id"], name="fk_recall_jobs_request_fk"),
        sa.PrimaryKeyConstraint("request_fk", "job_fk", name="pk_recall_jobs"),
    )
    op.create_index("ix_recall_jobs_job_fk", "recall_jobs", ["job_fk"])


def downgrade() -> None:
    """Back to nothing."""
    names = (
        "recall_jobs jobs superseded_members instances copies series recall_requests packs holds "
        "studies volumes quarantine policies patients leases events elements drives counters"
    )
    for name in names.split():
        op.drop_table(name)
