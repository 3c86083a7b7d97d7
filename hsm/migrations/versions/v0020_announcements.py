"""What peers are told of the availability of studies."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, TIME

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "availabilities",
        sa.Column("study_fk", INT, autoincrement=False, nullable=False),
        sa.Column("availability", sa.String(length=16), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_availabilities_study_fk"),
        sa.PrimaryKeyConstraint("study_fk", name="pk_availabilities"),
    )
    op.create_table(
        "announcements",
        sa.Column("id", INT, nullable=False),
        sa.Column("peer_aet", sa.String(length=16), nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("availability", sa.String(length=16), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", INT, nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_announcements_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_announcements"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_announcements_study_fk", "announcements", ["study_fk"])
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_announcements_due", "announcements", ["not_before"], sqlite_where=pending, postgresql_where=pending
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("announcements")
    op.drop_table("availabilities")
