"""A log for each job, and the drive it was given to."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, TIME

revision = "0013"
down_revision = "0012"

SOUGHT = ("requested_by", "drive", "barcode")


def upgrade() -> None:
    """Add the table, the column and what finds jobs by it."""
    op.create_table(
        "job_lines",
        sa.Column("id", INT, nullable=False),
        sa.Column("job_fk", INT, nullable=False),
        sa.Column("number", INT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("done_bytes", INT, nullable=True),
        sa.ForeignKeyConstraint(["job_fk"], ["jobs.id"], name="fk_job_lines_job_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_job_lines"),
        sa.UniqueConstraint("job_fk", "number", name="uq_job_lines_job_fk_number"),
    )
    op.add_column("jobs", sa.Column("drive", sa.String(length=64), nullable=True))
    for column in SOUGHT:
        op.create_index(f"ix_jobs_{column}_id", "jobs", [column, "id"])


def downgrade() -> None:
    """Take them away."""
    for column in SOUGHT:
        op.drop_index(f"ix_jobs_{column}_id", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("drive")
    op.drop_table("job_lines")
