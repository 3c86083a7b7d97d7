"""What xorriso says about the disc in a drive, and why it could not do something. Pure: text in, facts out.

Source: xorriso(1), "Media current", "Media status" and -toc; libburn's profile names (MMC-5 table 89).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from drivers.isofs import BLOCK_BYTES

_LINE = re.compile(r"^(Drive type|Media [a-z]+) *: *(.*?)\s*$", re.MULTILINE)
_DRIVE = re.compile(r"vendor '(.*?)' product '(.*?)' revision '(.*?)'")
_BLOCKS = re.compile(r"(\d+) readable , (\d+) writable , (\d+) overall")
_SESSION = re.compile(r"^ISO session  *: *\d+ , *\d+ , *\d+s , (.*?)\s*$", re.MULTILINE)
_VOLUME_ID = re.compile(r"^Volume id *: '(.*)'\s*$", re.MULTILINE)
_PROFILE = re.compile(r"^Profile *: *0x([0-9A-Fa-f]{4})\b", re.MULTILINE)
_MANNER = re.compile(r" (sequential|random|layer jump|restricted) ?.*$")  # of recording
_GRAVE = re.compile(r"^\S+ ?: (?:FATAL|FAILURE|SORRY) : (.+?)\s*$", re.MULTILINE)
_SENSE = re.compile(
    r"SCSI error (?:condition )?on (?:command (?P<code>[0-9A-F]{2})h|[a-z_]+\()[^:\n]*: "
    r"\[(?P<key>[0-9A-F]+) (?P<asc>[0-9A-F]{2}) (?P<ascq>[0-9A-F]{2})\]",
    re.IGNORECASE,
)

RESERVE_TRACK = 0x53
DONE = "completed successfully"
_BLU_RAY = range(0x40, 0x50)
_DISC_XL_BYTES = 60_000_000_000  # above two layers


class Condition(StrEnum):
    """What a drive says of the disc, before anything else was looked at."""

    ABSENT = "absent"
    BLANK = "blank"
    APPENDABLE = "appendable"  # something is recorded and the disc was not closed
    CLOSED = "closed"
    UNKNOWN = "unknown"  # there is something the drive makes nothing of


@dataclass(frozen=True)
class Toc:
    """One answer of xorriso -toc."""

    condition: Condition
    medium: str | None = None  # in the words of drivers/generations where there are some; None when not recognised
    rewritable: bool = False
    recorded_bytes: int = 0  # as the disc's own table says; a drive may say 0 for a disc that is full
    free_bytes: int = 0
    volume_id: str | None = None  # of the last session
    drive: str = ""  # vendor, product and revision


def parse(text: str) -> Toc:
    """The facts in an answer, complete or not; several drives are not expected.

    Raises: ValueError when it holds no word about a medium.
    """
    lines = dict(_LINE.findall(text))
    if "Media status" not in lines:
        raise ValueError("xorriso said nothing about a medium")
    named = lines.get("Media current", "")
    blocks = _BLOCKS.search(lines.get("Media blocks", ""))
    recorded, free = (int(blocks[1]) * BLOCK_BYTES, int(blocks[2]) * BLOCK_BYTES) if blocks else (0, 0)
    sessions = _SESSION.findall(text) or _VOLUME_ID.findall(text)
    drive = _DRIVE.search(lines.get("Drive type", ""))
    return Toc(
        condition=_condition(lines["Media status"]),
        medium=medium_name(named, recorded + free),
        rewritable=is_rewritable(named),
        recorded_bytes=recorded,
        free_bytes=free,
        volume_id=sessions[-1] if sessions else None,
        drive=" ".join(part.strip() for part in drive.groups()) if drive else "",
    )


def _condition(status: str) -> Condition:
    if "is not present" in status:
        return Condition.ABSENT
    if "is blank" in status:
        return Condition.BLANK
    if "is appendable" in status:
        return Condition.APPENDABLE
    if "is closed" in status:
        return Condition.CLOSED
    return Condition.UNKNOWN


def medium_name(profile: str, capacity_bytes: int) -> str | None:
    """A profile's name ("DVD+R/DL", "BD-R sequential recording") in our words; None for an unknown medium."""
    if not profile or profile.startswith("is "):
        return None
    name = _MANNER.sub("", profile).replace("/DL", " DL")
    if name == "BD-R" and capacity_bytes > _DISC_XL_BYTES:
        return "BD-R XL"
    return name


def is_rewritable(profile: str) -> bool:
    """Whether a medium can be written over. Such media are no archive: an error or a hand can empty them."""
    return bool(re.match(r"(CD-RW|DVD[-+]RW|DVD-RAM|BD-RE|HD DVD-RAM)", profile)) or "overwriteable" in profile


def drive_model(text: str) -> str | None:
    """ "BD" or "DVD", the best a drive can do by an answer of xorriso -list_profiles; None when it lists nothing."""
    profiles = [int(number, 16) for number in _PROFILE.findall(text)]
    if not profiles:
        return None
    return "BD" if any(number in _BLU_RAY and number != _BLU_RAY[0] for number in profiles) else "DVD"


def reason(text: str) -> str:
    """Why something failed: the first grave thing that was said, which the later ones only follow from; "" if none."""
    found = _GRAVE.search(text)
    return found[1] if found else ""


def was_completed(stderr: str) -> bool:
    """Whether a burn came to its end by xorriso's own words; its exit status alone is not believed."""
    return DONE in stderr


@dataclass(frozen=True)
class Sense:
    """A SCSI error as libburn reports it."""

    command: int | None  # its operation code, where it is said
    key: int
    asc: int
    ascq: int


def senses(text: str) -> list[Sense]:
    """All SCSI errors that were reported, in order. Source: SPC-4 4.5."""
    return [
        Sense(
            int(found["code"], 16) if found["code"] else None,
            int(found["key"], 16),
            int(found["asc"], 16),
            int(found["ascq"], 16),
        )
        for found in _SENSE.finditer(text)
    ]


def refuses_reservation(text: str) -> bool:
    """Whether a drive does not know RESERVE TRACK: nothing was written, and another write type works.

    Source: MMC-6 6.32; sense 5/20/00, invalid command operation code.
    """
    return Sense(RESERVE_TRACK, 5, 0x20, 0) in senses(text)


def is_busy(text: str) -> bool:
    """Whether another program uses the drive."""
    return bool(re.search(r"(?i)busy device|device busy", text))
