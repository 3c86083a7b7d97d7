"""What somebody typed into a search field, and the text of a study it is compared with. Pure.

A study is found when every word occurs somewhere in it: in name, patient ID, accession number, description or modality,
without regard to case and accents; or as its study date, written as a day, a month or a year; or as its whole UID.
"""

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from hsm.query.folding import fold

MAX_TERMS = 8  # further words are not looked at
MAX_TEXT = 200  # characters
GRAM = 3  # characters that the index keeps together
FULL_YEAR, FULL_MONTH = re.compile(r"(\d{4})", re.ASCII), re.compile(r"(\d{4})-(\d{1,2})", re.ASCII)
FULL_DAYS = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})", re.ASCII),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", re.ASCII),
    re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})", re.ASCII),
)
UID = re.compile(r"[0-9]+(\.[0-9]+)+", re.ASCII)

# A date lies in the text in letters nobody types, so that a number is not found in the middle of a date.
_DATE_BEGIN = 0xE000  # a private use area; what comes in with objects loses these letters
_PRIVATE = {_DATE_BEGIN + n: "\ufffd" for n in range(11)}
_DIGITS = {ord("0") + n: chr(_DATE_BEGIN + 1 + n) for n in range(10)}
_MINUTES, _ID_BITS, _MINUTE_BITS = 1440, 30, 11


@dataclass(frozen=True)
class Word:
    """One word of a search: one of the alternatives must be a part of the text of a study, or the UID its UID."""

    alternatives: tuple[str, ...]
    uid: str | None = None

    @property
    def grams(self) -> tuple[tuple[str, ...], ...]:
        """For each alternative what the index must have; () when one of them is too short for the index."""
        found = tuple(grams(alternative) for alternative in self.alternatives)
        return found if all(found) else ()

    def fits(self, text: str, uid: str) -> bool:
        """Whether a study has the word."""
        return any(alternative in text for alternative in self.alternatives) or self.uid == uid


def split(text: str) -> list[str]:
    """The words of a search. Commas and carets part words, so that names may be written as people or as DICOM do."""
    return re.sub(r"[,^=]", " ", text[:MAX_TEXT].replace("\x00", "")).split()[:MAX_TERMS]


def words(text: str) -> list[Word]:
    """What a search asks for."""
    return [_word(term) for term in split(text)]


def _word(term: str) -> Word:
    alternatives = [fold(term).translate(_PRIVATE)]
    if days := dates(term):
        first, last = days
        size = 8 if first == last else 6 if first.month == last.month else 4
        alternatives.append(_dated(first)[: size + 1])
    return Word(tuple(alternatives), term if UID.fullmatch(term) else None)


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


def _dated(day: date) -> str:
    return chr(_DATE_BEGIN) + f"{day:%Y%m%d}".zfill(8).translate(_DIGITS)


def searchable(
    name: str, patient_id: str, accession: str, description: str, modalities: Iterable[str], day: date | None
) -> str:
    """The text of a study in which words are looked for, one field a line."""
    fields = [fold(field).translate(_PRIVATE) for field in (name, patient_id, accession, description, *modalities)]
    return "\n".join([field for field in fields if field] + ([_dated(day)] if day else []))


def place_in_list(day: date | None, time: str, study_id: int) -> int:
    """The place of a study in every list: by date, then by minute, then by when it came; those without a date last.

    Positive, below 2**63, and different for every study with an id below 2**30.
    """
    minute = 0
    if re.match(r"[0-9]{4}", time):
        minute = min(int(time[:2]) * 60 + int(time[2:4]), _MINUTES - 1) + 1
    return ((day.toordinal() if day else 0) << (_MINUTE_BITS + _ID_BITS)) | (minute << _ID_BITS) | study_id


def grams(text: str) -> tuple[str, ...]:
    """All runs of three letters in a text, each once, sorted; () for a shorter one."""
    return tuple(sorted({text[at : at + GRAM] for at in range(len(text) - GRAM + 1)}))
