"""Drafts of rules, reasons for versions, and who lifted a hold why."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, TIME

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table and the columns. The defaults are for the rows that are there; the program sets every value."""
    op.create_table(
        "policy_drafts",
        sa.Column("id", INT, nullable=False),
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("base", INT, nullable=False),
        sa.Column("revision", INT, nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy_drafts"),
        sa.UniqueConstraint("account", name="uq_policy_drafts_account"),
    )
    with op.batch_alter_table("policies") as policies:
        policies.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("holds") as holds:
        holds.add_column(sa.Column("lifted_by", sa.Text(), nullable=False, server_default=""))
        holds.add_column(sa.Column("lift_reason", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Take them away, and every draft."""
    with op.batch_alter_table("holds") as holds:
        holds.drop_column("lift_reason")
        holds.drop_column("lifted_by")
    with op.batch_alter_table("policies") as policies:
        policies.drop_column("reason")
    op.drop_table("policy_drafts")
