"""What `mtx status` prints, read into elements. Pure.

Source: mtx(1); docs/HARDWARE.md, "Connecting a robot".
"""

import re
from collections.abc import Iterator, Sequence

from drivers.base import Barcode, Element, ElementKind


class StatusUnreadable(ValueError):
    """The text is not a whole answer of `mtx status`."""


_HEADER = re.compile(r"Storage Changer .*:\s*(\d+) Drives?, (\d+) Slots? \(\s*(\d+) Import/Export\s*\)\s*$")
_DRIVE = re.compile(r"Data Transfer Element (\d+):\s*(?:(Empty)|Full\s*(?:\((.*?)\))?)(?::(.*))?$")
_STORAGE = re.compile(r"Storage Element (\d+)( IMPORT/EXPORT)?:\s*(?:(Empty)|Full)\s*(?::(.*))?$")
_ORIGIN = re.compile(r"Storage Element (\d+) Loaded")
_TAG = re.compile(r"(?:^|:)VolumeTag\s*=\s*(.*?)\s*(?=:AlternateVolumeTag\s*=|$)")
_BLANK = " \t\0"


def parse(text: str, drive_serials: Sequence[str | None] = ()) -> tuple[Element, ...]:
    """The elements in the order of the answer: drives, then slots and mail slots in their one numbering.

    Volume tags lose the blanks they are padded with; a full element whose tag is missing or blank has no barcode, and
    what an empty element's tag remembers is left out. Lines that say nothing about an element are passed over.
    `drive_serials` says which drive each drive element is.

    Raises: StatusUnreadable when the heading is missing, a line about an element cannot be understood, a number comes
    twice, or there are fewer or more elements than the heading promises.
    """
    counts: tuple[int, int, int] | None = None
    elements: list[Element] = []
    for line in text.splitlines():
        if found := _HEADER.search(line):
            counts = (int(found[1]), int(found[2]), int(found[3]))
        elif line.lstrip().startswith(("Data Transfer Element", "Storage Element")):
            elements.append(_element(line.strip(_BLANK), drive_serials))
    if counts is None:
        raise StatusUnreadable(f"no line that begins with Storage Changer in {text[:200]!r}")
    if faults := list(_contradictions(elements, *counts)):
        raise StatusUnreadable("; ".join(faults))
    return tuple(elements)


def _element(line: str, drive_serials: Sequence[str | None]) -> Element:
    if found := _DRIVE.match(line):
        index, full = int(found[1]), found[2] is None
        origin = _ORIGIN.match(found[3] or "")
        return Element(
            ElementKind.DRIVE,
            index,
            full,
            _barcode(found[4]) if full else None,
            int(origin[1]) if full and origin else None,
            drive_serials[index] if index < len(drive_serials) else None,
        )
    if found := _STORAGE.match(line):
        full = found[3] is None
        kind = ElementKind.MAIL_SLOT if found[2] else ElementKind.SLOT
        return Element(kind, int(found[1]), full, _barcode(found[4]) if full else None)
    raise StatusUnreadable(f"the line {line!r} is not understood")


def _barcode(tags: str | None) -> Barcode | None:
    found = _TAG.search(tags or "")
    text = found[1].strip(_BLANK) if found else ""
    return Barcode(text) if text else None


def _contradictions(elements: Sequence[Element], drives: int, storage: int, mail_slots: int) -> Iterator[str]:
    """What the heading and the lines below it do not agree on. The slots of the heading include the mail slots."""
    kinds = [element.kind for element in elements]
    for what, promised, given in (
        ("drives", drives, kinds.count(ElementKind.DRIVE)),
        ("slots", storage, len(kinds) - kinds.count(ElementKind.DRIVE)),
        ("mail slots", mail_slots, kinds.count(ElementKind.MAIL_SLOT)),
    ):
        if promised != given:
            yield f"{promised} {what} were announced and {given} listed"
    numbers = [(element.kind is ElementKind.DRIVE, element.index) for element in elements]
    if len(set(numbers)) != len(numbers):
        yield "a number was given to two elements"
