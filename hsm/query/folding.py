"""Text without case and accents, for matching names.

Only the marks that modify Latin, Greek and Cyrillic letters go: the marks of Japanese, Indic and Semitic scripts are
letters to their readers, and "ga" would otherwise match "ka".
"""

import re
import unicodedata

_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]")


def fold(text: str) -> str:
    """The text without case, accents and width variants; folding twice changes nothing more."""
    if text.isascii():
        return text.lower()
    for _ in range(4):  # some letters decompose only after their case was folded
        folded = _MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold()
        folded = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", folded)))
        if folded == text:
            break
        text = folded
    return text


def fold_name(name: str) -> str:
    """A person name folded, without the separators and blanks that mean nothing.

    "Doe^John^^^" and "doe ^john" become "doe^john"; the component groups stay apart: "yamada^tarou=..=..".
    Source: PS3.5 6.2.1.1 (trailing null components and their delimiters may be left out).
    """
    groups = []
    for group in name.split("="):
        components = [" ".join(component.split()) for component in fold(group).split("^")]
        groups.append("^".join(components).rstrip("^ "))
    return "=".join(groups).rstrip("=")
