"""Labels."""

import hashlib
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Barcode, MediumKind
from hsm.format.errors import FormatTooNew, LabelDamaged, NotALabel, TextInvalid
from hsm.format.label import LABEL_BYTES, VolumeLabel, decode, encode
from tests.hsm.format.samples import DISC_LABEL, NOW, TAPE_LABEL, UUID

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64).map(str.strip)

moments = st.integers(0, 2**52).map(lambda us: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))


@given(
    st.builds(
        VolumeLabel,
        barcode=printable.filter(bool).map(Barcode),
        uuid=st.uuids().map(str),
        kind=st.sampled_from(MediumKind),
        generation=printable,
        pool=printable,
        labelled_at=moments,
        record_bytes=st.integers(1, 2**31),
    )
)
def test_a_label_is_read_back_as_it_was_written(label: VolumeLabel) -> None:
    data = encode(label)
    assert len(data) == LABEL_BYTES
    assert data.isascii()
    assert decode(data) == label


@pytest.mark.parametrize("label", [TAPE_LABEL, DISC_LABEL])
@given(data=st.data())
def test_a_change_of_any_byte_of_a_label_is_noticed(label: VolumeLabel, data: st.DataObject) -> None:
    good = encode(label)
    at = data.draw(st.one_of(st.integers(0, 3200), st.integers(0, LABEL_BYTES - 1)))
    wrong = bytearray(good)
    wrong[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((NotALabel, LabelDamaged)):
        decode(bytes(wrong))


def test_a_label_is_checked_with_sed_and_sha256sum_alone(tmp_path: Path) -> None:
    (tmp_path / "label").write_bytes(encode(TAPE_LABEL))
    line = next(line for line in encode(TAPE_LABEL).decode().splitlines() if line.startswith("  sed "))
    said = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, check=True, text=True).stdout.split()[0]
    assert f"\nsha256: {said}\n" in (tmp_path / "label").read_text()


def test_a_label_begins_with_words_a_person_understands() -> None:
    text = encode(TAPE_LABEL).decode()
    assert text.startswith("FIRN VOLUME LABEL\n\nThis tape holds medical images")
    assert "tar -i -xf" in text
    assert "barcode: A00012L8\n" in text
    assert "DICOMDIR" in encode(DISC_LABEL).decode()


@pytest.mark.parametrize("first", [b"", bytes(512), b"VOL1A00012", b"firn volume label\n"])
def test_what_is_not_ours_is_not_a_label(first: bytes) -> None:
    with pytest.raises(NotALabel):
        decode(first.ljust(LABEL_BYTES, b"\0"))


def test_a_label_that_is_cut_off_is_damaged() -> None:
    with pytest.raises(LabelDamaged, match="65535 bytes"):
        decode(encode(TAPE_LABEL)[:-1])


def _resealed(old: bytes, new: bytes) -> bytes:
    """A label with other words and a right digest."""
    blank = encode(TAPE_LABEL).replace(old, new)[:LABEL_BYTES].ljust(LABEL_BYTES, b"\n")
    head, mark, tail = blank.rpartition(b"\nsha256: ")
    blank = head + mark + b"0" * 64 + tail[64:]
    return head + mark + hashlib.sha256(blank).hexdigest().encode() + tail[64:]


def test_a_label_of_a_later_format_is_refused_as_such() -> None:
    with pytest.raises(FormatTooNew, match="A00012L8"):
        decode(_resealed(b"format_version: 1", b"format_version: 2"))


def test_a_line_a_later_firn_adds_is_ignored() -> None:
    assert decode(_resealed(b"\npool: ", b"\nkey_name: vault\npool: ")) == TAPE_LABEL


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\nuuid: ", b"\nuvid: ", "no line 'uuid'"),
        (b"\nkind: tape", b"\nkind: wire", "wire"),
        (b"\nrecord_bytes: 262144", b"\nrecord_bytes: many", "many"),
        (b"\nlabelled_at: 2025-01-31T12:30:05Z", b"\nlabelled_at: yesterday", "yesterday"),
        (b"\npool: ", b"\nkind: tape\npool: ", "twice"),
        (b"--- BEGIN FIRN LABEL", b"--- BEGIN SNOW LABEL", "no readable part"),
        (b"\npool: ", b"\npool ", "no readable part"),
    ],
)
def test_a_label_with_a_wrong_line_is_damaged_even_if_its_digest_is_right(old: bytes, new: bytes, why: str) -> None:
    with pytest.raises(LabelDamaged, match=why):
        decode(_resealed(old, new))


@pytest.mark.parametrize(
    ("field", "value"),
    [("pool", "a\nsha256: 0"), ("pool", "Grün"), ("pool", " x"), ("barcode", ""), ("pool", "x" * 65)],
)
def test_a_text_that_would_break_a_label_is_refused(field: str, value: str) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(TextInvalid, match=field):
        encode(replace(TAPE_LABEL, **changed))


def test_a_label_in_another_zone_says_utc() -> None:
    elsewhere = replace(TAPE_LABEL, labelled_at=NOW.astimezone(timezone(timedelta(hours=-7))))
    assert encode(elsewhere) == encode(TAPE_LABEL)


def test_a_label_needs_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="naive"):
        encode(VolumeLabel(Barcode("A"), UUID, MediumKind.TAPE, "", "", NOW.replace(tzinfo=None)))
    assert isinstance(decode(encode(TAPE_LABEL)).labelled_at, datetime)
