"""What `sg_logs` prints, turned into facts. Pure: text in, facts out; a line that is not there is a fact not told.

Source: sg_logs of sg3-utils 1.46; the log pages are described in SSC-4 and SPC-4.
"""

import re
from dataclasses import dataclass

from drivers.tape_alerts import TEXTS

SUPPORTED, WRITE_ERRORS, READ_ERRORS, DEVICE_STATUS, VOLUME, ALERTS, CAPACITY = 0x00, 0x02, 0x03, 0x11, 0x17, 0x2E, 0x31

_FIELD = re.compile(r"^\s+(?P<name>\S.*?)\s*[:=]\s*(?P<value>.*?)\s*$")
_SUPPORTED = re.compile(r"^\s+0x(?P<page>[0-9a-f]{2})\s", re.IGNORECASE)
_FLAG = re.compile(r"\b(?P<name>[A-Z]+)=(?P<value>\d+)")
_MB, _MIB = 10**6, 2**20


@dataclass(frozen=True)
class VolumeFacts:
    """Page 0x17: what the cartridge is and what it has been through."""

    serial: str | None = None
    barcode: str | None = None
    personality: str | None = None  # for example "Ultrium-8"
    capacity_bytes: int | None = None  # native
    used_bytes: int | None = None
    mounts: int | None = None
    written_bytes: int | None = None  # over its whole life
    read_bytes: int | None = None
    write_protected: bool | None = None
    worm: bool | None = None


@dataclass(frozen=True)
class ErrorCounts:
    """Pages 0x02 and 0x03: what had to be corrected since the counters began, and what could not be."""

    corrected: int | None = None
    uncorrected: int | None = None
    processed_bytes: int | None = None


@dataclass(frozen=True)
class CapacityFacts:
    """Page 0x31: the main partition."""

    remaining_bytes: int | None = None
    maximum_bytes: int | None = None


def supported(text: str) -> frozenset[int]:
    """The numbers of the pages a device has."""
    return frozenset(int(found["page"], 16) for line in text.splitlines() if (found := _SUPPORTED.match(line)))


def alerts(text: str) -> frozenset[int]:
    """The TapeAlert flags that are up, by number."""
    told = _fields(text)
    return frozenset(number for number, name in enumerate(TEXTS, 1) if (_number(told, name) or 0) > 0)


def volume(text: str) -> VolumeFacts:
    """Page 0x17. Counters are of no use while the page says it is not valid; who the cartridge is stays told."""
    told = _fields(text)
    valid = _number(told, "Page valid") != 0
    facts = VolumeFacts(
        serial=told.get("Volume serial number") or None,
        barcode=told.get("Volume barcode") or None,
        personality=told.get("Volume personality") or None,
        write_protected=_truth(told, "Write protect"),
        worm=_truth(told, "WORM"),
    )
    if not valid:
        return facts
    return VolumeFacts(
        serial=facts.serial,
        barcode=facts.barcode,
        personality=facts.personality,
        capacity_bytes=_times(_MB, _number(told, "Total native capacity [MB]")) or None,
        used_bytes=_times(_MB, _number(told, "Total used native capacity [MB]")),
        mounts=_number(told, "Thread count"),
        written_bytes=_times(_MB, _number(told, "Lifetime megabytes written")),
        read_bytes=_times(_MB, _number(told, "Lifetime megabytes read")),
        write_protected=facts.write_protected,
        worm=facts.worm,
    )


def errors(text: str) -> ErrorCounts:
    """Page 0x02 or 0x03."""
    told = _fields(text)
    return ErrorCounts(
        corrected=_number(told, "Total errors corrected"),
        uncorrected=_number(told, "Total uncorrected errors"),
        processed_bytes=_number(told, "Total bytes processed"),
    )


def capacity(text: str) -> CapacityFacts:
    """Page 0x31; all zero means that no medium is in, which is told as nothing."""
    told = _fields(text)
    maximum = _number(told, "Main partition maximum capacity (in MiB)")
    if not maximum:
        return CapacityFacts()
    return CapacityFacts(
        remaining_bytes=_times(_MIB, _number(told, "Main partition remaining capacity (in MiB)")),
        maximum_bytes=_times(_MIB, maximum),
    )


def medium_present(text: str) -> bool | None:
    """Page 0x11: whether a cartridge lies in the drive, loaded or not; None when the page does not tell."""
    flags = {found["name"]: int(found["value"]) for found in _FLAG.finditer(text)}
    told = [flags[name] for name in ("MPRSNT", "MSTD", "MTHRD", "MOUNTED") if name in flags]
    return any(told) if told else None


def _fields(text: str) -> dict[str, str]:
    return {found["name"]: found["value"] for line in text.splitlines() if (found := _FIELD.match(line))}


def _number(told: dict[str, str], name: str) -> int | None:
    value = told.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else None


def _truth(told: dict[str, str], name: str) -> bool | None:
    number = _number(told, name)
    return None if number is None else number > 0


def _times(unit_bytes: int, number: int | None) -> int | None:
    return None if number is None else unit_bytes * number
