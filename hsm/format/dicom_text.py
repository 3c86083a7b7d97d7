"""Texts as a directory record may hold them: valid for their VR, whatever the object says.

Source: PS3.5 6.2, PS3.3 C.12.1.1.2. The objects themselves are never changed.
"""

import re
from collections.abc import Iterable
from typing import Final

_LIMITS: Final = {"SH": 16, "LO": 64, "ST": 1024, "CS": 16}  # others: 64, which is enough for a key
_DATE: Final = re.compile(r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", re.ASCII)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?", re.ASCII)
_DATE_TIME: Final = re.compile(r"[0-9]{4}([0-9]{2}){0,5}(\.[0-9]{1,6})?([+-][0-9]{4})?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NOT_CODE: Final = re.compile(r"[^A-Z0-9_ ]")
_PATTERNS: Final = {"DA": _DATE, "TM": _TIME, "DT": _DATE_TIME}
_CODECS: Final = {"": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}


def clean(vr: str, text: str) -> str:
    """The text made valid for a VR, with one value; empty if nothing is left of it."""
    text = text.strip(" \0")
    if vr in _PATTERNS:
        return text if _PATTERNS[vr].fullmatch(text) else ""
    if vr == "UI":
        return text if len(text) <= 64 and re.fullmatch(r"[0-9.]+", text, re.ASCII) else ""
    if vr == "IS":
        return text if re.fullmatch(r"[+-]?[0-9]{1,11}", text, re.ASCII) and abs(int(text)) < 2**31 else ""
    if vr == "CS":
        text = _NOT_CODE.sub("_", text.upper())
    text = _SURROGATE.sub("?", _CONTROL.sub(" ", text))
    if vr == "PN":
        return "=".join(group[:64].strip() for group in text.split("=")[:3]).rstrip("=")
    return text[: _LIMITS.get(vr, 64)].strip(" ")


def charset_of(texts: Iterable[str]) -> str:
    """The Specific Character Set a record needs: none, Latin 1, which every reader knows, or else UTF-8."""
    joined = "".join(texts)
    if joined.isascii():
        return ""
    try:
        joined.encode("latin-1")
    except UnicodeEncodeError:
        return "ISO_IR 192"
    return "ISO_IR 100"


def encoded(vr: str, text: str, charset: str) -> bytes:
    """The bytes of a cleaned value, of even length."""
    data = text.encode(_CODECS[charset])
    return data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2)
