"""Tokens with which programs act for people."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "api_tokens",
        sa.Column("id", INT, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("user_fk", INT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("used_from", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_fk"], ["users.id"], name="fk_api_tokens_user_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_sha256", name="uq_api_tokens_token_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_api_tokens_user_fk", "api_tokens", ["user_fk"])


def downgrade() -> None:
    """Remove it, and every token."""
    op.drop_table("api_tokens")
