"""${message}."""

import sqlalchemy as sa
from alembic import op

import hsm.models
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    ${upgrades if upgrades else "return"}


def downgrade() -> None:
    """Back to the version before."""
    ${downgrades if downgrades else "return"}
