"""Studies by words: the same answers from both databases, quickly also among very many.

What words are compared with is one text a study, in a narrow table whose key is the order of every list. An index of
its trigrams gives the candidates, which are compared again as a whole, newest first, until there are enough. Words of
one or two letters are too short for that index: then the narrow table is walked.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    and_,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    union,
)

from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.rows import chunks, one, table_of
from hsm.facts import StudyUid
from hsm.models import Patient, Study
from hsm.search.tables import GRAM_FUNCTION, GRAM_TABLE, StudyText
from hsm.search.words import Word, place_in_list, searchable, words

COUNTED = 1000  # so many are counted; of more it is only said that there are more
_BATCH = 5000
_ESCAPE = "\\"
_STUDY = (
    Study.id,
    Study.patient_name_folded,
    Patient.patient_id,
    Study.accession_number,
    Study.description,
    Study.modalities,
    Study.study_date,
    Study.study_time,
)


@dataclass(frozen=True)
class Found:
    """A part of what a search found, newest first."""

    study_uids: tuple[StudyUid, ...]
    total: int
    exact: bool = True  # False: there are more than `total`


class Search:
    """Studies by words."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, text: str, limit: int, offset: int = 0, among: Sequence[int] | None = None) -> Found:
        """The studies that have every word, newest study date first; all of them when there is no word.

        `among`: only these, given by their places in the list, newest first.
        """
        wanted = words(text)

        def look(connection: Connection) -> Found:
            if wanted:
                places, total, exact = _fitting(connection, wanted, limit, offset, among)
            elif among is not None:
                places, total, exact = list(among[offset : offset + limit]), len(among), True
            else:
                page = select(StudyText.id).order_by(StudyText.id.desc()).limit(limit).offset(offset)
                places = list(connection.scalars(page))
                total, exact = connection.scalar(select(func.count()).select_from(Study)) or 0, True
            return Found(_uids(connection, places), total, exact)

        return self._database.read(look)

    def behind(
        self, text: str, limit: int, last: int | None, among: Sequence[int] | None = None
    ) -> tuple[StudyUid, ...]:
        """The next studies that have every word behind the one with an id, which was the last seen; newest date first.

        Raises: NotCatalogued when that study is gone.
        """
        wanted = words(text)

        def look(connection: Connection) -> tuple[StudyUid, ...]:
            before = None
            if last is not None:
                before = one(connection, select(StudyText.id).where(StudyText.study_fk == last), f"study {last}")[0]
            if among is None:
                statement = _statement(connection, wanted, limit, before)
                return _uids(connection, list(connection.scalars(statement)))
            left = sorted((place for place in among if before is None or place < before), reverse=True)
            return _uids(connection, _fitting_among(connection, wanted, left, limit) if wanted else left[:limit])

        return self._database.read(look)


def _uids(connection: Connection, places: Collection[int]) -> tuple[StudyUid, ...]:
    statement = select(StudyText.id, Study.study_instance_uid).join(Study, Study.id == StudyText.study_fk)
    found: dict[int, StudyUid] = {}
    for part in chunks(places):
        found |= {row[0]: StudyUid(row[1]) for row in connection.execute(statement.where(StudyText.id.in_(part)))}
    return tuple(found[place] for place in places if place in found)


def _fitting(
    connection: Connection, wanted: Sequence[Word], limit: int, offset: int, among: Sequence[int] | None
) -> tuple[list[int], int, bool]:
    """The places of one page, and how many there are or that there are more."""
    enough = max(COUNTED, offset + limit) + 1
    if among is None:
        places = list(connection.scalars(_statement(connection, wanted, enough)))
    else:
        places = _fitting_among(connection, wanted, among, enough)
    exact = len(places) <= COUNTED or len(places) < enough
    return places[offset : offset + limit], len(places) if exact else COUNTED, exact


def _fitting_among(connection: Connection, wanted: Sequence[Word], among: Sequence[int], enough: int) -> list[int]:
    """Those of some studies that fit. Few are looked at one by one; of many the fitting ones are searched for."""
    if len(among) <= _BATCH:
        one_by_one = select(StudyText.id).where(_compared(wanted, _named(connection, wanted)))
        found = [
            place for part in chunks(among) for place in connection.scalars(one_by_one.where(StudyText.id.in_(part)))
        ]
        return sorted(found, reverse=True)[:enough]
    allowed, chosen = frozenset(among), list[int]()
    before: int | None = None
    while len(chosen) < enough:
        part = list(connection.scalars(_statement(connection, wanted, _BATCH, before)))
        chosen += [place for place in part if place in allowed]
        if len(part) < _BATCH:
            break
        before = part[-1]
    return chosen[:enough]


def _statement(connection: Connection, wanted: Sequence[Word], limit: int, before: int | None = None) -> AnySelect:
    """The places of the fitting studies, newest first."""
    named = _named(connection, wanted)
    by_text = _by_text(connection, wanted, before)
    if not named:
        return by_text.limit(limit)
    # A word that is the UID of a study fits that study whatever its text: such studies are looked at beside the others.
    by_uid = select(StudyText.id).where(StudyText.id.in_(named.values()), _compared(wanted, named), *_below(before))
    both = union(by_text.limit(limit).subquery().select(), by_uid).subquery()
    return select(both.c.id).order_by(both.c.id.desc()).limit(limit)


def _by_text(connection: Connection, wanted: Sequence[Word], before: int | None) -> AnySelect:
    indexed = [word for word in wanted if word.grams]
    statement = select(StudyText.id).where(_compared(wanted, {}), *_below(before))
    if not indexed:
        return statement.order_by(StudyText.id.desc())
    if connection.dialect.name == "sqlite":
        index = table(GRAM_TABLE, column("rowid"))
        asked = " AND ".join(_match(word) for word in indexed)
        statement = statement.join(index, index.c.rowid == StudyText.id)
        return statement.where(literal_column(GRAM_TABLE).op("MATCH")(asked)).order_by(index.c.rowid.desc())
    # The candidates first, as a whole: the planner would else walk the list and compute the grams of every study anew.
    candidates = (
        statement.where(*(_has(word) for word in indexed))
        .cte("candidates")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return select(candidates.c.id).order_by(candidates.c.id.desc())


def _match(word: Word) -> str:
    """The question to a full-text index of SQLite whose words are grams."""

    def quoted(gram: str) -> str:
        return '"' + gram.replace('"', '""') + '"'

    return "(" + " OR ".join("(" + " AND ".join(map(quoted, one)) + ")" for one in word.grams) + ")"


def _has(word: Word) -> ColumnElement[bool]:
    grams: ColumnElement[Any] = getattr(func, GRAM_FUNCTION)(StudyText.text, type_=ARRAY(Text))
    return or_(*(grams.op("@>")(cast(list(one), ARRAY(Text))) for one in word.grams))


def _compared(wanted: Sequence[Word], named: dict[str | None, int]) -> ColumnElement[bool]:
    """True for a text that really has every word."""
    return and_(
        *(
            or_(
                *(StudyText.text.like(_contains(part), escape=_ESCAPE) for part in word.alternatives),
                *([StudyText.id == named[word.uid]] if word.uid in named else []),
            )
            for word in wanted
        )
    )


def _contains(part: str) -> str:
    quoted = part.replace(_ESCAPE, _ESCAPE * 2).replace("%", _ESCAPE + "%").replace("_", _ESCAPE + "_")
    return f"%{quoted}%"


def _below(before: int | None) -> list[ColumnElement[bool]]:
    return [] if before is None else [StudyText.id < literal(before)]


def _named(connection: Connection, wanted: Sequence[Word]) -> dict[str | None, int]:
    """The studies whose UIDs are among the words."""
    uids = [word.uid for word in wanted if word.uid]
    if not uids:
        return {}
    statement = select(Study.study_instance_uid, StudyText.id).join(Study, Study.id == StudyText.study_fk)
    return dict(connection.execute(statement.where(Study.study_instance_uid.in_(uids))).all())


# -- keeping the texts -------------------------------------------------------------------------------------------------


def describe(connection: Connection, study_id: int) -> None:
    """Write down the text of a study that is new or was changed. To be called in the transaction that changes it."""
    connection.execute(delete(StudyText).where(StudyText.study_fk == study_id))
    row = one(connection, _chosen(Study.id == study_id), f"study {study_id}")
    connection.execute(table_of(StudyText).insert(), _row(row))


def describe_all(connection: Connection) -> None:
    """Write all texts anew."""
    connection.execute(delete(StudyText))
    last = 0
    while rows := connection.execute(_chosen(Study.id > last).order_by(Study.id).limit(_BATCH)).all():
        connection.execute(table_of(StudyText).insert(), [_row(row) for row in rows])
        last = rows[-1].id


def _chosen(condition: ColumnElement[bool]) -> AnySelect:
    return select(*_STUDY).join(Patient, Patient.id == Study.patient_fk).where(condition)


def _row(row: AnyRow) -> dict[str, Any]:
    return {
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
