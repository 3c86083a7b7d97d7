"""Text between bytes and Unicode, by Specific Character Set.

Reading forgives: unknown terms count as the default, undecodable bytes become replacement characters, controls that no
database takes are dropped. Writing does not: a text is encoded so that it reads back equal, or not at all.
Source: PS3.3 C.12.1.1.2, PS3.5 section 6.1.
"""

import re
from collections.abc import Iterable, Sequence

from pydicom import charset
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

DEFAULT_ENCODING = "latin_1"  # what archives meet behind a missing character set, and a superset of what is allowed
# Of which codecs Python takes the escape sequences away itself. pydicom 3.0 counts iso_ir_58 (GB 2312) among
# them, which it is not: the rest of a sequence stayed in the text, and nothing written read back equal.
_STRIPPED_BY_PYTHON = tuple(name for name in charset.handled_encodings if name != "iso_ir_58")
charset.handled_encodings = _STRIPPED_BY_PYTHON  # type: ignore[assignment]
_TERMS = {"".join(c for c in term if c.isalnum()): term for term in charset.python_encoding}
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_STAND_ALONE = frozenset({"ISO_IR 192", "GB18030", "ISO 2022 GBK", "ISO 2022 58"})


def canonical_term(term: str) -> str:
    """The defined term that is meant by a common misspelling such as "ISO-IR 100"; the term itself when none is."""
    term = term.strip().upper()
    return _TERMS.get("".join(c for c in term if c.isalnum()), term)


def encodings_of(terms: Sequence[str]) -> list[str]:
    """Python's names for the values of one Specific Character Set, in order; never empty."""
    known = [canonical_term(term) for term in terms]
    if known and known[0] in _STAND_ALONE:
        known = known[:1]  # they allow no code extensions: PS3.3 C.12.1.1.2
    found = [
        charset.python_encoding.get(term, DEFAULT_ENCODING)
        for index, term in enumerate(known)
        if index == 0 or term not in _STAND_ALONE
    ]
    return found or [DEFAULT_ENCODING]


def clean(text: str) -> str:
    """The text without what databases and terminals choke on."""
    return _DROPPED.sub("", text)


def decode(value: bytes, encodings: Sequence[str], is_name: bool = False) -> str:
    """Unicode, whatever the bytes are."""
    if value.isascii() and b"\x1b" not in value and encodings[0] != "shift_jis":
        return clean(value.decode("ascii"))
    if b"\x1b" not in value:
        return clean(value.decode(encodings[0], errors="replace"))
    try:
        return clean(charset.decode_bytes(value, encodings, PN_DELIMS if is_name else TEXT_VR_DELIMS))
    except (UnicodeError, LookupError):
        return clean(value.decode(encodings[0], errors="replace"))


def encodes(texts: Iterable[str], terms: Sequence[str]) -> bool:
    """Whether every text survives being written with this character set."""
    encodings = encodings_of(terms)
    return all(_survives(text, encodings) for text in texts)


def _survives(text: str, encodings: Sequence[str]) -> bool:
    if text.isascii():
        return True
    for part in re.split(r"[\\^=\r\n\f\t]", text):  # where code extensions are reset: PS3.5 6.1.2.5.3
        try:
            if decode(charset.encode_string(part, encodings), encodings) != part:
                return False
        except (UnicodeError, ValueError):
            return False
    return True


def choose(texts: Sequence[str], *candidates: Sequence[str]) -> list[str]:
    """The first character set that can carry all the texts: none for ASCII, then the candidates, then Unicode.

    Returns: values for Specific Character Set; empty when none is needed.
    """
    if all(text.isascii() for text in texts):
        return []
    for terms in candidates:
        known = [canonical_term(term) for term in terms]
        defined = all(term in charset.python_encoding for term in known)
        if any(known) and defined and encodes(texts, known):
            return known
    return ["ISO_IR 192"]
