"""Drives that a person keeps for recalls."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; so far no drive is kept."""
    with op.batch_alter_table("drives") as drives:
        drives.add_column(sa.Column("recalls_only", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("drives") as drives:
        drives.drop_column("recalls_only")
