"""Answers as data sets, in a character set that can carry them.

Source: PS3.4 C.2.2.2 (character set of an answer), PS3.18 annex F.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from hsm.charsets import choose
from hsm.query.answers import Answer
from hsm.query.model import Level

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


def to_dataset(answer: Answer, level: Level, character_set: Sequence[str] = ()) -> Dataset:
    """An answer as the identifier of a C-FIND response.

    ASCII goes without a character set; else the asker's is taken if it can carry every text, else the study's own, else
    Unicode.
    """
    dataset = encoded(answer.attributes, character_set, answer.character_set)
    dataset.QueryRetrieveLevel = level.value
    return dataset


def encoded(attributes: Mapping[str, Any], *character_sets: Sequence[str]) -> Dataset:
    """DICOM JSON as a data set, with the first of the character sets that can carry its texts; else Unicode."""
    terms = choose(list(_texts(attributes)), *character_sets)
    dataset = _dataset(attributes)
    if terms:
        dataset.SpecificCharacterSet = terms if len(terms) > 1 else terms[0]
    return dataset


def _dataset(attributes: Mapping[str, Any]) -> Dataset:
    dataset = Dataset()
    for key, said in attributes.items():
        vr = said["vr"]
        values = list(said.get("Value", ()))
        # what was stored is answered as it is, also where it breaks a rule for values
        dataset.add(DataElement(int(key, 16), vr, _value(vr, values), validation_mode=config.IGNORE))
    return dataset


def _value(vr: str, values: Sequence[Any]) -> Any:
    if vr == "SQ":
        return DicomSequence([_dataset(item) for item in values if isinstance(item, Mapping)])
    if vr == "PN":
        texts: list[Any] = [_name(value) for value in values]
    elif vr == "AT":
        texts = [int(value, 16) for value in values if value]
    elif vr in {"DS", "IS"}:
        texts = [_number(value) for value in values]
    else:
        texts = ["" if value is None else value for value in values]
    if not texts:
        return None if vr in {"US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"} else ""
    return texts[0] if len(texts) == 1 else texts


def _number(value: Any) -> str:
    """A number in at most the 16 characters of a decimal string: PS3.5 6.2."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    groups = [str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def _texts(attributes: Mapping[str, Any]) -> Iterator[str]:
    for said in attributes.values():
        for value in said.get("Value", ()):
            if isinstance(value, Mapping) and said["vr"] == "SQ":
                yield from _texts(value)
            elif said["vr"] in _TEXT_VRS and value is not None:
                yield _name(value) if said["vr"] == "PN" else str(value)
