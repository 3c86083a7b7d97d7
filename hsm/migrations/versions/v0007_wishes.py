"""What became of a wish to have a study back, and studies that an account has put aside."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, TIME

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns and the table. A request that no job works on any more ended before this step."""
    with op.batch_alter_table("recall_requests") as requests:
        requests.add_column(sa.Column("state", sa.String(length=16), nullable=False, server_default="waiting"))
        requests.add_column(sa.Column("ended_at", TIME, nullable=True))
        requests.add_column(sa.Column("why", sa.Text(), nullable=False, server_default=""))
        requests.add_column(sa.Column("seen_at", TIME, nullable=True))
        requests.create_index("ix_recall_requests_requester", ["requested_by", "id"])
    op.execute(
        "UPDATE recall_requests SET state = 'ready', ended_at = created_at, seen_at = created_at WHERE NOT EXISTS ("
        "SELECT 1 FROM recall_jobs JOIN jobs ON jobs.id = recall_jobs.job_fk "
        "WHERE recall_jobs.request_fk = recall_requests.id "
        "AND jobs.state IN ('queued', 'running', 'waiting_operator', 'waiting_retry'))"
    )
    op.create_table(
        "cart_items",
        sa.Column("user_fk", INT, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_fk"], ["users.id"], name="fk_cart_items_user_fk"),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_cart_items_study_fk"),
        sa.PrimaryKeyConstraint("user_fk", "study_fk", name="pk_cart_items"),
    )
    op.create_index("ix_cart_items_study_fk", "cart_items", ["study_fk"])


def downgrade() -> None:
    """Take them away."""
    op.drop_table("cart_items")
    with op.batch_alter_table("recall_requests") as requests:
        requests.drop_index("ix_recall_requests_requester")
        for name in ("seen_at", "why", "ended_at", "state"):
            requests.drop_column(name)
