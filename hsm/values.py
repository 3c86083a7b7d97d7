"""What the bytes of one element mean: text, dates, numbers, and DICOM JSON for keys without a column."""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydicom.datadict import dictionary_VR

from hsm.charsets import decode, encodings_of
from hsm.elements import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    BytesSource,
    Element,
    Encoding,
    Malformed,
    read_element_header,
    read_item_header,
)

MAX_ITEM_DEPTH = 8  # of a sequence kept as JSON
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  # subject to the character set: PS3.5 6.1.2.3
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})  # a backslash is part of the text
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?([0-6]\d)(?:\.(\d{1,6}))?)?)?")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def vr_of(element: Element) -> str:
    """The VR as written, or as the dictionary has it; "UN" for what neither knows."""
    if element.vr and element.vr != "UN":
        return element.vr
    try:
        return dictionary_VR(element.tag).split(" ")[0]
    except KeyError:
        return "UN"


def text_of(element: Element, encodings: Sequence[str]) -> str:
    """The whole value as Unicode without padding; leading blanks go too, except in long texts."""
    vr = vr_of(element)
    text = decode(element.value, encodings if vr in _TEXT else ["ascii"], is_name=vr == "PN")
    return text.rstrip(" \0") if vr in _ONE_VALUE else text.strip(" \0")


def texts_of(element: Element, encodings: Sequence[str]) -> list[str]:
    """The values of a multi-valued element."""
    if vr_of(element) in _ONE_VALUE:
        return [text_of(element, encodings)]
    return [value.strip(" \0") for value in text_of(element, encodings).split("\\")]


def date_of(text: str) -> date | None:
    """A DA value, also in the old form with points; None for what is no date.

    Source: PS3.5 section 6.2.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def time_of(text: str) -> str:
    """A TM value padded to "HHMMSS.FFFFFF" with zeros; "" for what is no time.

    Source: PS3.5 section 6.2.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59 or int(match[3] or 0) > 60:
        return ""
    return f"{match[1]}{match[2] or '00'}{match[3] or '00'}.{(match[4] or '').ljust(6, '0')}"


def int_of(text: str) -> int | None:
    """An IS value within its 32 bits; None for what is none.

    Source: PS3.5 section 6.2.
    """
    text = text.split("\\", maxsplit=1)[0].strip()
    if not re.fullmatch(r"[+-]?\d{1,12}", text):
        return None
    number = int(text)
    return number if -(2**31) <= number < 2**31 else None


def json_of(element: Element, encodings: Sequence[str]) -> dict[str, Any] | None:
    """The element as a value of the DICOM JSON model, or None when it holds nothing that can be said so.

    Source: PS3.18 annex F.2.
    """
    return _json(element, encodings, 0)


def tag_key(tag: int) -> str:
    """A tag as DICOM JSON writes it: "0020000D"."""
    return f"{tag:08X}"


def _json(element: Element, encodings: Sequence[str], depth: int) -> dict[str, Any] | None:
    vr = vr_of(element)
    values: list[Any]
    if vr == "SQ":
        values = _items(element, encodings, depth)
    elif vr in _NUMBERS:
        values = _binary_numbers(element, _NUMBERS[vr])
    elif vr == "AT":
        order = "<" if element.encoding.little else ">"
        pairs = struct.iter_unpack(order + "HH", element.value[: len(element.value) // 4 * 4])
        values = [f"{group:04X}{number:04X}" for group, number in pairs]
    elif vr in {"IS", "DS"}:
        values = [_number(text, vr) for text in texts_of(element, encodings)]
    elif vr == "PN":
        values = [_name(text) for text in texts_of(element, encodings)]
    elif vr in {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}:
        return None
    else:
        values = [text or None for text in texts_of(element, encodings)]
    if all(value is None for value in values):
        return None
    return {"vr": vr, "Value": values}


def _binary_numbers(element: Element, code: str) -> list[Any]:
    layout = ("<" if element.encoding.little else ">") + code
    size = struct.calcsize(layout)
    numbers = [number for (number,) in struct.iter_unpack(layout, element.value[: len(element.value) // size * size])]
    return [number if math.isfinite(number) else None for number in numbers]


def _number(text: str, vr: str) -> int | float | None:
    if vr == "IS":
        return int_of(text)
    if not _NUMBER.fullmatch(text) or len(text) > 64:
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _name(text: str) -> dict[str, str] | None:
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))
    return {group: name for group, name in groups.items() if name} or None


def _items(sequence: Element, encodings: Sequence[str], depth: int) -> list[Any]:
    """The items of a sequence; what is nested too deeply, or does not hold together, is left out."""
    if depth >= MAX_ITEM_DEPTH:
        return []
    source = BytesSource(sequence.value)
    items: list[Any] = []
    try:
        while not source.peek_end():
            tag, size = read_item_header(source, sequence.encoding)
            if tag != ITEM:
                break
            data = _undefined_item(source, sequence.encoding) if size == UNDEFINED else source.take(size)
            items.append(item_json(data, sequence.encoding, encodings, depth + 1))
    except Malformed:
        return []
    return items


def _undefined_item(source: BytesSource, encoding: Encoding) -> bytes:
    """The bytes of an item up to its delimiter; sequences of undefined length inside are passed whole."""
    start = source.tell()
    open_sequences: list[bool] = []  # True for an item, False for a sequence, both of undefined length
    while True:
        before = source.tell()
        if open_sequences and not open_sequences[-1]:
            tag, size = read_item_header(source, encoding)
            if tag == SEQUENCE_END:
                open_sequences.pop()
            elif tag == ITEM and size == UNDEFINED:
                open_sequences.append(True)
            elif tag == ITEM:
                source.skip(size)
            else:
                raise Malformed("no item where one should begin")
            continue
        tag, _, size = read_element_header(source, encoding)
        if tag == ITEM_END:
            if not open_sequences:
                return source.slice(start, before)
            open_sequences.pop()
        elif size == UNDEFINED:
            open_sequences.append(False)
        else:
            source.skip(size)


def item_json(data: bytes, encoding: Encoding, encodings: Sequence[str], depth: int) -> Mapping[str, Any]:
    """One item as a DICOM JSON object. Raises: Malformed."""
    source = BytesSource(data)
    found: dict[str, Any] = {}
    while not source.peek_end():
        tag, vr, size = read_element_header(source, encoding)
        if size == UNDEFINED:
            value = _undefined_sequence(source, encoding)
            vr = "SQ"
        else:
            value = source.take(size)
        element = Element(tag, vr, value, encoding)
        if tag == 0x00080005:  # an item may bring its own character set: PS3.5 7.5.3
            encodings = encodings_of(texts_of(element, encodings))
        said = _json(element, encodings, depth)
        if said is not None:
            found[tag_key(tag)] = said
    return found


def _undefined_sequence(source: BytesSource, encoding: Encoding) -> bytes:
    start = source.tell()
    while True:
        before = source.tell()
        tag, size = read_item_header(source, encoding)
        if tag == SEQUENCE_END:
            return source.slice(start, before)
        if tag != ITEM:
            raise Malformed("no item where one should begin")
        if size == UNDEFINED:
            _undefined_item(source, encoding)
        else:
            source.skip(size)
