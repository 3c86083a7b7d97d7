"""Who knows the password of an account, and how an identity provider names its person."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the columns; every account there is is a local one."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("realm", sa.String(length=16), nullable=False, server_default="local"))
        users.add_column(sa.Column("subject", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("users") as users:
        users.drop_column("subject")
        users.drop_column("realm")
