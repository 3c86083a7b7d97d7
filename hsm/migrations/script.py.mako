"""${message}."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON, TIME
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """To this version."""
    ${upgrades if upgrades else "return"}


def downgrade() -> None:
    """Back to the version before."""
    ${downgrades if downgrades else "return"}
