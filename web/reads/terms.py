"""What somebody typed into the search field, as conditions on studies. Pure."""

import calendar
import re
from datetime import date

from sqlalchemy import ColumnElement, and_, or_, select, true

from hsm.models import Patient, Series, Study
from hsm.query.folding import fold

MAX_TERMS = 8  # further words are not looked at
MAX_TEXT = 200  # characters
ESCAPE = "\\"
FULL_YEAR, FULL_MONTH = re.compile(r"(\d{4})", re.ASCII), re.compile(r"(\d{4})-(\d{1,2})", re.ASCII)
FULL_DAYS = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})", re.ASCII),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", re.ASCII),
    re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})", re.ASCII),
)


def split(text: str) -> list[str]:
    """The words of a search. Commas and carets part words, so that names may be written as people or as DICOM do."""
    return re.sub(r"[,^=]", " ", text[:MAX_TEXT]).split()[:MAX_TERMS]


def dates(term: str) -> tuple[date, date] | None:
    """The first and last day a term may mean: a day (2024-03-01, 20240301, 1.3.2024), a month (2024-03) or a year."""
    for pattern in FULL_DAYS:
        if match := pattern.fullmatch(term):
            day = _day(int(match["y"]), int(match["m"]), int(match["d"]))
            return (day, day) if day else None
    if match := FULL_MONTH.fullmatch(term):
        first = _day(int(match[1]), int(match[2]), 1)
        return (first, first.replace(day=calendar.monthrange(first.year, first.month)[1])) if first else None
    if match := FULL_YEAR.fullmatch(term):
        first = _day(int(match[1]), 1, 1)
        return (first, first.replace(month=12, day=31)) if first else None
    return None


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def condition(text: str) -> ColumnElement[bool]:
    """True for studies that have every word somewhere: name, patient ID, accession, date, modality, description, UID.

    The statement must join Study with Patient.
    """
    return and_(true(), *(_anywhere(term) for term in split(text)))


def _anywhere(term: str) -> ColumnElement[bool]:
    folded, plain = _contains(fold(term)), _contains(term)
    places: list[ColumnElement[bool]] = [
        Study.patient_name_folded.like(folded, escape=ESCAPE),
        Patient.patient_id.ilike(plain, escape=ESCAPE),
        Study.accession_number.ilike(plain, escape=ESCAPE),
        Study.description.ilike(plain, escape=ESCAPE),
        Study.study_instance_uid == term,
        Study.id.in_(select(Series.study_fk).where(Series.modality == term.upper())),
    ]
    if days := dates(term):
        places.append(Study.study_date.between(*days))
    return or_(*places)


def _contains(term: str) -> str:
    quoted = term.replace(ESCAPE, ESCAPE * 2).replace("%", ESCAPE + "%").replace("_", ESCAPE + "_")
    return f"%{quoted}%"
