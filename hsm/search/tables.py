"""What words are looked for in, one row a study. Derived: it can be written again from the other tables at any time."""

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from hsm.columns import Base

# Beside this table the steps of the schema make an index of its trigrams, which no model describes: in SQLite a
# full-text table of this name with shadow tables, kept by triggers; in PostgreSQL an inverted index over the function.
GRAM_TABLE, GRAM_INDEX, GRAM_FUNCTION = "study_grams", "ix_study_texts_grams", "firn_grams"


class StudyText(Base):
    """The text of one study. The id is its place in every list of studies: the largest is the newest."""

    __tablename__ = "study_texts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # hsm.search.words.place_in_list
    study_fk: Mapped[int] = mapped_column(ForeignKey("studies.id"), unique=True)
    text: Mapped[str] = mapped_column(Text)  # hsm.search.words.searchable
