"""Runs the steps on the connection that hsm/catalog/schema.py hands over."""

from alembic import context

import hsm.access.tables
import hsm.commitment.tables
import hsm.models
import hsm.repack.tables
import hsm.search.tables
import hsm.wishes  # noqa: F401 - the tables enter the metadata
from hsm.columns import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite can, when the transaction is begun explicitly
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
