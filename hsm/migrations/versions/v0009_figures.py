"""Figures worked out by the clock, samples of how full things were, what came in each day, and how fast jobs go."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "figures",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_figures"),
    )
    op.create_table(
        "usage_samples",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("used_bytes", INT, nullable=False),
        sa.Column("capacity_bytes", INT, nullable=False),
        sa.PrimaryKeyConstraint("name", "at", name="pk_usage_samples"),
    )
    op.create_table(
        "day_flows",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("number", INT, nullable=False),
        sa.Column("size_bytes", INT, nullable=False),
        sa.PrimaryKeyConstraint("day", "name", name="pk_day_flows"),
    )
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("rate_bytes_s", INT, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("rate_bytes_s")
    for name in ("day_flows", "usage_samples", "figures"):
        op.drop_table(name)
