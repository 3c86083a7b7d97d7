"""Peers that are edited while the archive runs, and how each peer was when it was last asked."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "peers",
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", INT, nullable=False),
        sa.Column("patience_s", sa.Float(), nullable=True),
        sa.Column("rights", JSON, nullable=False),
        sa.Column("version", INT, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ae_title", name="pk_peers"),
    )
    op.create_table(
        "peer_checks",
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("seen_at", TIME, nullable=True),
        sa.Column("failures", INT, nullable=False),
        sa.PrimaryKeyConstraint("ae_title", name="pk_peer_checks"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("peer_checks")
    op.drop_table("peers")
