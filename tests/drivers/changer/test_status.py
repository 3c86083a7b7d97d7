"""The parser of `mtx status`: every recorded answer, and what varies between robots."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Barcode, Element, ElementKind
from drivers.changer.status import StatusUnreadable, parse
from tests.drivers.changer.recordings import recording, recordings

WHOLE = [name for name in recordings() if recording(name).stdout.count("Storage Changer") == 1]
WHOLE = [name for name in WHOLE if "IMPORT/EXPORT" in recording(name).stdout]


def full(elements: tuple[Element, ...]) -> dict[tuple[ElementKind, int], str | None]:
    return {(e.kind, e.index): e.barcode for e in elements if e.full}


def test_there_are_recordings_of_both_kinds() -> None:
    assert len([name for name in WHOLE if name.startswith("tgt/")]) >= 12
    assert len([name for name in WHOLE if name.startswith("full/")]) >= 6


@pytest.mark.parametrize("name", WHOLE)
def test_every_recorded_status_is_read_whole(name: str) -> None:
    text = recording(name).stdout
    elements = parse(text, ("10WT000001", "10WT000002"))
    assert [e.index for e in elements if e.kind is ElementKind.DRIVE] == [0, 1]
    assert [e.drive_serial for e in elements[:2]] == ["10WT000001", "10WT000002"]
    assert [e.index for e in elements[2:]] == list(range(1, 13))
    assert [e.index for e in elements if e.kind is ElementKind.MAIL_SLOT] == [11, 12]
    assert sum(e.full for e in elements) == len(re.findall(r"Element.*:Full", text))
    assert {e.barcode for e in elements if e.full} == set(re.findall(r"VolumeTag ?= ?(\w+)", text))


def test_a_loaded_drive_says_what_it_holds_and_whose_slot_that_is() -> None:
    elements = parse(recording("tgt/status-both-loaded").stdout)
    first, second = elements[:2]
    assert (first.barcode, first.origin, second.barcode, second.origin) == ("VOL001L6", 1, "VOL002L6", 2)
    assert not any(e.full for e in elements[2:4]), "what an empty slot's tag remembers is not in it"


def test_mail_slots_go_on_behind_the_slots() -> None:
    assert full(parse(recording("full/status-import").stdout))[ElementKind.MAIL_SLOT, 11] == "NEW001L6"


@pytest.mark.parametrize("name", [name for name in recordings() if "Storage Changer" not in recording(name).stdout])
def test_what_is_no_status_is_refused(name: str) -> None:
    with pytest.raises(StatusUnreadable, match="Storage Changer"):
        parse(recording(name).stdout)


@pytest.mark.parametrize(
    ("line", "element"),
    [
        ("Data Transfer Element 0:Full (Unknown Storage Element Loaded)", Element(ElementKind.DRIVE, 0, True)),
        (
            "Data Transfer Element 0:Full (Storage Element 7 Loaded):VolumeTag = A1 :AlternateVolumeTag = B2 ",
            Element(ElementKind.DRIVE, 0, True, Barcode("A1"), 7),
        ),
        ("Data Transfer Element 0:Full:VolumeTag=A1L8", Element(ElementKind.DRIVE, 0, True, Barcode("A1L8"))),
        ("Storage Element 1:Full", Element(ElementKind.SLOT, 1, True)),
        ("Storage Element 1:Full :VolumeTag=                      ", Element(ElementKind.SLOT, 1, True)),
        ("Storage Element 1:Full :AlternateVolumeTag=B2", Element(ElementKind.SLOT, 1, True)),
        ("Storage Element 1:Full :VolumeTag=\0\0\0", Element(ElementKind.SLOT, 1, True)),
        ("Storage Element 1 IMPORT/EXPORT:Empty:VolumeTag=A1", Element(ElementKind.MAIL_SLOT, 1)),
        ("Storage Element 1:Full :VolumeTag=A 1", Element(ElementKind.SLOT, 1, True, Barcode("A 1"))),
    ],
)
def test_what_robots_leave_out_or_add_is_understood(line: str, element: Element) -> None:
    counts = {ElementKind.DRIVE: (1, 0, 0), ElementKind.SLOT: (0, 1, 0), ElementKind.MAIL_SLOT: (0, 1, 1)}[element.kind]
    assert parse(heading(*counts) + f"      {line}\n") == (element,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Storage Changer"),
        ("Storage Element 1:Full", "Storage Changer"),
        ("{}Storage Element 1:Full\n", "2 slots were announced and 1 listed"),
        ("{}Storage Element 1:Full\nStorage Element 1:Empty\n", "two elements"),
        ("{}Storage Element 1:Full\nStorage Element 2:Perhaps\n", "Perhaps"),
        ("{}Storage Element 1:Full\nStorage Element x:Full\n", "Element x"),
        ("{}Storage Element 1:Full\nStorage Element 2 IMPORT/EXPORT:Full\n", "0 mail slots"),
        ("{}Storage Element 1:Full\nStorage Element 2:Full\nData Transfer Element 0:Empty\n", "0 drives"),
    ],
)
def test_half_an_answer_is_no_answer(text: str, message: str) -> None:
    with pytest.raises(StatusUnreadable, match=message):
        parse(text.format(heading(0, 2, 0)))


def heading(drives: int, storage: int, mail_slots: int) -> str:
    return f"  Storage Changer /dev/sg3:{drives} Drives, {storage} Slots ( {mail_slots} Import/Export )\n"


BARCODES = st.none() | st.from_regex(r"[A-Z0-9$+./%\-]([A-Z0-9 $+./%\-]{0,30}[A-Z0-9])?", fullmatch=True).map(Barcode)


@st.composite
def libraries(draw: st.DrawFn) -> list[Element]:
    drives = [
        Element(
            ElementKind.DRIVE, n, f, draw(BARCODES) if f else None, draw(st.none() | st.integers(1, 999)) if f else None
        )
        for n, f in enumerate(draw(st.lists(st.booleans(), max_size=4)))
    ]
    slots, mail = draw(st.lists(st.booleans(), max_size=8)), draw(st.lists(st.booleans(), max_size=3))
    storage = [
        Element(ElementKind.SLOT if n <= len(slots) else ElementKind.MAIL_SLOT, n, f, draw(BARCODES) if f else None)
        for n, f in enumerate([*slots, *mail], 1)
    ]
    return drives + storage


def printed(element: Element, padding: int, leftover: str, alternate: bool) -> str:
    """A line as mtx prints it."""
    tag = element.barcode or ""
    if element.kind is ElementKind.DRIVE:
        if not element.full:
            return f"Data Transfer Element {element.index}:Empty"
        whose = "Unknown Storage Element" if element.origin is None else f"Storage Element {element.origin}"
        line = f"Data Transfer Element {element.index}:Full ({whose} Loaded)"
        line += f":VolumeTag = {tag:{padding}}" if tag or padding else ""
        return line + (":AlternateVolumeTag = OTHER   " if alternate else "")
    mail = " IMPORT/EXPORT" if element.kind is ElementKind.MAIL_SLOT else ""
    tag = tag if element.full else leftover
    line = f"      Storage Element {element.index}{mail}:{'Full ' if element.full else 'Empty'}"
    line += f":VolumeTag={tag:{padding}}" if tag or padding else ""
    return line + (":AlternateVolumeTag=OTHER   " if alternate else "")


@given(
    libraries(),
    st.sampled_from([0, 8, 32]),
    st.sampled_from(["", "GONE01L8"]),
    st.booleans(),
    st.lists(st.sampled_from(["", "Warning:Too Many Storage Elements Reported (expected 5, now have 6", "  noise: 1"])),
)
def test_whatever_mtx_prints_about_a_library_is_that_library(
    elements: list[Element], padding: int, leftover: str, alternate: bool, noise: list[str]
) -> None:
    kinds = [e.kind for e in elements]
    drives, mail_slots = kinds.count(ElementKind.DRIVE), kinds.count(ElementKind.MAIL_SLOT)
    lines = [printed(e, padding, leftover, alternate) for e in elements]
    for number, line in enumerate(noise):
        lines.insert(number * 2, line)
    text = heading(drives, len(kinds) - drives, mail_slots) + "\n".join(lines)
    serials = [f"S{n}" for n in range(drives)]
    assert parse(text) == tuple(elements)
    assert parse(text, serials)[:drives] == tuple(
        replace(e, drive_serial=f"S{n}") for n, e in enumerate(elements[:drives])
    )
    if elements:
        without = heading(drives, len(kinds) - drives, mail_slots) + "\n".join(
            line for line in lines if line != printed(elements[-1], padding, leftover, alternate)
        )
        with pytest.raises(StatusUnreadable):
            parse(without)
