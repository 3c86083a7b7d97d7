"""Volumes that are emptied, and the label that may be written over on one that was."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "repacks",
        sa.Column("id", INT, nullable=False),
        sa.Column("volume_fk", INT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("came_from", sa.String(length=64), nullable=False),
        sa.Column("copies", INT, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.Column("troubles", JSON, nullable=False),
        sa.ForeignKeyConstraint(["volume_fk"], ["volumes.id"], name="fk_repacks_volume_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_repacks"),
        sqlite_autoincrement=True,
    )
    for column in ("volume_fk", "state"):
        op.create_index(f"ix_repacks_{column}", "repacks", [column])
    op.add_column("volumes", sa.Column("former_uuid", sa.String(length=36), nullable=True))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("volumes", "former_uuid")
    op.drop_table("repacks")
