"""What a DICOMweb client is ready to take, and which of it fits what is stored.

Source: PS3.18 sections 8.7.3 to 8.7.5, RFC 9110 section 12.5.1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from werkzeug.http import parse_options_header

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
ANY = "*"
MAX_RANGES = 32
_BARE = re.compile(r"(;\s*type=)([A-Za-z0-9.+*-]+/[A-Za-z0-9.+*-]+)")  # what should be quoted, and often is not
_OUTSIDE_QUOTES = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')


@dataclass(frozen=True)
class Range:
    """One media range of an Accept header; for multipart/related the type of its parts."""

    media_type: str
    multipart: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def transfer_syntax(self) -> str:
        """What its parameter says; "" when it says nothing."""
        return self.parameters.get("transfer-syntax", "")

    def covers(self, media_type: str) -> bool:
        """Whether a type of a part lies in this range."""
        kind, _, detail = self.media_type.partition("/")
        return (
            self.media_type in ("*/*", "")
            or (detail == ANY and media_type.startswith(f"{kind}/"))
            or (self.media_type == media_type)
        )


def ranges(header: str, query: str = "") -> tuple[Range, ...]:
    """The media ranges a client names, the best liked first; everything when it names none.

    `query`: the query parameter `accept`, which stands for the header where it is given.
    """
    found = [_range(text) for text in _OUTSIDE_QUOTES.findall(query or header)[:MAX_RANGES] if text.strip()]
    wanted = [each for each in found if each.quality > 0]
    return tuple(sorted(wanted, key=lambda each: -each.quality)) if found else (Range("*/*"),)


def _range(text: str) -> Range:
    media_type, parameters = parse_options_header(_BARE.sub(r'\1"\2"', text.strip()))
    media_type = media_type.lower()
    try:
        quality = min(1.0, max(0.0, float(parameters.pop("q", "1"))))
    except ValueError:
        quality = 0.0
    if media_type == MULTIPART:
        return Range(parameters.pop("type", "").lower(), True, parameters, quality)
    return Range(media_type, False, parameters, quality)


def takes(wanted: Sequence[Range], media_type: str, multipart: bool | None = None) -> bool:
    """Whether a client takes a type: as a part of several (True), by itself (False), or however (None)."""
    return any(
        each.covers(media_type) and (multipart is None or each.multipart is multipart or each.media_type == "*/*")
        for each in wanted
    )


def instance_syntaxes(wanted: Sequence[Range]) -> tuple[str, ...] | None:
    """The transfer syntaxes in which a client takes whole instances, the best liked first; "*" is any.

    Returns: None when it takes no instances at all.
    Source: PS3.18 section 8.7.3.5.2: without the parameter, Explicit VR Little Endian is meant; who names no type at
    all gets what is stored.
    """
    syntaxes: list[str] = []
    for each in wanted:
        if each.covers(DICOM) and (each.multipart or each.media_type in (DICOM, "*/*", "application/*")):
            syntaxes.append(each.transfer_syntax or (ANY if ANY in each.media_type else EXPLICIT))
    return tuple(dict.fromkeys(syntaxes)) or None


def target_syntax(stored: str, wanted: Sequence[str], native: bool, decodable: bool) -> str | None:
    """In which transfer syntax an object goes to a client that takes `wanted`; None when that cannot be done.

    What is stored goes unchanged wherever the client takes it. `native`: its pixels are not compressed. `decodable`:
    they are, and can be decompressed here.
    """
    if ANY in wanted or stored in wanted:
        return stored
    if not native and not decodable:
        return None
    return next((target for target in (EXPLICIT, IMPLICIT) if target in wanted), None)
