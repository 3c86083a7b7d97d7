"""Studies that are to be sent to a DICOM node."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "deliveries",
        sa.Column("id", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("destination", sa.String(length=16), nullable=False),
        sa.Column("series_uids", JSON, nullable=False),
        sa.Column("instance_uids", JSON, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("active_key", sa.String(length=64), nullable=True),
        sa.Column("tries", INT, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("request_fk", INT, nullable=True),
        sa.Column("own_request", sa.Boolean(), nullable=False),
        sa.Column("total", INT, nullable=False),
        sa.Column("sent", INT, nullable=False),
        sa.Column("sent_uids", JSON, nullable=False),
        sa.Column("origin_aet", sa.String(length=16), nullable=True),
        sa.Column("origin_message", INT, nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("seen_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_deliveries_study_fk"),
        sa.ForeignKeyConstraint(["request_fk"], ["recall_requests.id"], name="fk_deliveries_request_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("active_key", name="uq_deliveries_active_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_study_fk", "deliveries", ["study_fk"])
    op.create_index("ix_deliveries_request_fk", "deliveries", ["request_fk"])
    op.create_index("ix_deliveries_requester", "deliveries", ["requested_by", "id"])
    active = sa.text("ended_at IS NULL")
    op.create_index("ix_deliveries_active", "deliveries", ["state", "id"], sqlite_where=active, postgresql_where=active)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("deliveries")
