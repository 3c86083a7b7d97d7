"""Who asked for storage commitment, and what was answered."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "commitments",
        sa.Column("id", INT, nullable=False),
        sa.Column("peer_aet", sa.String(length=64), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("items", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("look_at", TIME, nullable=False),
        sa.Column("tries", INT, nullable=False),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("committed", INT, nullable=False),
        sa.Column("refused", INT, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitments"),
        sa.UniqueConstraint("peer_aet", "transaction_uid", name="uq_commitments_peer_aet_transaction_uid"),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_commitments_due", "commitments", ["look_at"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("commitments")
