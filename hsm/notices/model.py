"""Targets, rules and messages, and every decision about them. Pure: the clock and the zone are passed in."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

LEVELS = ("info", "warning", "error")
OWN_EVENTS = "notice_"  # what this part itself records is routed to nobody: it would go round in circles
BURST = 10  # messages an hour to one target; more become a digest
SAME_AGAIN = timedelta(hours=1)  # the same event about the same thing is told alone once in this time
DIGEST_EVERY = timedelta(minutes=15)
DIGEST_LINES = 50
FIRST_RETRY_S, LONGEST_RETRY_S = 60.0, 3600.0
GIVE_UP_AFTER = timedelta(days=3)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
_MAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
WORK_HOURS = range(7, 18)
NIGHT_HOURS = frozenset((*range(22, 24), *range(6)))


class TargetKind(StrEnum):
    """The way a target is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class Calendar(StrEnum):
    """When a rule holds, in the house's zone."""

    ALWAYS = "always"
    WORKING_HOURS = "working_hours"  # Monday to Friday, 7 to 18
    NIGHT = "night"  # 22 to 6
    WEEKEND = "weekend"  # Saturday and Sunday


@dataclass(frozen=True)
class Target:
    """Somebody or something that is told."""

    name: str
    kind: TargetKind
    address: str  # of mail, or an http(s) address


@dataclass(frozen=True)
class Rule:
    """Which events go to which target."""

    id: int
    target: str
    level: str  # at least this severe
    events: str  # shell pattern of event names; several with blanks between
    subject: str  # shell pattern of what the event is about
    calendar: Calendar


@dataclass(frozen=True)
class Note:
    """One event, as far as it is told: no patient is named in events."""

    at: datetime
    level: str
    name: str
    subject: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """One note that one target is still to be told."""

    id: int
    note: Note
    tries: int
    not_before: datetime | None
    queued_at: datetime


@dataclass(frozen=True)
class Told:
    """What a target was told lately."""

    at: datetime
    name: str
    subject: str


@dataclass(frozen=True)
class Bundle:
    """What is sent as one message."""

    items: tuple[Pending, ...]

    @property
    def is_digest(self) -> bool:
        """Whether it tells of several events."""
        return len(self.items) > 1


@dataclass(frozen=True)
class Message:
    """One message, for a person to read (text) and for a program (payload)."""

    subject: str
    text: str
    payload: Mapping[str, Any]


class NoticeRefused(Exception):
    """A target or rule cannot be kept as asked; the message says why, `faults` names the fields. Nothing is changed."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


class NoticeChanged(Exception):
    """Somebody changed a target or rule since it was looked at; nothing is changed."""


class NotTold(Exception):
    """A message could not be handed over; the message says why. It is tried again."""


def mail_fault(address: str) -> str:
    """What is wrong with an address of mail; "" when nothing is."""
    fits = _MAIL.fullmatch(address) and address.isprintable() and len(address) <= 254
    return "" if fits else "This is no address of mail, such as name@example.org."


def checked_target(name: str, kind: str, address: str) -> Target:
    """The target somebody typed in. Raises: NoticeRefused."""
    faults, address = {}, address.strip()
    if not _NAME.fullmatch(name.strip()):
        faults["name"] = "A name has 1 to 64 letters, digits, blanks and . _ -, and begins with a letter or digit."
    if kind not in set(TargetKind):
        faults["kind"] = "Choose mail or webhook."
    elif kind == TargetKind.MAIL and mail_fault(address):
        faults["address"] = mail_fault(address)
    elif kind == TargetKind.WEBHOOK and not _is_web_address(address):
        faults["address"] = "A webhook has an address that begins with https:// or http:// and carries no password."
    if faults:
        raise NoticeRefused(faults)
    return Target(name.strip(), TargetKind(kind), address)


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return sound and "@" not in parts.netloc and address.isprintable() and " " not in address and len(address) <= 500


def checked_rule(target: str, level: str, events: str, subject: str, calendar: str, known: Collection[str]) -> Rule:
    """The rule somebody typed in, without its number. Raises: NoticeRefused."""
    faults = {}
    if target not in known:
        faults["target"] = "Choose a target that there is."
    if level not in LEVELS:
        faults["level"] = "Choose info, warning or error."
    patterns = " ".join(events.split()) or "*"
    if len(patterns) > 300 or not re.fullmatch(r"[a-z0-9_*?\[\]! -]+", patterns):
        faults["events"] = "Names of events have letters a-z and _; * and ? stand for others."
    if len(subject.strip()) > 200 or not subject.isprintable():
        faults["subject"] = "A pattern of at most 200 printable characters."
    if calendar not in set(Calendar):
        faults["calendar"] = "Choose when the rule holds."
    if faults:
        raise NoticeRefused(faults)
    return Rule(0, target, level, patterns, subject.strip() or "*", Calendar(calendar))


def version_of(kept: Target | Rule) -> str:
    """A short word that changes with a target or rule, so that a form says which one it was filled in from."""
    return hashlib.sha256(repr(kept).encode()).hexdigest()[:16]


def holds(calendar: Calendar, at: datetime, zone: tzinfo) -> bool:
    """Whether a moment lies in a calendar's time."""
    local = at.astimezone(zone)
    weekend = local.weekday() >= 5
    return {
        Calendar.ALWAYS: True,
        Calendar.WORKING_HOURS: not weekend and local.hour in WORK_HOURS,
        Calendar.NIGHT: local.hour in NIGHT_HOURS,
        Calendar.WEEKEND: weekend,
    }[calendar]


def matches(rule: Rule, note: Note, zone: tzinfo) -> bool:
    """Whether a rule takes an event."""
    return (
        not note.name.startswith(OWN_EVENTS)
        and note.level in LEVELS
        and LEVELS.index(note.level) >= LEVELS.index(rule.level)
        and any(fnmatchcase(note.name, pattern) for pattern in rule.events.split())
        and fnmatchcase(note.subject, rule.subject)
        and holds(rule.calendar, note.at, zone)
    )


def bundles(pending: Sequence[Pending], told: Sequence[Told], now: datetime) -> list[Bundle]:
    """What one target is sent now; the rest waits.

    A few different events go one by one. The same event about the same thing, and everything when there is a storm,
    waits for the next digest, which comes at most every DIGEST_EVERY.
    """
    due = [one for one in pending if one.not_before is None or one.not_before <= now]
    lately = [one for one in told if now - one.at < SAME_AGAIN]
    known = {(one.name, one.subject) for one in lately}
    room = BURST - len({one.at for one in lately})
    alone: list[Pending] = []
    later: list[Pending] = []
    for one in due:
        key = (one.note.name, one.note.subject)
        if key in known or len(alone) >= room:
            later.append(one)
        else:
            known.add(key)
            alone.append(one)
    if len(due) > BURST:
        alone, later = [], due
    found = [Bundle((one,)) for one in alone]
    last = max((one.at for one in lately), default=None)
    oldest = min((one.queued_at for one in later), default=now)
    storm = len(due) > BURST and (last is None or now - last >= DIGEST_EVERY)
    if later and (storm or now - oldest >= DIGEST_EVERY):
        found.append(Bundle(tuple(later)))
    return found


def retry_at(tries: int, queued_at: datetime, now: datetime) -> datetime | None:
    """When a message that could not be handed over is tried again; None: given up."""
    if now - queued_at >= GIVE_UP_AFTER:
        return None
    return now + timedelta(seconds=min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries, 10)))


def message(notes: Sequence[Note], house: str, pages: str = "") -> Message:
    """One message about one or several events. `house`: which archive; `pages`: where its pages are, or ""."""
    first = notes[0]
    worst = max(notes, key=lambda note: LEVELS.index(note.level)).level
    words = first.name.replace("_", " ")
    about = f" ({first.subject})" if first.subject else ""
    title = f"{words}{about}" if len(notes) == 1 else f"{len(notes)} events"
    lines = [_line(note) for note in notes[:DIGEST_LINES]]
    if len(notes) > DIGEST_LINES:
        lines.append(f"... and {len(notes) - DIGEST_LINES} more")
    if pages:
        lines += ["", f"{pages.rstrip('/')}/events"]
    payload = {
        "archive": house,
        "level": worst,
        "events": [
            {
                "at": note.at.isoformat(),
                "level": note.level,
                "name": note.name,
                "subject": note.subject,
                "fields": dict(note.fields),
            }
            for note in notes
        ],
    }
    return Message(f"[{house}] {worst}: {title}", "\n".join(lines) + "\n", payload)


def _line(note: Note) -> str:
    details = "; ".join(f"{name}={value}" for name, value in note.fields.items() if value not in (None, "", [], {}))
    parts = (note.at.strftime("%Y-%m-%d %H:%M:%S %Z"), note.level, note.name.replace("_", " "), note.subject, details)
    return "  ".join(part for part in parts if part)
