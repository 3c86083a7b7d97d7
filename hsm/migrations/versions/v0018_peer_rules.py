"""Peers: level of commitment, TLS, studies recalled a day, addresses; rights to retrieve and to ask for commitment."""

import json

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON

revision = "0018"
down_revision = "0017"

# Until now who might search might retrieve, and whoever had an address might ask for commitment.
_WITH = {"query": "retrieve", "store": "commit"}


def _rights() -> list[tuple[str, list[str]]]:
    rows = op.get_bind().execute(sa.text("SELECT ae_title, rights FROM peers")).fetchall()
    return [(title, json.loads(rights) if isinstance(rights, str) else list(rights)) for title, rights in rows]


def _set(title: str, rights: list[str]) -> None:
    peers = sa.table("peers", sa.column("ae_title", sa.String()), sa.column("rights", JSON))
    op.execute(peers.update().where(peers.c.ae_title == title).values(rights=sorted(rights)))


def upgrade() -> None:
    """Add the columns, and let every peer keep what it might do."""
    with op.batch_alter_table("peers") as peers:
        peers.add_column(sa.Column("commit_level", sa.String(length=16), nullable=False, server_default="disk"))
        peers.add_column(sa.Column("tls", sa.Boolean(), nullable=False, server_default=sa.false()))
        peers.add_column(sa.Column("recalls_per_day", INT, nullable=True))
        peers.add_column(sa.Column("addresses", JSON, nullable=False, server_default="[]"))
    for title, rights in _rights():
        _set(title, [*rights, *(more for one, more in _WITH.items() if one in rights)])


def downgrade() -> None:
    """Take them away."""
    for title, rights in _rights():
        _set(title, [right for right in rights if right not in _WITH.values()])
    with op.batch_alter_table("peers") as peers:
        for name in ("addresses", "recalls_per_day", "tls", "commit_level"):
            peers.drop_column(name)
