"""From an identifier, as it was sent, to a question that keeps the rules of its information model.

Source: PS3.4 C.4.1.2 (hierarchical and relational queries), C.4.2.2 and C.4.3.2 (retrieval), C.2.2.2 (matching).
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from hsm.format.text import is_uid
from hsm.query import keys
from hsm.query.matching import (
    AnyNumber,
    AnyText,
    AnyUid,
    DateRange,
    ItemMatch,
    Match,
    MomentRange,
    NameMatch,
    TimeRange,
)
from hsm.query.model import (
    LEVELS,
    UNABLE_TO_PROCESS,
    UNIQUE_KEYS,
    Condition,
    Level,
    Model,
    Query,
    QueryInvalid,
    Retrieval,
    Wanted,
)
from hsm.values import date_of, time_of

MAX_UIDS = 10_000  # in one list
MAX_KEY_CHARACTERS = 1024  # of one value
_STUDY_DATE, _STUDY_TIME = 0x00080020, 0x00080030
_UNIVERSAL = re.compile(r"\**")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_MOMENT = re.compile(r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?")
_NOT_KEYS = frozenset({keys.CHARACTER_SET, keys.QUERY_LEVEL, 0x00080053, 0x00080201, *(
    keys.RETRIEVE_AE, keys.AVAILABILITY, keys.FILE_SET_ID, keys.FILE_SET_UID,
)})  # fmt: skip


def parse_query(identifier: Dataset, model: Model, relational: bool = False, combined: bool = False) -> Query:
    """The question an identifier asks.

    Unknown keys, and keys below the level, are wanted back empty and match everything, as the standard has it for keys
    that are not supported. With `combined`, ranges of study date and study time are one range of moments.

    Raises: QueryInvalid.
    """
    elements = elements_of(identifier)
    level = _level(identifier, model)
    if not relational:
        _check_upper_keys(identifier, model, level)
    conditions: list[Condition] = []
    wanted: list[Wanted] = []
    for element in elements:
        tag = int(element.tag)
        if tag in _NOT_KEYS or element.tag.element == 0:
            continue
        wanted.append(wanted_of(element))
        if keys.supported_at(tag, level):
            match = match_of(element)
            if match is not None:
                conditions.append(Condition(tag, match))
    moments = _moments(conditions) if combined else None
    if moments is not None:
        conditions = [condition for condition in conditions if condition.tag != _STUDY_TIME]
    character_set = tuple(all_texts(identifier.get(keys.CHARACTER_SET)))  # an empty first value means ISO_IR 6
    return Query(level, tuple(conditions), tuple(wanted), character_set, moments)


def _moments(conditions: Sequence[Condition]) -> MomentRange | None:
    """Study date and study time as one range. Source: PS3.4 C.2.2.2.5."""
    by_tag = {condition.tag: condition.match for condition in conditions}
    days, times = by_tag.get(_STUDY_DATE), by_tag.get(_STUDY_TIME)
    if not isinstance(days, DateRange) or not isinstance(times, TimeRange):
        return None
    return moments_of(days, times)


def moments_of(days: DateRange, times: TimeRange) -> MomentRange:
    """A range of dates and one of times as one range of moments. Source: PS3.4 C.2.2.2.5."""
    first = f"{days.first:%Y%m%d}{times.first or '000000.000000'}" if days.first else ""
    last = f"{days.last:%Y%m%d}{times.last or '235959.999999'}" if days.last else ""
    return MomentRange(first.replace(".", ""), last.replace(".", ""))


def parse_retrieval(identifier: Dataset, model: Model, relational: bool = False) -> Retrieval:
    """What an identifier of C-MOVE or C-GET wants.

    Raises: QueryInvalid.
    """
    elements_of(identifier)
    level = _level(identifier, model)
    found: dict[Level, tuple[str, ...]] = {}
    for upper in LEVELS[: level.depth + 1]:
        tag = UNIQUE_KEYS[upper]
        said = _texts(identifier.get(tag)) if upper in model.levels else []
        values = tuple(text for text in said if not _UNIVERSAL.fullmatch(text))
        name = _name(tag)
        if not values and (upper is level or (upper in model.levels and not relational)):
            raise QueryInvalid(f"{name} is missing at level {level}", tag=tag)
        if upper is not Level.PATIENT:
            values = _checked_uids(values, tag)
        elif any(len(value) > 256 for value in values):
            raise QueryInvalid(f"{name} is too long", tag=tag)
        if len(values) > 1 and (upper is Level.PATIENT or (upper is not level and not relational)):
            raise QueryInvalid(f"one {name} at level {level}, not {len(values)}", tag=tag)
        found[upper] = values
    patient = found[Level.PATIENT]
    return Retrieval(
        level,
        patient[0] if patient else None,
        found.get(Level.STUDY, ()),
        found.get(Level.SERIES, ()),
        found.get(Level.IMAGE, ()),
    )


def match_of(element: DataElement) -> Match | None:
    """The condition one key makes, or None when it matches everything.

    Raises: QueryInvalid.
    """
    tag, vr = int(element.tag), _vr(element)
    if vr == "SQ":
        return _item_match(element)
    texts = [text for text in _texts(element) if not _UNIVERSAL.fullmatch(text)]
    if not texts:
        return None
    if any(len(text) > MAX_KEY_CHARACTERS for text in texts) or len(texts) > MAX_UIDS:
        raise QueryInvalid(f"{_name(tag)} is too long", UNABLE_TO_PROCESS, tag)
    match vr:
        case "UI":
            return AnyUid(_checked_uids(texts, tag))
        case "PN":
            return NameMatch(tuple(texts))
        case "DA":
            return date_range(texts[0], tag)
        case "TM":
            return time_range(texts[0], tag)
        case "DT":
            return _moment_range(texts[0], tag)
        case "IS" | "DS" | "US" | "SS" | "UL" | "SL" | "FL" | "FD" | "UV" | "SV":
            return _numbers(texts, tag)
        case "OB" | "OW" | "OD" | "OF" | "OL" | "OV" | "UN" | "AT":
            raise QueryInvalid(f"{_name(tag)} cannot be matched", tag=tag)
        case _:
            return AnyText(tuple(texts))


def date_range(text: str, tag: int) -> DateRange:
    """A day, or days from - to with either end open. Raises: QueryInvalid."""
    if "-" not in text:
        day = _day(text, tag)
        return DateRange(day, day)
    first, _, last = text.partition("-")
    return DateRange(_day(first, tag) if first.strip() else None, _day(last, tag) if last.strip() else None)


def time_range(text: str, tag: int) -> TimeRange:
    """A time, or times from - to with either end open; a time given to the minute means all of that minute.

    Raises: QueryInvalid.
    """
    if "-" not in text:
        return TimeRange(*_span(text, tag))
    first, _, last = text.partition("-")
    return TimeRange(_span(first, tag)[0] if first.strip() else "", _span(last, tag)[1] if last.strip() else "")


def _day(text: str, tag: int) -> date:
    day = date_of(text)
    if day is None:
        raise QueryInvalid(f"{_name(tag)} is no date: {text[:20]}", tag=tag)
    return day


def _span(text: str, tag: int) -> tuple[str, str]:
    first = time_of(text)
    if not first:
        raise QueryInvalid(f"{_name(tag)} is no time: {text[:20]}", tag=tag)
    digits = re.sub(r"[^0-9]", "", text)
    given = len(digits) + (1 if len(digits) > 6 else 0)  # the point of the padded form
    return first, first[:given] + "235959.999999"[given:]


def _moment_range(text: str, tag: int) -> MomentRange:
    # a minus may begin a zone offset or the end of a range: a zone has exactly four digits after it and nothing else
    parts = [text] if _MOMENT.fullmatch(text) and not re.fullmatch(r"\d{4}-\d{4}", text) else text.split("-")
    if len(parts) > 2 or not any(parts) or not all(part == "" or _MOMENT.fullmatch(part) for part in parts):
        raise QueryInvalid(f"{_name(tag)} is no date and time: {text[:20]}", tag=tag)
    digits = [re.sub(r"[+-]\d{4}$", "", part).replace(".", "") for part in parts]
    return MomentRange(digits[0], digits[-1])


def _numbers(texts: Sequence[str], tag: int) -> AnyNumber:
    if not all(_NUMBER.fullmatch(text) and len(text) <= 32 for text in texts):
        raise QueryInvalid(f"{_name(tag)} is no number: {texts[0][:20]}", tag=tag)
    return AnyNumber(tuple(float(text) for text in texts))


def _item_match(element: DataElement) -> Match | None:
    items = list(element.value or ())
    if len(items) > 1:
        raise QueryInvalid(f"{_name(int(element.tag))} has more than one item", tag=int(element.tag))
    if not items:
        return None
    found = []
    for inner in elements_of(items[0]):
        match = match_of(inner)
        if match is not None:
            found.append((f"{int(inner.tag):08X}", match))
    return ItemMatch(tuple(found)) if found else None


def _level(identifier: Dataset, model: Model) -> Level:
    text = "".join(_texts(identifier.get(keys.QUERY_LEVEL))).strip().upper()
    if not text:
        raise QueryInvalid("Query/Retrieve Level is missing", tag=keys.QUERY_LEVEL)
    if text not in model.levels:
        raise QueryInvalid(f"no level {text[:16]} in {model.replace('_', ' ')}", tag=keys.QUERY_LEVEL)
    return Level(text)


def _check_upper_keys(identifier: Dataset, model: Model, level: Level) -> None:
    for upper in model.levels:
        if upper.depth >= level.depth:
            return
        tag = UNIQUE_KEYS[upper]
        values = _texts(identifier.get(tag))
        if not values or any("*" in value or "?" in value for value in values):
            raise QueryInvalid(f"{_name(tag)} is needed at level {level}", tag=tag)


def _checked_uids(texts: Sequence[str], tag: int) -> tuple[str, ...]:
    for text in texts:
        if not is_uid(text):
            raise QueryInvalid(f"{_name(tag)} is no UID: {text[:24]}", tag=tag)
    if len(texts) > MAX_UIDS:
        raise QueryInvalid(f"more than {MAX_UIDS} UIDs in {_name(tag)}", UNABLE_TO_PROCESS, tag)
    return tuple(texts)


def wanted_of(element: DataElement) -> Wanted:
    """The key to be returned that an element is."""
    vr = _vr(element)
    if vr != "SQ" or not element.value:
        return Wanted(int(element.tag), vr)
    return Wanted(int(element.tag), vr, tuple(wanted_of(inner) for inner in elements_of(element.value[0])))


def _vr(element: DataElement) -> str:
    known = keys.vr_of_tag(int(element.tag))
    return str(element.VR) if known == "UN" else known


def elements_of(dataset: Dataset) -> list[DataElement]:
    """The elements of an identifier. Raises: QueryInvalid."""
    try:
        return list(dataset)
    except Exception as error:
        raise QueryInvalid(f"identifier unreadable: {type(error).__name__}", UNABLE_TO_PROCESS) from error


def _texts(element: DataElement | None) -> list[str]:
    """The values that say something, as texts without padding."""
    return [text for text in all_texts(element) if text]


def all_texts(element: DataElement | None) -> list[str]:
    """The values as texts without padding; none for an absent or empty element."""
    if element is None or element.value is None:
        return []
    value: Any = element.value
    if isinstance(value, bytes):
        value = value.decode("latin_1")
    values = list(value) if isinstance(value, list | MultiValue) else [value]
    return [str(item).strip(" \0") for item in values if item is not None]


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
