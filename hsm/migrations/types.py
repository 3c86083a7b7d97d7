"""The column types the steps use. Frozen: a step says for ever what it said when it was written."""

import sqlalchemy as sa

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON()
