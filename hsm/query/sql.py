"""A question as SQL over hsm/models: a statement that finds every match and perhaps a little more.

The statement narrows down with what a database does alike everywhere: equality, ranges, and LIKE with at most three
wildcards, so that no pattern can make it slow. hsm/query/matching decides about each row.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from hsm.catalog.availability import instance_rank, series_rank, study_rank
from hsm.models import Instance, Patient, Series, Study
from hsm.query import keys
from hsm.query.folding import fold_name
from hsm.query.matching import (
    AnyNumber,
    AnyText,
    AnyUid,
    DateRange,
    Match,
    NameMatch,
    TimeRange,
    has_wildcards,
    literal_parts,
)
from hsm.query.model import Condition, Level, Query

_ESCAPE = "!"

TEXT_COLUMNS: Mapping[int, InstrumentedAttribute[str]] = {
    0x00100020: Patient.patient_id,
    0x00100021: Patient.issuer,
    0x00100040: Patient.sex,
    0x0020000D: Study.study_instance_uid,
    0x00080030: Study.study_time,
    0x00080050: Study.accession_number,
    0x00200010: Study.study_id,
    0x00081030: Study.description,
    0x0020000E: Series.series_instance_uid,
    0x00080060: Series.modality,
    0x0008103E: Series.description,
    0x00180015: Series.body_part,
    0x00080031: Series.series_time,
    0x00080018: Instance.sop_instance_uid,
    0x00080016: Instance.sop_class_uid,
    0x00083002: Instance.transfer_syntax_uid,
}
DATE_COLUMNS: Mapping[int, InstrumentedAttribute[Any]] = {
    0x00100030: Patient.birth_date,
    0x00080020: Study.study_date,
    0x00080021: Series.series_date,
}
NUMBER_COLUMNS: Mapping[int, InstrumentedAttribute[int | None]] = {
    0x00200011: Series.series_number,
    0x00200013: Instance.instance_number,
}
FOLDED_COLUMNS: Mapping[int, InstrumentedAttribute[str]] = {
    0x00100010: Study.patient_name_folded,
    0x00080090: Study.referring_physician_folded,
}

_STUDY, _SERIES, _INSTANCE = Study.__table__, Series.__table__, Instance.__table__


def statement(query: Query, after: int | None, limit: int) -> Select[Any]:
    """Rows for one page, newest first; `after` is the `id` of the last row of the page before.

    Columns are labelled: id, patient_/study_/series_/instance_ plus the name of the column, rank, and count_ plus the
    key of a counted attribute.
    """
    entity: Any = {Level.PATIENT: Patient, Level.STUDY: Study, Level.SERIES: Series, Level.IMAGE: Instance}[query.level]
    found = select(entity.id.label("id"), *_columns(query)).select_from(entity)
    if query.level is Level.IMAGE:
        found = found.join(Series, Series.id == Instance.series_fk)
    if query.level.depth >= Level.SERIES.depth:
        found = found.join(Study, Study.id == Series.study_fk)
    if query.level.depth >= Level.STUDY.depth:
        found = found.join(Patient, Patient.id == Study.patient_fk)
    for condition in query.conditions:
        clause = _clause(condition, query.level)
        if clause is not None:
            found = found.where(clause)
    if after is not None:
        found = found.where(entity.id < after)
    return found.order_by(entity.id.desc()).limit(limit)


def _columns(query: Query) -> list[ColumnElement[Any]]:
    picked: list[ColumnElement[Any]] = []
    for level, prefix, table in (
        (Level.PATIENT, "patient", Patient.__table__),
        (Level.STUDY, "study", _STUDY),
        (Level.SERIES, "series", _SERIES),
        (Level.IMAGE, "instance", _INSTANCE),
    ):
        if level.depth <= query.level.depth:
            picked.extend(column.label(f"{prefix}_{column.name}") for column in table.columns)
    picked.append(_rank(query.level).label("rank"))
    wanted = {item.tag for item in query.wanted} | {condition.tag for condition in query.conditions}
    for tag in (keys.PATIENT_STUDIES, keys.PATIENT_SERIES, keys.PATIENT_INSTANCES):
        if tag in wanted:
            picked.append(_patient_count(tag).label(f"count_{tag:08X}"))
    return picked


def _rank(level: Level) -> ColumnElement[int]:
    if level is Level.IMAGE:
        return instance_rank()
    if level is Level.SERIES:
        return series_rank()
    if level is Level.STUDY:
        return study_rank()
    worst = select(func.max(study_rank(Study.id))).where(Study.patient_fk == Patient.id).correlate(Patient)
    return func.coalesce(worst.scalar_subquery(), 0)


def _patient_count(tag: int) -> ColumnElement[Any]:
    study = _STUDY.alias()
    what: Any = {
        keys.PATIENT_STUDIES: func.count(study.c.id),
        keys.PATIENT_SERIES: func.coalesce(func.sum(study.c.series_count), 0),
        keys.PATIENT_INSTANCES: func.coalesce(func.sum(study.c.instance_count), 0),
    }[tag]
    return select(what).where(study.c.patient_fk == Patient.id).correlate(Patient).scalar_subquery()


def _clause(condition: Condition, level: Level) -> ColumnElement[bool] | None:
    tag, match = condition.tag, condition.match
    if tag == keys.MODALITIES and isinstance(match, AnyText):
        return _some_modality(match)
    if tag in FOLDED_COLUMNS and isinstance(match, NameMatch):
        patient_level = level is Level.PATIENT and tag == 0x00100010
        return _name_clause(Patient.name_folded if patient_level else FOLDED_COLUMNS[tag], match)
    if tag in DATE_COLUMNS and isinstance(match, DateRange):
        return _between(DATE_COLUMNS[tag], match.first, match.last)
    if tag in NUMBER_COLUMNS and isinstance(match, AnyNumber):
        return NUMBER_COLUMNS[tag].in_([int(number) for number in match.numbers if abs(number) < 2**31])
    if tag in TEXT_COLUMNS:
        return _text_clause(TEXT_COLUMNS[tag], match)
    return None


def _text_clause(column: InstrumentedAttribute[str], match: Match) -> ColumnElement[bool] | None:
    if isinstance(match, AnyUid):
        return column.in_(match.uids)
    if isinstance(match, TimeRange):
        return and_(column != "", _between(column, match.first or None, match.last or None))
    if isinstance(match, AnyText):
        return or_(*(_pattern_clause(column, pattern) for pattern in match.patterns))
    return None


def _pattern_clause(column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    if not has_wildcards(pattern):
        return column == pattern
    first, *others = literal_parts(pattern)
    longest = max(others, key=len)
    like = f"{_escaped(first)}%{_escaped(longest)}%" if longest else f"{_escaped(first)}%"
    return column.like(like, escape=_ESCAPE)


def _name_clause(column: InstrumentedAttribute[str], match: NameMatch) -> ColumnElement[bool]:
    """Names that contain the longest word of the pattern, wherever."""
    clauses = []
    for pattern in match.patterns:
        words = fold_name(pattern).replace("=", "*").replace("^", "*").replace(" ", "*")
        clauses.append(column.like(f"%{_escaped(max(literal_parts(words), key=len))}%", escape=_ESCAPE))
    return or_(*clauses)


def _some_modality(match: AnyText) -> ColumnElement[bool]:
    series = _SERIES.alias()
    clauses: list[ColumnElement[bool]] = []
    for pattern in match.patterns:
        if has_wildcards(pattern):
            clauses.append(series.c.modality.like(f"{_escaped(literal_parts(pattern)[0])}%", escape=_ESCAPE))
        else:
            clauses.append(series.c.modality == pattern)
    inner = select(series.c.id).where(series.c.study_fk == Study.id, or_(*clauses)).correlate(Study)
    return inner.exists()


def _between(column: InstrumentedAttribute[Any], first: Any, last: Any) -> ColumnElement[bool]:
    clauses: list[ColumnElement[bool]] = [column.is_not(None)]
    if first is not None:
        clauses.append(column >= first)
    if last is not None:
        clauses.append(column <= last)
    return and_(*clauses)


def _escaped(text: str) -> str:
    for character in (_ESCAPE, "%", "_"):
        text = text.replace(character, _ESCAPE + character)
    return text
