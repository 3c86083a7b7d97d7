"""What drives say of themselves, cleaning cartridges, and volumes on their way out."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the table. The defaults are for the rows that are there; the program sets every value."""
    with op.batch_alter_table("drives") as drives:
        drives.add_column(sa.Column("failed_at", sa.String(length=16), nullable=True))
        drives.add_column(sa.Column("alerts", JSON, nullable=False, server_default="[]"))
        drives.add_column(sa.Column("wants_cleaning", sa.Boolean(), nullable=False, server_default=sa.false()))
        drives.add_column(sa.Column("cleaned_at", TIME, nullable=True))
        drives.add_column(sa.Column("mounts", INT, nullable=False, server_default="0"))
    with op.batch_alter_table("volumes") as volumes:
        volumes.add_column(sa.Column("leaving", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "cleaning_cartridges",
        sa.Column("id", INT, nullable=False),
        sa.Column("barcode", sa.String(length=64), nullable=False),
        sa.Column("library", sa.String(length=64), nullable=True),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("uses", INT, nullable=False),
        sa.Column("used_up", sa.Boolean(), nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cleaning_cartridges"),
        sa.UniqueConstraint("barcode", name="uq_cleaning_cartridges_barcode"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("cleaning_cartridges")
    with op.batch_alter_table("volumes") as volumes:
        volumes.drop_column("leaving")
    with op.batch_alter_table("drives") as drives:
        for name in ("mounts", "cleaned_at", "wants_cleaning", "alerts", "failed_at"):
            drives.drop_column(name)
