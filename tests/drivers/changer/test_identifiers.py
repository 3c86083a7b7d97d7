"""Which drive is which: answers of READ ELEMENT STATUS, recorded and built by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.changer.identifiers import DriveIdentifier, matched, parse, request
from tests.drivers.changer.recordings import dumped, recording


def descriptor(address: int, identifier: bytes | None, tags: int = 1, code_set: int = 2, kind: int = 1) -> bytes:
    """One data transfer element as SMC-3 lays it out."""
    designator = b"" if identifier is None else bytes([code_set, kind, 0, len(identifier)]) + identifier
    return address.to_bytes(2, "big") + bytes(10) + (b"A00001L8".ljust(32) + bytes(4)) * tags + designator


def page(kind: int, descriptors: list[bytes], tags: int = 1) -> bytes:
    size = len(descriptors[0]) if descriptors else 16
    body = b"".join(descriptors)
    flags = {0: 0, 1: 0x80, 2: 0xC0}[tags]
    return bytes([kind, flags]) + size.to_bytes(2, "big") + b"\0" + len(body).to_bytes(3, "big") + body


def answer(*pages: bytes) -> bytes:
    body = b"".join(pages)
    return bytes([1, 0, 0, 9, 0]) + len(body).to_bytes(3, "big") + body


def test_the_request_asks_for_drives_with_their_identifiers() -> None:
    assert " ".join(request(4096)) == "b8 14 00 00 ff ff 01 00 10 00 00 00"


def test_an_answer_that_was_cut_short_gives_what_is_whole() -> None:
    data = dumped(recording("tgt/sg_read_element_status-dvcid").stderr)
    assert len(data) == 180
    first, second = parse(data)
    assert (first.address, first.text) == (256, "IBM     ULT3580-TD6     10WT000001")
    assert (second.address, second.text) == (257, "")
    assert matched((first, second), ["10WT000002", "10WT000001"]) == ("10WT000001", None)


def test_pages_about_other_elements_are_passed_over() -> None:
    data = dumped(recording("tgt/sg_read_element_status").stderr)
    assert len(data) == 788
    assert parse(data) == ()
    drives = page(4, [descriptor(500, b"SER1"), descriptor(501, b"SER2")])
    slots = page(2, [descriptor(1000, None), descriptor(1001, None)])
    assert [e.text for e in parse(answer(slots, drives, slots))] == ["SER1", "SER2"]


@pytest.mark.parametrize("tags", [0, 1, 2])
def test_volume_tags_stand_before_the_identifier(tags: int) -> None:
    data = answer(page(4, [descriptor(256, b"  HU1234567X  \0", tags)], tags))
    assert parse(data) == (DriveIdentifier(256, "HU1234567X"),)


def test_an_identifier_that_is_no_text_is_shown_in_hexadecimal() -> None:
    data = answer(page(4, [descriptor(256, bytes.fromhex("5000e11155554444"), code_set=1, kind=3)]))
    assert parse(data)[0].text == "5000e11155554444"


@pytest.mark.parametrize("identifier", [None, b"", b"    "])
def test_a_robot_that_does_not_say_leaves_the_identifier_empty(identifier: bytes | None) -> None:
    assert parse(answer(page(4, [descriptor(256, identifier)]))) == (DriveIdentifier(256),)


def test_a_drive_is_named_by_the_end_of_its_identifier_or_not_at_all() -> None:
    elements = [DriveIdentifier(1, "HP      Ultrium 8-SCSI  HU001"), DriveIdentifier(2, "HU002"), DriveIdentifier(3)]
    assert matched(elements, ["HU002", "HU001", "U001"]) == ("HU001", "HU002", None)
    twice = [DriveIdentifier(1, "HU002"), DriveIdentifier(2, "HU002")]
    assert matched(twice, ["HU002"]) == (None, None)
    assert matched(twice, [""]) == (None, None)


@given(st.binary(max_size=400))
def test_no_answer_is_too_odd_to_be_read(data: bytes) -> None:
    assert all(0 <= element.address <= 0xFFFF for element in parse(data))


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True)), max_size=5),
    st.integers(0, 2),
    st.data(),
)
def test_what_is_whole_survives_any_cut(drives: list[tuple[int, str]], tags: int, data: st.DataObject) -> None:
    width = 20
    whole = answer(page(4, [descriptor(a, t.encode().ljust(width), tags) for a, t in drives], tags))
    expected = tuple(DriveIdentifier(a, t) for a, t in drives)
    assert parse(whole + b"more") == expected
    cut = parse(whole[: data.draw(st.integers(0, len(whole)))])
    assert len(cut) <= len(expected)
    for got, want in zip(cut[:-1], expected, strict=False):
        assert got == want
    assert all(got.text in ("", want.text) for got, want in zip(cut, expected, strict=False))
