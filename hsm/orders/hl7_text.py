"""HL7 v2 messages between bytes and values: character sets, segments, fields, times, names. Pure.

Source: HL7 v2.5.1 chapters 2 (control) and 2A (data types), table 0211 (character sets).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import hl7

MOST_SEGMENTS = 2000
_SETS: Mapping[str, str] = {
    "": "ascii",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
    "UTF-8": "utf_8",
    **{f"8859/{number}": f"iso8859_{number}" for number in (*range(1, 12), 13, 14, 15, 16)},
    "ISO IR14": "shift_jis",  # JIS X 0201
    "ISO IR87": "iso2022_jp",  # JIS X 0208, by escape sequences
    "ISO IR159": "iso2022_jp_2",  # JIS X 0212
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "CNS 11643-1992": "euc_tw",
}
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")
NULL = '""'  # said to be empty, which is not the same as not said


class MessageInvalid(Exception):
    """A message cannot be understood; the message says why. `answer`, `code` and `where` are for the acknowledgement.

    `code`: of HL7 table 0357.
    """

    def __init__(self, why: str, answer: str = "AE", code: int = 102, where: str = "") -> None:
        super().__init__(why)
        self.answer = answer
        self.code = code
        self.where = where


@dataclass(frozen=True)
class Header:
    """The MSH segment as far as an answer needs it; texts are "" where it cannot be read."""

    application: str = ""
    facility: str = ""
    our_application: str = ""
    our_facility: str = ""
    code: str = ""  # ORM
    trigger: str = ""  # O01
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    zone: tzinfo | None = None  # of MSH-7

    @property
    def sender(self) -> str:
        """Who sends: application and facility."""
        return "|".join(part for part in (self.application, self.facility) if part)

    @property
    def kind(self) -> str:
        """ "ORM^O01"."""
        return f"{self.code}^{self.trigger}" if self.trigger else self.code


class Segment:
    """One segment, fields counted from 1. What is absent is ""."""

    def __init__(self, message: hl7.Message, fields: Any) -> None:
        self._message = message
        self._fields = fields
        self.name = str(fields[0])

    def __call__(self, field: int, component: int = 1, repetition: int = 1, sub: int = 1) -> str:
        """One value without its escapes and the blanks around it; "" when it is absent."""
        node: Any = self._fields[field] if field < len(self._fields) else ""
        if self.name == "MSH" and field == 1:
            return str(node)
        for index in (repetition, component, sub):
            if isinstance(node, str):
                node = node if index == 1 else ""
            else:
                node = node[index - 1] if index <= len(node) else ""
        while not isinstance(node, str):  # it has more parts than were asked for: the first of them
            node = node[0] if len(node) else ""
        return str(self._message.unescape(node)).strip()

    def said(self, field: int) -> bool:
        """Whether anything is in a field, and be it the word for nothing."""
        return field < len(self._fields) and str(self._fields[field]).strip() != ""

    def repetitions(self, field: int) -> int:
        """How many values a field has."""
        node: Any = self._fields[field] if field < len(self._fields) else ""
        return 1 if isinstance(node, str) else len(node)


@dataclass(frozen=True)
class Message:
    """A whole message."""

    header: Header
    segments: tuple[Segment, ...]

    def all(self, name: str) -> Iterator[Segment]:
        """The segments of a name, in order."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment:
        """The first segment of a name. Raises: MessageInvalid."""
        for segment in self.all(name):
            return segment
        raise MessageInvalid(f"the message has no {name} segment", code=100, where=name)


def header_of(raw: bytes) -> Header:
    """What the first segment says, whatever the rest is: good enough to answer. Raises: MessageInvalid (AR)."""
    line = raw.split(b"\r", 1)[0].split(b"\n", 1)[0].decode("latin_1")
    if not line.startswith("MSH") or len(line) < 9:
        raise MessageInvalid("this is no HL7 message: it does not begin with MSH", "AR", 100, "MSH^1")
    separator = line[3]
    fields = [line[3], *line[4:].split(separator)]
    component = fields[1][0] if fields[1] else "^"

    def field(number: int, part: int = 0) -> str:
        parts = fields[number - 1].split(component) if number <= len(fields) else [""]
        return parts[part].strip() if part < len(parts) else ""

    sent = _TIME.fullmatch(field(7))
    return Header(
        application=field(3),
        facility=field(4),
        our_application=field(5),
        our_facility=field(6),
        code=field(9),
        trigger=field(9, 1),
        control_id=field(10),
        processing_id=field(11),
        version=field(12),
        zone=_offset(sent[7]) if sent and sent[7] else None,
    )


def read(raw: bytes) -> Message:
    """A message with all its segments. Raises: MessageInvalid."""
    header = header_of(raw)
    text = decoded(raw)
    text = "\r".join(line for line in re.split(r"\r\n|\r|\n", text) if line.strip())
    try:
        parsed = hl7.parse(text)
    except Exception as error:  # the parser raises whatever its own mistakes are
        raise MessageInvalid(f"the message cannot be read: {type(error).__name__}", code=100) from error
    if len(parsed) > MOST_SEGMENTS:
        raise MessageInvalid(f"the message has more than {MOST_SEGMENTS} segments", "AR", 100)
    return Message(header, tuple(Segment(parsed, segment) for segment in parsed))


def decoded(raw: bytes) -> str:
    """A message as text, by what its MSH-18 says. Raises: MessageInvalid."""
    line = raw.split(b"\r", 1)[0].split(b"\n", 1)[0]
    separator = line[3:4]
    fields = line.split(separator)
    repeat = (fields[1][1:2] if len(fields) > 1 else b"") or b"~"
    terms = [term.decode("latin_1").strip().upper() for term in (fields[17] if len(fields) > 17 else b"").split(repeat)]
    unknown = next((term for term in terms if term not in _SETS), None)
    if unknown is not None:
        raise MessageInvalid(f"character set {unknown[:32]} is not known", code=103, where="MSH^18")
    codecs = [_SETS[term] for term in terms]
    codec = codecs[0]
    if len(codecs) > 1:  # the further ones are switched to by escape sequences
        codec = "iso2022_jp_2" if any(name.startswith("iso2022") for name in codecs[1:]) else codecs[1]
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        named = terms[-1] or "ASCII, as MSH-18 is empty"
        raise MessageInvalid(f"byte {error.start} is none of {named}", code=102, where="MSH^18") from error


def moment(text: str, zone: tzinfo, where: str = "") -> datetime:
    """A time as HL7 writes it, in UTC; without an offset it is meant in `zone`. Raises: MessageInvalid."""
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError("not in the form YYYYMMDD[HH[MM[SS]]]")
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        offset = _offset(match[7]) if match[7] else zone
        if offset is None:
            raise ValueError("an offset of a day or more")
        found = datetime(year, month, day, hour, minute, second, tzinfo=offset)
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MessageInvalid(f"{text[:30]!r} is no time", code=102, where=where) from error


def _offset(text: str) -> timezone | None:
    """None for an offset that no place on earth has."""
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    if minutes >= 24 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def person(segment: Segment, field: int, first: int = 1) -> str:
    """A name as PN: XPN from its first component, or XCN with `first` 2; a repetition each for a further group.

    Source: HL7 v2.5.1 2.A.89 (XPN-8: name representation), DICOM PS3.5 6.2.1.
    """
    groups = {"A": "", "I": "", "P": ""}
    for repetition in range(1, segment.repetitions(field) + 1):

        def part(number: int, repetition: int = repetition) -> str:
            text = segment(field, number + first - 1, repetition)
            return "" if text == NULL else re.sub(r"[\^=\\]", " ", text)

        name = "^".join((part(1), part(2), part(3), part(5), part(4))).rstrip(
            "^"
        )  # HL7 has the suffix before the prefix
        kind = part(8) if first == 1 else part(14)
        if not kind:
            kind = "A" if repetition == 1 else ""
        if name and kind in groups and not groups[kind]:
            groups[kind] = name
    return "=".join((groups["A"], groups["I"], groups["P"])).rstrip("=")
