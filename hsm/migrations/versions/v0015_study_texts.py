"""What words are looked for in, and an index of its trigrams."""

import sqlalchemy as sa
from alembic import op

from hsm.migrations.types import INT, JSON
from hsm.search.words import place_in_list, searchable

revision = "0015"
down_revision = "0014"
_BATCH = 5000
_CHOSEN = sa.text(
    "SELECT s.id, s.patient_name_folded, p.patient_id, s.accession_number, s.description, s.modalities, s.study_date,"
    " s.study_time FROM studies s JOIN patients p ON p.id = s.patient_fk WHERE s.id > :last ORDER BY s.id LIMIT :many"
).columns(modalities=JSON, study_date=sa.Date())


def upgrade() -> None:
    """Make the table, describe the studies that are there, and index it in the way of the database."""
    texts = op.create_table(
        "study_texts",
        sa.Column("id", INT, autoincrement=False, nullable=False),
        sa.Column("study_fk", INT, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_fk"], ["studies.id"], name="fk_study_texts_study_fk"),
        sa.PrimaryKeyConstraint("id", name="pk_study_texts"),
        sa.UniqueConstraint("study_fk", name="uq_study_texts_study_fk"),
    )
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else _POSTGRES[:1]:
        op.execute(statement)
    last = 0
    while rows := connection.execute(_CHOSEN, {"last": last, "many": _BATCH}).all():
        connection.execute(
            texts.insert(),
            [
                {
                    "id": place_in_list(row.study_date, row.study_time, row.id),
                    "study_fk": row.id,
                    "text": searchable(
                        row.patient_name_folded,
                        row.patient_id,
                        row.accession_number,
                        row.description,
                        row.modalities,
                        row.study_date,
                    ),
                }
                for row in rows
            ],
        )
        last = rows[-1].id
    if not sqlite:
        op.execute(_POSTGRES[1])


# The text is folded already. Only which rows have a trigram is kept (detail=none), not where.
_TAKE_OUT = "INSERT INTO study_grams (study_grams, rowid, text) VALUES ('delete', old.id, old.text);"
_PUT_IN = "INSERT INTO study_grams (rowid, text) VALUES (new.id, new.text);"
_SQLITE = (
    "CREATE VIRTUAL TABLE study_grams USING fts5(text, content='', detail=none, tokenize='trigram case_sensitive 1')",
    f"CREATE TRIGGER study_texts_came AFTER INSERT ON study_texts BEGIN {_PUT_IN} END",
    f"CREATE TRIGGER study_texts_went AFTER DELETE ON study_texts BEGIN {_TAKE_OUT} END",
    f"CREATE TRIGGER study_texts_changed AFTER UPDATE ON study_texts BEGIN {_TAKE_OUT} {_PUT_IN} END",
)
# In place of pg_trgm, which a server may lack. The cost keeps the planner from computing it row by row.
_POSTGRES = (
    """CREATE FUNCTION firn_grams(t text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS
    $$ SELECT coalesce(array_agg(DISTINCT substr(t, n, 3)), '{}') FROM generate_series(1, length(t) - 2) n $$""",
    "CREATE INDEX ix_study_texts_grams ON study_texts USING gin (firn_grams(text)) WITH (fastupdate = off)",
)


def downgrade() -> None:
    """Take it all away."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute("DROP TABLE study_grams")
    op.drop_table("study_texts")
    if connection.dialect.name != "sqlite":
        op.execute("DROP FUNCTION firn_grams(text)")
