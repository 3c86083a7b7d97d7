"""What cartridges tell of their wear."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, TIME

revision = "0012"
down_revision = "0011"

COUNTERS = ("written_bytes", "read_bytes", "corrected_errors", "uncorrected_errors")


def upgrade() -> None:
    """Add the columns; nothing was told so far."""
    with op.batch_alter_table("volumes") as volumes:
        for name in COUNTERS:
            volumes.add_column(sa.Column(name, INT, nullable=True))
        volumes.add_column(sa.Column("told_at", TIME, nullable=True))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("volumes") as volumes:
        for name in ("told_at", *COUNTERS):
            volumes.drop_column(name)
