"""How facts become words: sizes, times, names and states, the same way on every page. Pure."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Any

from markupsafe import Markup, escape

from hsm.states import (
    Availability,
    CopyState,
    DeliveryState,
    DriveState,
    JobKind,
    JobState,
    OnlineState,
    OrderState,
    Place,
    RequestState,
    VolumeState,
)

SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
ONE_THING, MANY_THINGS = 1, 1000

# What would change the direction or the order of text around it; shown as its code point instead.
STEERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def size(size_bytes: int) -> str:
    """Bytes in decimal units, as media are sold: "1.82 TB" is 1.82 x 10^12 bytes. Three digits at most."""
    value, unit = float(size_bytes), 0
    while abs(value) >= MANY_THINGS - 0.5 and unit < len(SIZE_UNITS) - 1:
        value, unit = value / MANY_THINGS, unit + 1
    if unit == 0 or abs(value) >= 100:
        return f"{value:.0f} {SIZE_UNITS[unit]}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f} {SIZE_UNITS[unit]}"


def count(number: int, one: str = "", many: str = "") -> str:
    """A number with its groups set apart by a narrow space, and its noun in the right form."""
    text = f"{number:,}".replace(",", "\u202f")
    if not one:
        return text
    return f"{text} {one if number == ONE_THING else many or one + 's'}"


def duration(seconds: float) -> str:
    """A length of time in its largest sensible unit: "40 s", "7 min", "3 h", "12 days"."""
    seconds = max(0.0, seconds)
    for limit, unit_s, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / unit_s)} {name}"
    return count(round(seconds / 86400), "day")


def length(days: float) -> str:
    """A length of time given in days, as precise as it deserves: "5 h", "12 days", "8 months", "3 years"."""
    for limit, unit_days, name in ((2.0, 1 / 24, "h"), (60.0, 1.0, "day"), (730.0, 30.44, "month")):
        if days < limit:
            number = round(days / unit_days)
            return f"{number} h" if name == "h" else count(number, name)
    return count(round(days / 365.25), "year")


def rate(bytes_s: float) -> str:
    """How fast bytes move: "143 MB/s"."""
    return f"{size(round(bytes_s))}/s"


def relative(at: datetime, now: datetime) -> str:
    """How long ago, or in how long. Within a second of now: "now"."""
    apart = (at - now).total_seconds()
    if abs(apart) < 1:
        return "now"
    return f"in {duration(apart)}" if apart > 0 else f"{duration(-apart)} ago"


def absolute(at: datetime, zone: tzinfo) -> str:
    """The time to the second in the house's zone, with the zone's name."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def when(at: datetime | None, now: datetime, zone: tzinfo, missing: str = "never") -> Markup:
    """Relative time as text, the absolute one in the title."""
    if at is None:
        return escape(missing)
    title, words = escape(absolute(at, zone)), escape(relative(at, now))
    return Markup(f'<time datetime="{at.isoformat(timespec="seconds")}" title="{title}">{words}</time>')


def day(value: date | None) -> str:
    """A date, or "no date"."""
    return value.isoformat() if value else "no date"


def visible(value: Any) -> Any:
    """Make text that came from outside harmless to look at: control and direction-steering characters become visible.

    Markup and what is not text pass as they are. Escaping is the template engine's work, after this.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value if value.isascii() and value.isprintable() else "".join(map(_shown, value))


def exact(value: str) -> Markup:
    """Text for a field that sends it back: escaped, but with no character made visible, else it would be changed."""
    return escape(value)


def _shown(char: str) -> str:
    if char in "\n\t":
        return char
    if char == "\x7f":
        return "\u2421"
    if char < " ":
        return chr(0x2400 + ord(char))  # Unicode has a picture of each
    if char in STEERING or unicodedata.category(char) in {"Cc", "Cs", "Cn", "Zl", "Zp"}:
        return f"\u27e8U+{ord(char):04X}\u27e9"
    return char


def person(name: str) -> str:
    """A DICOM person name as people write it: "Family, Given Middle", other writings in brackets behind it.

    Source: PS3.5 section 6.2.1 (components by ^, alphabetic, ideographic and phonetic groups by =).
    """
    groups = [_written(group) for group in name.split("=")]
    first, *others = [group for group in groups if group] or [""]
    return f"{first} ({', '.join(others)})" if others else first


def _written(group: str) -> str:
    family, given, middle, prefix, suffix = ([part.strip() for part in group.split("^")] + [""] * 5)[:5]
    forenames = " ".join(part for part in (prefix, given, middle) if part)
    return ", ".join(part for part in (family, forenames, suffix) if part)


def details(fields: Mapping[str, Any]) -> str:
    """The fields of an event in one line; those that say nothing are left out."""
    telling = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    return "; ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in telling.items()
    )


def bidi(text: str, missing: str = "") -> Markup:
    """Text from outside, isolated so that its direction cannot disturb what stands beside it."""
    if not text:
        return Markup('<span class="quiet">{}</span>').format(missing) if missing else Markup("")
    return Markup(f"<bdi>{escape(visible(text))}</bdi>")  # escaped; format() takes ten times as long


@dataclass(frozen=True)
class Said:
    """A state as people read it: an icon, a word, and a sentence for who wants to know more."""

    icon: str  # a symbol of static/icons.svg
    word: str
    tone: str  # good, warn, bad, busy, idle: the colour, which never says more than icon and word
    meaning: str


AVAILABILITY = {
    Availability.ONLINE: Said("online", "Online", "good", "On disk: opens at once."),
    Availability.NEARLINE: Said(
        "nearline", "Nearline", "busy", "On a volume that the robot reaches: bringing it back takes minutes."
    ),
    Availability.OFFLINE: Said(
        "offline",
        "Offline",
        "warn",
        "Only on volumes that a person must fetch: which takes as long as that.",
    ),
    Availability.UNAVAILABLE: Said(
        "unavailable",
        "Unavailable",
        "bad",
        "No copy of a part of it can be read at present.",
    ),
}
ONLINE = {
    OnlineState.ONLINE: Said("online", "on disk", "good", "In the online pool."),
    OnlineState.RELEASING: Said(
        "busy", "leaving disk", "busy", "Proved safe on volumes; its space on disk is being freed."
    ),
    OnlineState.RELEASED: Said("nearline", "on volumes", "idle", "Only on volumes; it can be brought back."),
}
COPY = {
    CopyState.PLANNED: Said("wait", "planned", "idle", "Wanted, not written yet."),
    CopyState.WRITING: Said("busy", "writing", "busy", "On its way to the volume; counts for nothing yet."),
    CopyState.WRITTEN: Said("idle", "written", "busy", "On the volume; not read back yet."),
    CopyState.VERIFIED: Said(
        "good", "verified", "good", "Read back whole from its volume, equal to what was received."
    ),
    CopyState.SUSPECT: Said("warn", "suspect", "warn", "Could not be read back once; another drive will try."),
    CopyState.LOST: Said("bad", "lost", "bad", "Cannot be read any more, or its volume is gone."),
    CopyState.SUPERSEDED: Said("idle", "superseded", "idle", "A newer copy took its place."),
    CopyState.RECLAIMED: Said("idle", "reclaimed", "idle", "Its volume was emptied or destroyed."),
}
VOLUME = {
    VolumeState.BLANK: Said("idle", "blank", "idle", "Not labelled yet; nothing will be written to it before that."),
    VolumeState.LABELLED: Said("good", "labelled", "good", "Ready, and still empty."),
    VolumeState.FILLING: Said("good", "filling", "good", "Takes more packs."),
    VolumeState.FULL: Said("good", "full", "idle", "Takes no more packs; is read when needed."),
    VolumeState.REPACKING: Said(
        "busy", "repacking", "busy", "What is on it is made again on others; nothing leans on it any more."
    ),
    VolumeState.DRAINED: Said("idle", "drained", "idle", "Nothing on it is needed any more: erase or retire it."),
    VolumeState.SCRATCH: Said("idle", "scratch", "idle", "Emptied; may be labelled again."),
    VolumeState.RETIRED: Said("idle", "retired", "idle", "Out of use for good."),
    VolumeState.SUSPECT: Said("warn", "suspect", "warn", "Set aside: it is read if it must be, and never written."),
    VolumeState.WRITE_PROTECTED: Said("lock", "write-protected", "warn", "Its write protection is on: only read."),
    VolumeState.LOST: Said("bad", "lost", "bad", "Gone, or no longer readable."),
}
PLACE = {
    Place.LIBRARY: Said("nearline", "in the library", "good", "The robot reaches it."),
    Place.SHELF: Said("offline", "on a shelf", "warn", "A person must bring it."),
    Place.VAULT: Said("offline", "in a vault", "warn", "A person must fetch it from another site."),
    Place.MISSING: Said("bad", "missing", "bad", "Neither in the library nor known to be on a shelf."),
}
DRIVE = {
    DriveState.EMPTY: Said("idle", "empty", "idle", "Ready for a volume."),
    DriveState.LOADING: Said("busy", "loading", "busy", "A volume is on its way in."),
    DriveState.MOUNTED: Said("good", "mounted", "good", "Holds a volume and waits."),
    DriveState.READING: Said("busy", "reading", "busy", "Reads from its volume."),
    DriveState.WRITING: Said("busy", "writing", "busy", "Writes to its volume."),
    DriveState.UNLOADING: Said("busy", "unloading", "busy", "Its volume is on its way out."),
    DriveState.CLEANING: Said("busy", "cleaning", "busy", "Holds a cleaning cartridge."),
    DriveState.FAILED: Said("bad", "failed", "bad", "Set aside after repeated errors."),
    DriveState.DOWN: Said("bad", "down", "bad", "Not to be used."),
}
JOB = {
    JobState.QUEUED: Said("wait", "queued", "idle", "Waits for a drive."),
    JobState.RUNNING: Said("busy", "running", "busy", "Is being carried out."),
    JobState.WAITING_OPERATOR: Said("hand", "waits for a person", "warn", "A volume must be brought to the library."),
    JobState.WAITING_RETRY: Said("wait", "waits to try again", "warn", "Did not work; will be tried again later."),
    JobState.DONE: Said("good", "done", "good", "Finished well."),
    JobState.FAILED: Said("bad", "failed", "bad", "Given up; a person must look."),
    JobState.CANCELLED: Said("idle", "cancelled", "idle", "A person took it back."),
}
ORDER = {
    OrderState.SCHEDULED: Said("wait", "scheduled", "idle", "Modalities see it in their worklist."),
    OrderState.IN_PROGRESS: Said("busy", "in progress", "busy", "A modality said that it began."),
    OrderState.COMPLETED: Said("good", "completed", "good", "It was done."),
    OrderState.DISCONTINUED: Said("warn", "discontinued", "warn", "It was begun and given up."),
    OrderState.CANCELLED: Said("idle", "taken back", "idle", "It was taken back before it began."),
}
REQUEST = {
    RequestState.WAITING: Said("wait", "on its way", "busy", "It is being brought back, or waits for its turn."),
    RequestState.READY: Said("good", "ready", "good", "All of it was brought back to disk."),
    RequestState.FAILED: Said("bad", "failed", "bad", "It was not brought back; the reason stands beside it."),
    RequestState.CANCELLED: Said("idle", "taken back", "idle", "Who asked for it took the wish back."),
}
DELIVERY = {
    DeliveryState.WAITING: Said("wait", "waits for its recall", "busy", "Sent as soon as it is back on disk."),
    DeliveryState.QUEUED: Said("wait", "to be sent", "busy", "Sent at the next opportunity."),
    DeliveryState.SENDING: Said("busy", "being sent", "busy", "On its way to the node."),
    DeliveryState.DONE: Said("good", "sent", "good", "The node has taken all of it."),
    DeliveryState.FAILED: Said("bad", "not sent", "bad", "Given up; the reason stands beside it."),
    DeliveryState.CANCELLED: Said("idle", "taken back", "idle", "Who asked for it took the wish back."),
}
JOB_KIND = {
    JobKind.RECALL: "bring back",
    JobKind.RELEASE: "free disk space",
    JobKind.READ_FOREIGN: "take in a disc",
    JobKind.INVENTORY: "look at the library",
    JobKind.MOVE: "move",
    JobKind.EXPORT: "export",
    JobKind.IMPORT: "import",
    JobKind.CLEAN: "clean",
    JobKind.SCAN: "look at",
    JobKind.MIGRATE: "copy",
    JobKind.VERIFY: "verify",
    JobKind.REPACK: "repack",
    JobKind.LABEL: "label",
    JobKind.COMPRESS: "compress",
}
LEVEL = {
    "info": Said("idle", "info", "idle", "For the record."),
    "warning": Said("warn", "warning", "warn", "Worth a look."),
    "error": Said("bad", "error", "bad", "Something went wrong."),
}


_TABLES: Mapping[type, Mapping[Any, Said]] = {
    Availability: AVAILABILITY,
    OnlineState: ONLINE,
    CopyState: COPY,
    VolumeState: VOLUME,
    Place: PLACE,
    DriveState: DRIVE,
    JobState: JOB,
    OrderState: ORDER,
    RequestState: REQUEST,
    DeliveryState: DELIVERY,
}


def said(value: StrEnum | str) -> Said:
    """The words for a state of any kind; a word nobody prepared is shown as it is."""
    table = _TABLES.get(type(value), LEVEL)
    return table.get(value) or Said("idle", str(value), "idle", "")


def kind_words(kind: JobKind | str) -> str:
    """What a job does, as a verb."""
    return JOB_KIND.get(JobKind(kind), str(kind)) if kind in set(JobKind) else str(kind)
