"""From the parameters of a search to a question to the catalog.

Source: PS3.18 sections 8.3.4 (query parameters) and 10.6.1.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hsm.header import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS
from hsm.query import keys
from hsm.query.model import UNIQUE_KEYS, Level, Model, Query, QueryInvalid
from hsm.query.parse import parse_query

MAX_LIMIT = 5000  # answers to one search
MAX_OFFSET = 10**7
# Source: PS3.18 section 8.3.4.2, which has the words
NO_FUZZY_MATCHING = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
# beyond what has a column, what a client may count on. Source: PS3.18 tables 10.6.3-3 to 10.6.3-5
_ALSO: Mapping[Level, tuple[int, ...]] = {
    Level.STUDY: (0x00080201,),
    Level.SERIES: (0x00400244, 0x00400245, 0x00400275),
    Level.IMAGE: (0x00280008, 0x00280010, 0x00280011, 0x00280100),
}
_ALL: Mapping[Level, frozenset[int]] = {
    Level.STUDY: PATIENT_KEYS | STUDY_KEYS,
    Level.SERIES: PATIENT_KEYS | STUDY_KEYS | SERIES_KEYS,
    Level.IMAGE: PATIENT_KEYS | STUDY_KEYS | SERIES_KEYS | INSTANCE_KEYS,
}


class SearchInvalid(Exception):
    """A parameter of a search cannot be understood; the message says which and why."""


@dataclass(frozen=True)
class Search:
    """One search."""

    query: Query
    limit: int
    offset: int
    warnings: tuple[str, ...] = field(default=())  # said beside the answers


def parse_search(level: Level, parameters: Iterable[tuple[str, str]], within: Mapping[Level, str]) -> Search:
    """What is searched for at a level, within the study and series that the address names.

    Raises: SearchInvalid.
    """
    identifier = Dataset()
    options = _Options(set(keys.default_keys(level)) | set(_ALSO[level]))
    for name, value in parameters:
        if not options.take(name, value, level):
            _put(identifier, _path(name), value)
    for tag in sorted(options.wanted):
        if tag not in identifier:
            identifier.add(_element(tag, None))
    for upper, uid in within.items():
        identifier.add(_element(UNIQUE_KEYS[upper], uid))
    identifier.QueryRetrieveLevel = level.value
    try:
        query = parse_query(identifier, Model.STUDY_ROOT, relational=True)
    except QueryInvalid as error:
        raise SearchInvalid(str(error)) from None
    return Search(query, options.limit, options.offset, tuple(options.warnings))


@dataclass
class _Options:
    """The parameters that are no conditions."""

    wanted: set[int]
    limit: int = MAX_LIMIT
    offset: int = 0
    warnings: list[str] = field(default_factory=list)

    def take(self, name: str, value: str, level: Level) -> bool:
        """Whether a parameter was one of these; it is then heeded. Raises: SearchInvalid."""
        match name:
            case "limit":
                self.limit = min(_number(name, value), MAX_LIMIT)
            case "offset":
                self.offset = _number(name, value)
            case "fuzzymatching":
                if value.lower() not in ("true", "false"):
                    raise SearchInvalid("fuzzymatching is either true or false")
                if value.lower() == "true":
                    self.warnings.append(NO_FUZZY_MATCHING)
            case "includefield":
                for part in value.split(","):
                    self.wanted |= _ALL[level] if part.strip() == "all" else {_path(part.strip())[0]}
            case _:
                return name in ("accept", "charset")
        return True


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value[:9]) <= MAX_OFFSET and len(value) < 9):
        raise SearchInvalid(f"{name} is a whole number from 0 to {MAX_OFFSET}")
    return int(value)


def _path(name: str) -> list[int]:
    """The tags that an attribute ID names, from the outside in."""
    tags = []
    for part in name.split("."):
        tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
        if tag is None:
            raise SearchInvalid(f"{name[:64]} is neither a keyword nor a tag of eight hexadecimal digits")
        tags.append(tag)
    if len(tags) > 4:
        raise SearchInvalid(f"{name[:64]} is nested too deeply")
    return tags


def _put(dataset: Dataset, path: list[int], value: str) -> None:
    tag, *rest = path
    if not rest:
        dataset.add(_element(tag, value))
        return
    if keys.vr_of_tag(tag) != "SQ":
        raise SearchInvalid(f"{tag:08X} is no sequence")
    if tag not in dataset or not dataset[tag].value:
        dataset.add(DataElement(tag, "SQ", Sequence([Dataset()])))
    _put(dataset[tag].value[0], rest, value)


def _element(tag: int, value: str | None) -> DataElement:
    try:
        vr = dictionary_VR(tag).split(" ")[0]
    except KeyError:
        vr = "UN"
    if vr == "SQ" and value is not None:
        raise SearchInvalid(f"{tag:08X} is a sequence: name an attribute in it, with a point between the two")
    if value is not None and vr == "UI":
        value = value.replace(",", "\\")
    try:
        empty: list[Dataset] | bytes | str = [] if vr == "SQ" else b"" if vr == "UN" else ""
        return DataElement(tag, vr, empty if value is None else value, validation_mode=config.IGNORE)
    except (ValueError, TypeError, OverflowError) as error:
        raise SearchInvalid(f"the value of {tag:08X} cannot be read: {type(error).__name__}") from None
