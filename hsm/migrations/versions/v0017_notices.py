"""Notifications: targets, rules, the outbox; an address of mail for each account."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "notice_targets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_notice_targets"),
    )
    op.create_table(
        "notice_rules",
        sa.Column("id", INT, nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("calendar", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["target"], ["notice_targets.name"], name="fk_notice_rules_target", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_notice_rules"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_rules_target", "notice_rules", ["target"])
    op.create_table(
        "outbox",
        sa.Column("id", INT, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("note", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", INT, nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_told_at", "outbox", ["told_at"])
    op.create_index("ix_outbox_state_kind_address", "outbox", ["state", "kind", "address"])
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("mail", sa.String(length=254), nullable=False, server_default=""))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("users") as users:
        users.drop_column("mail")
    op.drop_table("outbox")
    op.drop_table("notice_rules")
    op.drop_table("notice_targets")
