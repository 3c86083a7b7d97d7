"""Instances that lie compressed in their packs, and how much that saves."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT

revision = "0021"
down_revision = "0020"

OF_PACKS = ("pressed_instances", "pressed_from_bytes", "pressed_to_bytes")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("instances", sa.Column("pack_size_bytes", INT, nullable=True))
    op.add_column("instances", sa.Column("pack_sha256", sa.String(length=64), nullable=True))
    for column in OF_PACKS:
        op.add_column("packs", sa.Column(column, INT, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("packs") as packs:
        for column in OF_PACKS:
            packs.drop_column(column)
    with op.batch_alter_table("instances") as instances:
        instances.drop_column("pack_sha256")
        instances.drop_column("pack_size_bytes")
