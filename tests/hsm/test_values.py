import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.charsets import choose, decode, encodes, encodings_of
from hsm.elements import Element, Encoding
from hsm.values import date_of, int_of, json_of, text_of, texts_of, time_of

LITTLE = Encoding(implicit=False, little=True)
BIG = Encoding(implicit=False, little=False)
ASCII = ["latin_1"]
UNDEFINED = b"\xff\xff\xff\xff"
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def said(vr: str, value: bytes, tag: int = 0x00091001, encoding: Encoding = LITTLE) -> Any:
    return json_of(Element(tag, vr, value, encoding), ASCII)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("US", b"\x01\x00\x02\x00", [1, 2]),
        ("SS", b"\xff\xff", [-1]),
        ("FD", struct.pack("<d", 1.5), [1.5]),
        ("FL", struct.pack("<f", float("nan")) + struct.pack("<f", 2.0), [None, 2.0]),
        ("IS", b"1\\x\\-3", [1, None, -3]),
        ("DS", b"1.50\\2\\1e400\\x", [1.5, 2, None, None]),
        ("AT", b"\x08\x00\x18\x00\x01", ["00080018"]),
        ("PN", b"A^B=C\\=D", [{"Alphabetic": "A^B", "Ideographic": "C"}, {"Ideographic": "D"}]),
        ("LO", b" one \\\\two", ["one", None, "two"]),
        ("LT", b"a\\b ", ["a\\b"]),
    ],
)
def test_values_are_said_in_dicom_json(vr: str, value: bytes, expected: list[Any]) -> None:
    assert said(vr, value) == {"vr": vr, "Value": expected}


@pytest.mark.parametrize(("vr", "value"), [("OB", b"xx"), ("UN", b"xx"), ("LO", b"  "), ("PN", b"=="), ("US", b"x")])
def test_values_that_json_does_not_keep_are_left_out(vr: str, value: bytes) -> None:
    assert said(vr, value) is None


def test_big_endian_numbers_and_tags_are_read_as_such() -> None:
    assert said("US", b"\x01\x00", encoding=BIG)["Value"] == [256]
    assert said("AT", b"\x00\x08\x00\x18", encoding=BIG)["Value"] == ["00080018"]


def inner(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def item(content: bytes, undefined: bool = False) -> bytes:
    return ITEM + UNDEFINED + content + ITEM_END if undefined else ITEM + struct.pack("<I", len(content)) + content


def sequence(tag: int, content: bytes) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, len(content)) + content


def open_sequence(tag: int, content: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"SQ", 0) + UNDEFINED + content + SEQUENCE_END


@pytest.mark.parametrize("undefined", [False, True])
def test_items_are_read_with_and_without_lengths_at_every_depth(undefined: bool) -> None:
    code = inner(0x00080100, b"SH", b"X1")
    make = open_sequence if undefined else sequence
    deep = item(make(0x00081140, item(make(0x0040A730, item(code, undefined)), undefined)), undefined)
    expected = {"0040A730": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["X1"]}}]}}
    assert said("SQ", deep)["Value"] == [{"00081140": {"vr": "SQ", "Value": [expected]}}]
    mixed = item(open_sequence(0x00081140, item(code) + item(code, True)), True)
    assert len(said("SQ", mixed)["Value"][0]["00081140"]["Value"]) == 2


def test_an_item_may_bring_its_own_character_set() -> None:
    content = inner(0x00080005, b"CS", b"ISO_IR 192") + inner(0x00080104, b"LO", "Schädel".encode())
    assert said("SQ", item(content))["Value"][0]["00080104"]["Value"] == ["Schädel"]


@pytest.mark.parametrize(
    "broken",
    [
        item(inner(0x00080100, b"SH", b"X1"))[:-1],
        item(open_sequence(0x00081140, inner(0x00080100, b"SH", b"X1"))),
        item(open_sequence(0x00081140, inner(0x00080100, b"SH", b"X1")), True),
        item(struct.pack("<HH2sH", 8, 0x1140, b"SQ", 0) + UNDEFINED + ITEM + UNDEFINED),
    ],
)
def test_sequences_that_do_not_hold_together_are_left_out(broken: bytes) -> None:
    assert said("SQ", broken) is None
    assert said("SQ", item(sequence(0x00081140, broken)))["Value"] == [{}]


def test_sequences_nested_too_deeply_are_cut() -> None:
    content = item(inner(0x00080100, b"SH", b"X1"))
    for _ in range(12):
        content = item(sequence(0x00081140, content))
    found, depth = said("SQ", content)["Value"][0], 1
    while found:
        found, depth = found["00081140"]["Value"][0], depth + 1
    assert depth == 8


def test_what_follows_the_last_item_of_a_sequence_is_not_looked_at() -> None:
    assert said("SQ", item(inner(0x00080100, b"SH", b"X1")) + SEQUENCE_END + b"rest....")["Value"]


@pytest.mark.parametrize(
    ("text", "padded"),
    [
        ("10", "100000.000000"),
        ("1015", "101500.000000"),
        ("10:15:20", "101520.000000"),
        ("101520.5", "101520.500000"),
        ("235960", "235960.000000"),
        ("2400", ""),
        ("1060", ""),
        ("101561", ""),
        ("noon", ""),
        ("", ""),
    ],
)
def test_times_are_padded(text: str, padded: str) -> None:
    assert time_of(text) == padded


def test_dates_and_numbers_are_read_or_absent() -> None:
    assert date_of("2024-02-30") is None
    assert date_of("today") is None
    assert str(date_of(" 2024.02.29 ")) == "2024-02-29"
    assert int_of("12\\13") == 12
    assert int_of("2147483648") is None
    assert int_of("+7 ") == 7


def test_texts_lose_their_padding_and_keep_what_means_something() -> None:
    assert text_of(Element(0x00104000, "LT", b"  indented \0", LITTLE), ASCII) == "  indented"
    assert texts_of(Element(0x00080008, "CS", b"A \\ B\0", LITTLE), ASCII) == ["A", "B"]
    assert text_of(Element(0x00091001, "", b"raw", LITTLE), ASCII) == "raw"
    assert texts_of(Element(0x00080008, "UN", b"A\\B", LITTLE), ASCII) == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "terms", "fits"),
    [
        ("Jérôme", ["ISO_IR 100"], True),
        ("山田^太郎", ["ISO_IR 100"], False),
        ("山田^太郎", ["", "ISO 2022 IR 87"], True),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"], True),
        ("洪^吉洞", ["", "ISO 2022 IR 149"], True),
        ("王^小东", ["GB18030"], True),
        ("张^小东", ["", "ISO 2022 IR 58"], True),
        ("王^小东", ["", "ISO 2022 IR 149"], False),
        ("Люкceмбypг", ["ISO_IR 144"], True),
        ("ascii", ["ISO_IR 144"], True),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", ["ISO 2022 IR 13", "ISO 2022 IR 87"], True),
    ],
)
def test_a_character_set_fits_when_the_text_reads_back_equal(text: str, terms: list[str], fits: bool) -> None:
    assert encodes([text], terms) is fits


def test_the_first_character_set_that_can_carry_everything_is_chosen() -> None:
    korean, chinese = "洪^吉洞", "王^小东"
    assert choose(["plain"], ["ISO_IR 100"]) == []
    assert choose(["Jérôme"], ["ISO_IR 100"], ["ISO_IR 192"]) == ["ISO_IR 100"]
    assert choose([korean], ["ISO_IR 100"], ["", "ISO 2022 IR 149"]) == ["", "ISO 2022 IR 149"]
    assert choose([korean, chinese], ["GB2312?"], ["", "ISO 2022 IR 149"]) == ["ISO_IR 192"]
    assert choose([chinese], [], ["gb 18030"]) == ["GB18030"]


def test_stand_alone_character_sets_take_no_extensions() -> None:
    assert encodings_of(["ISO_IR 192", "ISO 2022 IR 87"]) == ["UTF8"]
    assert encodings_of(["ISO_IR 100", "ISO_IR 192"]) == ["latin_1"]
    assert encodings_of([]) == ["latin_1"]


@given(
    st.binary(max_size=60), st.lists(st.sampled_from(["", "ISO 2022 IR 87", "ISO 2022 IR 149", "GB18030"]), max_size=3)
)
def test_no_bytes_keep_text_from_being_decoded(data: bytes, terms: list[str]) -> None:
    text = decode(b"\x1b" + data, encodings_of(terms), is_name=True)
    text.encode()
    assert "\0" not in text
